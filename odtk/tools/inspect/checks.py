"""Every check of an inspection, each a function over the context."""

from odtk.report.inspection import SEVERITIES, Finding
from odtk.tools.inspect import box_checks, class_checks, image_checks
from odtk.tools.inspect.check_context import CheckContext

CHECKS = (
    image_checks.missing_shards,
    image_checks.refused,
    image_checks.unusable,
    image_checks.odd,
    image_checks.copies,
    image_checks.large,
    class_checks.no_boxes,
    class_checks.nameless,
    class_checks.unknown,
    class_checks.too_few_outputs,
    class_checks.disagreeing,
    class_checks.alike,
    class_checks.misspelled,
    class_checks.rare,
    class_checks.absent,
    class_checks.unused,
    box_checks.unmatched,
    box_checks.tiny,
    box_checks.whole_image,
    box_checks.drawn_twice,
    box_checks.too_many,
    image_checks.negatives,
)


def run(context: CheckContext) -> list[Finding]:
    """What all checks find, the worst first, and otherwise in the order of the table."""
    found = [finding for check in CHECKS for finding in check(context)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
