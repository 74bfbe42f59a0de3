"""The classes of a data set or of records, and where each first stands."""

import os
from collections import Counter
from dataclasses import dataclass, field

from odtk.annotations.data_folder import is_data_set
from odtk.datasets.open_dataset import open_target, settled_by_headers
from odtk.datasets.record_files import record_sets
from odtk.datasets.record_source import find_records
from odtk.datasets.sources import Source
from odtk.errors import DataError
from odtk.progress import track
from odtk.records import shards
from odtk.report.inspection import NO_SPLIT


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
    sources, listed = _sources(os.fspath(data), format)
    classes = DataClasses(listed=listed)
    for source in sources:
        for summary in (source.summarize(index, decode=False) for index in range(len(source))):
            for name, number, line in zip(summary.class_names, summary.class_ids, summary.lines, strict=True):
                classes.boxes[name, number] += 1
                byte = f", record at byte {summary.offset}" if summary.offset is not None else ""
                classes.places.setdefault(name, f"{summary.file}{f':{line}' if line else byte}")
    if not classes.boxes and not classes.listed:
        raise DataError(f"{data} has no box, and so no class. Name a data set or records with objects.")
    return classes


def _sources(data: str, format: str | None) -> tuple[list[Source], tuple[str, ...]]:
    """The images of a data set or of records, and the classes that it lists."""
    is_folder = os.path.isdir(data)
    sets = record_sets(data) if is_folder else [] if is_data_set(data) else [data]
    if data.endswith(".config") or not sets or (is_folder and format):
        target = settled_by_headers(open_target(data, format=format))
        return target.sources, tuple(target.class_names)
    # Not as `open_target` does it: a label map beside the records, which may be the one in question, is not read.
    files = [file for file in shards.expand_globs(sets) if file.is_file()]
    if not files:
        raise DataError(f"{data} is neither a data set's folder nor records. Name one, or a glob in quotes.")
    with track("Reading", len(files), "record files") as progress:
        return [find_records(NO_SPLIT, files, progress.advance)[0]], ()
