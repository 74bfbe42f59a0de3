"""The page's parts in numbers and words: findings, and tables of splits, classes and anchors."""

from collections.abc import Iterable, Mapping, Sequence

from lxml import etree

from odtk.report.html import bars, code, element, heat_cell, swatch, table
from odtk.report.inspection import ERROR, INFORMATION, WARNING, Counts, Coverage, Example, Finding, Split

TONES = {ERROR: "error", WARNING: "warning", INFORMATION: "note"}
WORDS = {ERROR: "Error", WARNING: "Warning", INFORMATION: "Note"}

_EXAMPLES_SHOWN = 3


def figures(numbers: Iterable[tuple[str, str]]) -> etree._Element:
    """The few numbers at the top of the page."""
    return element(
        "dl", *(element("div", element("dt", name), element("dd", value)) for name, value in numbers), class_="figures"
    )


def verdict(counts: Mapping[str, int]) -> etree._Element:
    """One line: how many findings of each severity there are."""
    found = [
        element("span", f"{count} {WORDS[severity].lower()}{'s' * (count != 1)}", class_=f"badge tone-{tone}")
        for severity, tone in TONES.items()
        if (count := counts.get(severity, 0))
    ]
    if not found:
        return element("p", element("span", "Nothing to complain of.", class_="badge tone-good"))
    spaced = [part for each in found for part in (", ", each)][1:]
    return element("p", *spaced, ".")


def finding(found: Finding) -> etree._Element:
    """One finding with what mends it; more than a few examples fold away."""
    examples = [str(example) for example in found.examples]
    shown = len(examples) if len(examples) <= _EXAMPLES_SHOWN + 1 else _EXAMPLES_SHOWN  # none folds away alone
    unnamed = found.count - len(examples)
    return element(
        "li",
        element("p", element("span", WORDS[found.severity], class_="badge"), " ", found.text),
        element("p", element("strong", "What to do: "), found.fix) if found.fix else None,
        _listed(examples[:shown]),
        _folded(examples[shown:]),
        element("p", f"and {unnamed:,} more, not named here", class_="faint") if examples and unnamed > 0 else None,
        class_=f"tone-{TONES[found.severity]}",
    )


def _listed(lines: Sequence[str]) -> etree._Element | None:
    return element("ul", *(element("li", code(line)) for line in lines)) if lines else None


def _folded(lines: Sequence[str]) -> etree._Element | None:
    return element("details", element("summary", f"{len(lines)} more"), _listed(lines)) if lines else None


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
    """Images and boxes of each class in each split; `counts`: class to split's name to its counts."""
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
    said = {"iou": "IoU", "ioa": "IoA"}.get(found.similarity, found.similarity)
    caption = f"Boxes that no anchor overlaps by {found.threshold:g} or more ({said}), of all boxes"
    return table(caption, ["Class", *found.sizes, "all"], rows, kind="heat")


def places(caption: str, examples: Sequence[Example]) -> etree._Element:
    """Where each example is, and what is the matter there."""
    rows = [[code(example.where), example.text] for example in examples]
    return table(caption, ["Where", "What"], rows, kind="words")
