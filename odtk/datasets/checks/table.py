"""The table of all checks of data: functions of a CheckContext, in the modules of this package.

To add a check, add a row here: its findings are then printed, shown on the HTML page and in the JSON, and drawn by
`odtk view --worst`.
"""

from odtk.datasets.checks import boxes, classes, images
from odtk.datasets.checks.context import CheckContext
from odtk.findings import Finding, worst_first

CHECKS = (
    images.missing_shards,
    images.refused,
    images.unusable,
    images.reported,
    images.copies,
    images.large,
    classes.no_boxes,
    classes.nameless,
    classes.unknown,
    classes.too_few_outputs,
    classes.disagreeing,
    classes.alike,
    classes.misspelled,
    classes.rare,
    classes.absent,
    classes.unused,
    boxes.unmatched,
    boxes.tiny,
    boxes.whole_image,
    boxes.drawn_twice,
    boxes.too_many,
    images.negatives,
)


def run(context: CheckContext) -> list[Finding]:
    """The findings of all checks, by severity, then in the order of the table."""
    return worst_first(finding for check in CHECKS for finding in check(context))
