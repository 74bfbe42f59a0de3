"""The page's tables of splits, classes and anchors."""

from collections.abc import Mapping, Sequence

from lxml import etree

from odtk.datasets.checks.coverage import Coverage
from odtk.report.charts import bars, heat_cell, swatch
from odtk.report.html import table
from odtk.tools.inspect.inspection import Counts, Split


def splits(found: Sequence[Split]) -> etree._Element:
    """Each split in numbers."""
    greatest = max(split.images for split in found) or 1
    rows = [
        [split.name, *(f"{number:,}" for number in _numbers(split)), bars([split.images / greatest])] for split in found
    ]
    columns = ["Split", "images", "without boxes", "unusable", "boxes", ""]
    return table("Images and boxes of each split. Bars show images.", columns, rows)


def _numbers(split: Split) -> tuple[int, ...]:
    return split.images, split.negatives, split.unusable, split.boxes


def classes(names: Sequence[str], counts: Mapping[str, Mapping[str, Counts]]) -> etree._Element:
    """Images and boxes of each class in each split; `counts`: by class, then by split's name."""
    columns: list = ["Class"]
    for index, name in enumerate(names):
        columns += [[swatch(index), f"{name}: images"], f"{name}: boxes"]
    greatest = max((found.boxes for row in counts.values() for found in row.values()), default=0) or 1
    rows = []
    for name, row in counts.items():
        found = [row.get(split, Counts()) for split in names]
        cells = [f"{number:,}" for each in found for number in (each.images, each.boxes)]
        rows.append([name, *cells, bars([each.boxes / greatest for each in found])])
    return table("Images that have the class, and its boxes. Bars show boxes.", [*columns, ""], rows)


def coverage(found: Coverage) -> etree._Element:
    """Boxes that no anchor matches, by class and size."""
    rows = []
    for name, cells in found.classes.items():
        total = (sum(part for part, _ in cells), sum(whole for _, whole in cells))
        rows.append([name, *(heat_cell(*cell) for cell in cells), heat_cell(*total)])
    known = {"iou": "IoU", "ioa": "IoA", "neg_sq_dist": "negative squared distance"}
    said = known.get(found.similarity, found.similarity)
    caption = f"Boxes without an anchor of {said} {found.threshold:g} or more, of all boxes"
    return table(caption, ["Class", *found.sizes, "all"], rows, kind="heat")
