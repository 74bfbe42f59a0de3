"""Compares the classes of training and evaluation records with each other and with their label maps, on a sample."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from odtk import label_map
from odtk.errors import OdtkError
from odtk.label_map import LabelMap
from odtk.prototext.schema import some
from odtk.records import example, shards

RECORDS_READ = 400
"""Of each split."""
_NAMED = 6


def find_differences(
    train: Sequence[str | os.PathLike], evaluation: Sequence[str | os.PathLike], train_map: str, eval_map: str
) -> list[str]:
    """Sentences on why a detector that learns from `train` could find nothing in `evaluation`; [] if none is known.

    The arguments are record files and label maps ("" for none). Raises what reading records raises.
    """
    trained, evaluated = _read(train_map), _read(eval_map)
    counts = [_count(files) for files in (train, evaluation)]
    return [
        *_between_maps(trained, evaluated, train_map, eval_map),
        *_in_records(counts, [trained, evaluated], (train_map, eval_map)),
    ]


def _read(path: str) -> LabelMap | None:
    try:
        return label_map.read(path) if path else None
    except OdtkError:
        return None


def _between_maps(train: LabelMap | None, other: LabelMap | None, train_map: str, eval_map: str) -> Iterator[str]:
    if train is None or other is None:
        return
    ids = [item.id for item in train.items if other.name_of(item.id) not in (None, train.name_of(item.id))]
    if ids:
        pairs = [
            f"{each} is {train.name_of(each)!r} in training, {other.name_of(each)!r} in evaluation" for each in ids
        ]
        yield (
            f"The label maps {train_map} and {eval_map} number the classes differently: id {some(pairs, _NAMED)}. Use "
            "one label map in train_input_reader and eval_input_reader."
        )


def _in_records(counts: list[Counter], maps: list[LabelMap | None], paths: tuple[str, str]) -> Iterator[str]:
    trained, evaluated = counts
    for what, count in (("training", trained), ("evaluation", evaluated)):
        if not count:
            yield f"The first {RECORDS_READ} {what} records have no box. Write them again with their annotations."
    for what, count, labels, path in zip(("training", "evaluation"), counts, maps, paths, strict=True):
        lost = sorted({name for _, name in count if name and labels and labels.id_of(name) is None})
        if lost:
            yield (
                f"The label map {path} lacks {some([repr(name) for name in lost], _NAMED)} of the {what} records, "
                "whose boxes are therefore skipped. Use the label map that the records were written with."
            )
    ids = [_ids(count, labels) for count, labels in zip(counts, maps, strict=True)]
    missing = sorted(ids[1] - ids[0])
    if ids[0] and missing:
        labels = maps[1]
        names = [f"{each} ({labels.name_of(each)})" if labels else str(each) for each in missing]
        yield (
            f"{'None' if missing == sorted(ids[1]) else 'Not all'} of the evaluation records' classes are in the "
            f"training records: id {some(names, _NAMED)}. Write both splits with one label map."
        )


def _ids(count: Counter, labels: LabelMap | None) -> set[int]:
    """As the decoder gives them: the name decides where there is a label map."""
    ids = {labels.id_of(name) if labels and name else number for number, name in count}
    return {number for number in ids if number is not None}


def _count(files: Sequence[str | os.PathLike]) -> Counter:
    """(id, name) to boxes, in the first records of each file."""
    each = max(RECORDS_READ // max(len(files), 1), 1)
    return Counter(
        (entry.class_id, entry.class_name)
        for path in files[:RECORDS_READ]
        for data in islice(shards.read_records(path), each)
        for entry in example.decode(data).objects
    )
