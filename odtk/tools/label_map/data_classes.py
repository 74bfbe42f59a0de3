"""The classes of a data set or of records, and where each first stands."""

import os
from collections import Counter
from dataclasses import dataclass, field

from odtk.datasets.open_dataset import interpreted_by_headers, open_target
from odtk.errors import DataError


@dataclass
class DataClasses:
    """The classes of a data set: boxes by (name, id as written or NO_ID), and where each name first stands."""

    boxes: Counter = field(default_factory=Counter)
    places: dict[str, str] = field(default_factory=dict)
    listed: tuple[str, ...] = ()

    @property
    def counts(self) -> Counter:
        """Boxes by name, of whatever id."""
        counts: Counter[str] = Counter()
        for (name, _), count in self.boxes.items():
            counts[name] += count
        return counts

    @property
    def names(self) -> list[str]:
        """Every name: in the data set's own order, then as they come."""
        return list(dict.fromkeys([*self.listed, *(name for name, _ in self.boxes if name)]))


def classes_of(data: str | os.PathLike, format: str | None = None) -> DataClasses:
    """The classes of what `odtk inspect` takes; images that cannot be read are left out.

    `format` is that of a data set's folder, None to guess it, or for records.
    """
    # A label map beside the data, which may be the one in question, is not read.
    target = interpreted_by_headers(open_target(data, format=format, read_label_map=False))
    classes = DataClasses(listed=target.class_names)
    for source in target.sources:
        for summary in (source.summarize(index, decode=False) for index in range(len(source))):
            for name, number, line in zip(summary.class_names, summary.class_ids, summary.lines, strict=True):
                classes.boxes[name, number] += 1
                byte = f", record at byte {summary.offset}" if summary.offset is not None else ""
                classes.places.setdefault(name, f"{summary.file}{f':{line}' if line else byte}")
    if not classes.boxes and not classes.listed:
        raise DataError(f"{data} has no box, and so no class. Name a data set or records with objects.")
    return classes
