"""Where a label map and the data disagree."""

from collections.abc import Iterator

from odtk import label_map as label_maps
from odtk.datasets import class_typos
from odtk.datasets.sources import NO_ID
from odtk.label_map import LabelMap
from odtk.tools.label_map.data_classes import DataClasses
from odtk.tools.label_map.problems import ERROR, WARNING, Problem
from odtk.tools.label_map.written import Written


def against(labels: LabelMap, items: list[Written], file: str, data: DataClasses) -> list[Problem]:
    """Where the map and the data disagree."""
    lines, counts = {item.number: item.line for item in items}, data.counts
    typos = class_typos.likely_typos(counts, labels.texts)
    by_folded = {
        label_maps.folded(text): item.name for item in labels.items for text in (item.display_name, item.name) if text
    }
    problems, used = list(_repeated(labels, lines, file, counts)), set()
    for name in data.names:
        number, place = labels.id_of(name), data.places.get(name, "the data set's list of classes")
        used |= {number} if number is not None else set()
        if number is None and label_maps.folded(name) in by_folded:
            other = by_folded[label_maps.folded(name)]
            used.add(labels.id_of(other))
            text = f"the data call it {name!r} ({place}), the map {other!r}: they differ by case, spaces or dashes, so "
            problems.append(
                Problem(
                    ERROR, file, lines.get(labels.id_of(other)), f"{text}its boxes are lost. Write it as the data do."
                )
            )
        elif number is None:
            text = f"the data have the class {name!r} ({place}), the map has not: its boxes are lost. "
            fix = class_typos.question(name, typos[name], counts) if name in typos else "Add an item."
            problems.append(Problem(ERROR, file, None, text + fix))
        elif name in typos:
            text = f"{class_typos.question(name, typos[name], counts, place)} If so, correct it in the data."
            problems.append(Problem(WARNING, file, lines.get(number), text))
    problems += _disagreeing_ids(labels, lines, file, data)
    used |= {number for (name, number) in data.boxes if not name}
    for item in labels.single_items():
        if item.id not in used:
            text = f"the data have no box of {item.name!r}: it cannot be learned. Remove it, or add images of it."
            problems.append(Problem(WARNING, file, lines.get(item.id), text))
    return problems


def _repeated(labels: LabelMap, lines: dict[int, int], file: str, counts: dict[str, int]) -> Iterator[Problem]:
    for name in sorted(labels.repeated().keys() & counts.keys()):
        number, count = labels.id_of(name), counts[name]
        text = f"{name!r} stands for several ids; all {count:,} boxes of it become {number}. Name each class otherwise."
        yield Problem(WARNING, file, lines.get(number), text)


def _disagreeing_ids(labels: LabelMap, lines: dict[int, int], file: str, data: DataClasses) -> Iterator[Problem]:
    for (name, number), count in data.boxes.items():
        expected = labels.id_of(name) if name else None
        boxes = "1 box" if count == 1 else f"{count} boxes"
        if number == NO_ID:
            continue
        if not name and labels.name_of(number) is None:
            text = f"{boxes} of the data have the id {number} and no name, and the map has no such id. Add an item."
            yield Problem(ERROR, file, None, text)
        elif expected is not None and number != expected:
            place = data.places[name]
            text = f"{name!r} is {expected} here, but {number} in {boxes} of the records (first in {place}). odtk goes "
            yield Problem(
                WARNING,
                file,
                lines.get(expected),
                f"{text}by the name; other programs may not: write the records again.",
            )
