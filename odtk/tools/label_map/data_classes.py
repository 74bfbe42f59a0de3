"""The classes of a dataset or of records, and where each occurs first."""

import os
from collections import Counter
from dataclasses import dataclass, field

from odtk.datasets.open_dataset import interpreted_by_headers, open_target
from odtk.errors import DataError


@dataclass
class DataClasses:
    """The classes of a dataset: boxes by (name, id as written or NO_ID), and where each name occurs first."""

    boxes: Counter = field(default_factory=Counter)
    places: dict[str, str] = field(default_factory=dict)
    listed: tuple[str, ...] = ()

    @property
    def counts(self) -> Counter:
        """The number of boxes of each name, with any id."""
        counts: Counter[str] = Counter()
        for (name, _), count in self.boxes.items():
            counts[name] += count
        return counts

    @property
    def names(self) -> list[str]:
        """Every name: first in the dataset's own order, then in the order of occurrence."""
        return list(dict.fromkeys([*self.listed, *(name for name, _ in self.boxes if name)]))


def classes_of(data: str | os.PathLike, format: str | None = None) -> DataClasses:
    """The classes of a target of `odtk inspect`; unreadable images are skipped.

    `format` is that of a dataset's folder; None detects it, and is for records.
    """
    # A label map next to the data, which may be the checked one, is not read.
    target = interpreted_by_headers(open_target(data, format=format, read_label_map=False))
    classes = DataClasses(listed=target.class_names)
    for source in target.sources:
        for summary in (source.summarize(index, decode=False) for index in range(len(source))):
            for name, number, line in zip(summary.class_names, summary.class_ids, summary.lines, strict=True):
                classes.boxes[name, number] += 1
                byte = f", record at byte {summary.offset}" if summary.offset is not None else ""
                classes.places.setdefault(name, f"{summary.file}{f':{line}' if line else byte}")
    if not classes.boxes and not classes.listed:
        raise DataError(f"{data} has no box, and so no class. Name a dataset or records with objects.")
    return classes
