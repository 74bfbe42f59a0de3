"""The records that a dataset has skipped: listed, logged once each, and counted up to a limit.

`odtk.inputs.bad_records` and `odtk.inputs.graph_filter` find them.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from odtk.errors import DataError
from odtk.inputs import record_errors
from odtk.records.shards import Damage, Record
from odtk.terminal_text import on_one_line

_LISTED = 10


@dataclass(frozen=True)
class BadRecord:
    """A skipped record: where it is, its image's name (None if it cannot be read), what is wrong."""

    file: str
    record: int  # from 0
    offset: int  # in bytes
    image: str | None
    problem: str

    def __str__(self) -> str:
        name = f" (image {self.image})" if self.image else ""
        return on_one_line(f"{self.file}, record {self.record} at byte {self.offset}{name} {self.problem}")


class SkippedRecords:
    """The records that one dataset has skipped so far."""

    def __init__(self, limit: int, log: Callable[[str], None] = lambda line: None):
        """`limit`: of different records; `log` is called once for each."""
        self.limit, self._log = limit, log
        self._bad: dict[tuple[int, int], BadRecord] = {}
        self._files: list[str] = []
        self._adding = threading.Lock()
        self._prepare: Callable | None = None

    @property
    def bad_records(self) -> list[BadRecord]:
        """The skipped records, by file and record."""
        with self._adding:
            return [self._bad[place] for place in sorted(self._bad)]

    @property
    def is_exceeded(self) -> bool:
        """Whether too many records were skipped."""
        return len(self._bad) > self.limit

    def require_records(self, numbers: Sequence[int]) -> None:
        """Raises DataError where files of these numbers must have records before any is read."""

    def _require_open(self, number: int) -> None:
        tf.io.gfile.GFile(self._files[number], "rb").read(1)

    def _walk(self, number: int, first: int = 0, offset: int = 0) -> Iterator[tuple[int, Record | Damage]]:
        yield from record_errors.walk_file(self._files[number], first, offset)

    def _damages(self, number: int) -> list[tuple[int, int]]:
        """Adds the damages of a file; record and offset of each."""
        places = []
        for index, found in self._walk(number):
            if isinstance(found, Damage):
                self._add_damage(number, index, found)
                places.append((index, found.offset))
        return places

    def _try(self, number: int, record: int, found: Record, position: int) -> bool:
        """Whether a record can be used; one that cannot is added."""
        assert self._prepare is not None, "no dataset was made of these files"
        try:
            placed = (tf.constant(found.data), np.int64(record)), np.int64(number)
            self._prepare(tf.constant(position, tf.int64), placed)
            return True
        except record_errors.OPERATION_ERRORS as error:
            problem = f"cannot be used: {record_errors.cause(error)}"
            bad = BadRecord(self._files[number], record, found.offset, record_errors.image_name(found.data), problem)
            self._add((number, record), bad)
            return False

    def _add_damage(self, number: int, record: int, damage: Damage) -> None:
        name = record_errors.image_name(damage.data) if damage.data else None
        self._add((number, record), BadRecord(self._files[number], record, damage.offset, name, damage.what))

    def _add_unreadable(self, number: int, record: int, offset: int, error: Exception) -> None:
        problem = f"cannot be read: {_first_line(error)}"
        self._add((number, record), BadRecord(self._files[number], record, offset, None, problem))

    def _add(self, place: tuple[int, int], bad: BadRecord) -> None:
        with self._adding:
            is_new = place not in self._bad
            self._bad.setdefault(place, bad)
        if is_new and not self.is_exceeded:
            self._log(f"Skipped: {bad}.")

    def _nothing_left(self) -> str:
        return "and no others are left"

    def _raise_if_exceeded(self) -> None:
        if not self.is_exceeded:
            return
        bad = self.bad_records
        limit = f"more than the limit of {self.limit}" if len(bad) > self.limit else self._nothing_left()
        raise DataError(
            f"{_count(bad)} cannot be used, {limit}{listed(bad)}\n"
            "Copy damaged files again, or write them again from their images; or allow more bad records.",
            argument="max_bad_records",
        )


def summary(bad: Sequence[BadRecord]) -> str:
    """The summary of the skipped records at the end of a run."""
    return (
        f"{_count(bad, 'bad ')} {'was' if len(bad) == 1 else 'were'} skipped, listed above. "
        "Write the files again, or copy them again; `odtk inspect --verify` checks every byte."
    )


def listed(bad: Sequence[BadRecord]) -> str:
    """Lines behind a sentence, for an error: the first of the records; a full stop if there are none."""
    lines = "".join(f"\n  {entry}" for entry in bad[:_LISTED])
    more = f"\n  and {len(bad) - _LISTED} more" if len(bad) > _LISTED else ""
    return f":{lines}{more}" if bad else "."


def _count(bad: Sequence[BadRecord], kind: str = "") -> str:
    return f"{len(bad)} {kind}record{'' if len(bad) == 1 else 's'}"


def _first_line(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0]
