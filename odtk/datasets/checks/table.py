"""The table of the checks of data, each a function in one of the modules beside it that is given a CheckContext.

Whoever adds a check adds its line here: what it yields is then on the terminal, on the page, in the JSON and in
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
    """What all checks find, the worst first, and otherwise in the order of the table."""
    return worst_first(finding for check in CHECKS for finding in check(context))
