"""Where a label map and the data disagree."""

from collections.abc import Iterator, Mapping

from odtk import label_map as label_maps
from odtk.datasets import class_typos
from odtk.datasets.sources import NO_ID
from odtk.findings import ERROR, WARNING, Finding
from odtk.label_map import LabelMap
from odtk.tools.label_map.data_classes import DataClasses
from odtk.tools.label_map.entries import LabelMapEntry


def against(labels: LabelMap, items: list[LabelMapEntry], file: str, data: DataClasses) -> list[Finding]:
    """Where the map and the data disagree."""
    lines = {item.number: item.line for item in items if item.number is not None}
    alike = {
        label_maps.folded(text): item.name for item in labels.items for text in (item.display_name, item.name) if text
    }
    return [
        *_repeated(labels, lines, file, data.counts),
        *_names(labels, alike, lines, file, data),
        *_disagreeing_ids(labels, lines, file, data),
        *_without_boxes(labels, alike, lines, file, data),
    ]


def _repeated(labels: LabelMap, lines: Mapping[int, int], file: str, counts: Mapping[str, int]) -> Iterator[Finding]:
    for name in sorted(labels.repeated().keys() & counts.keys()):
        number, count = labels.id_of(name), counts[name]
        text = (
            f"{name!r} stands for several ids; all {count:,} boxes of it become {number}. Give each class its own name."
        )
        yield Finding(WARNING, text, file=file, line=lines.get(number or 0))


def _names(
    labels: LabelMap, alike: Mapping[str, str], lines: Mapping[int, int], file: str, data: DataClasses
) -> Iterator[Finding]:
    """Names in the data that the map lacks, or that are likely misspelled; `alike`: the map's names, case-folded."""
    counts = data.counts
    typos = class_typos.likely_typos(counts, labels.texts)
    for name in data.names:
        number, place = labels.id_of(name), data.places.get(name, "the dataset's list of classes")
        other = alike.get(label_maps.folded(name))
        if number is None and other is not None:
            text = (
                f"the class is {name!r} in the data ({place}) and {other!r} in the map. The names differ in case, "
                "spaces or dashes, so its boxes are lost. Use the spelling of the data."
            )
            yield Finding(ERROR, text, file=file, line=lines.get(labels.id_of(other) or 0))
        elif number is None:
            text = f"the class {name!r} of the data ({place}) is not in the map: its boxes are lost. "
            fix = class_typos.question(name, typos[name], counts) if name in typos else "Add an item."
            yield Finding(ERROR, text + fix, file=file)
        elif name in typos:
            text = f"{class_typos.question(name, typos[name], counts, place)} If so, correct it in the data."
            yield Finding(WARNING, text, file=file, line=lines.get(number or 0))


def _disagreeing_ids(labels: LabelMap, lines: Mapping[int, int], file: str, data: DataClasses) -> Iterator[Finding]:
    for (name, number), count in data.boxes.items():
        expected = labels.id_of(name) if name else None
        boxes = "1 box" if count == 1 else f"{count} boxes"
        if number == NO_ID:
            continue
        if not name and labels.name_of(number) is None:
            text = f"{boxes} of the data: id {number} without a name, and the map has no such id. Add an item."
            yield Finding(ERROR, text, file=file)
        elif expected is not None and number != expected:
            text = (
                f"{name!r} is {expected} here, but {number} in {boxes} of the records (first in {data.places[name]}). "
                "odtk uses the name; other programs may not: write the records again."
            )
            yield Finding(WARNING, text, file=file, line=lines.get(expected))


def _without_boxes(
    labels: LabelMap, alike: Mapping[str, str], lines: Mapping[int, int], file: str, data: DataClasses
) -> Iterator[Finding]:
    # A name that only differs by case is another finding.
    used = {labels.id_of(name) or labels.id_of(alike.get(label_maps.folded(name), "")) for name in data.names}
    used |= {number for name, number in data.boxes if not name}
    for item in labels.single_items():
        if item.id not in used:
            text = f"{item.name!r} has no box in the data, so it cannot be learned. Remove it, or add images of it."
            yield Finding(WARNING, text, file=file, line=lines.get(item.id))
