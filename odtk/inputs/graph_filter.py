"""Skips unusable records without Python in the dataset, which may run where Python is not: on the host of a TPU.

It leaves out the same records and boxes as `odtk.inputs.bad_records`, in the same order. What was skipped travels with
the batches (see `odtk.inputs.graph_records`). Whoever takes a batch calls `without_skipped`, and `check` reads just
these records again, in Python, to find and name what is wrong. What lies behind the last example that was used is not
counted.
"""

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf

from odtk.errors import DataError
from odtk.hardware import THIS_MACHINE
from odtk.inputs import record_errors
from odtk.inputs.graph_framing import GraphFiles
from odtk.inputs.graph_records import (
    COLUMNS,
    FAILED,
    HAS_BAD_BOXES,
    IN_A_ROW,
    IN_DAMAGED_FILE,
    NOTHING,
    SKIPPED,
    usable,
)
from odtk.inputs.skipped_records import BadRecord, SkippedRecords, listed
from odtk.records.shards import Damage, Record

_MOST_IN_A_ROW = 1000
_FILE_ERRORS = (OSError, tf.errors.OpError)


class GraphRecordFilter(SkippedRecords):
    """Like BadRecordFilter, without Python in the dataset.

    More records in a row that cannot be used than the limit allows, or more than a thousand, are an error of the
    dataset, and so are no others at all. `find_fault` then has the error that lists them.
    """

    def __init__(self, limit: int, log: Callable[[str], None] = lambda line: None):
        """See SkippedRecords."""
        super().__init__(limit, log)
        # An epoch can end and the next one begin with the same records.
        self._most_in_a_row = min(2 * limit, _MOST_IN_A_ROW)
        self._is_any_usable = True
        self._known: set[tuple[int, int]] = set()  # records of which all is told, and (file, NOTHING) of damaged files
        self.name_bad_boxes: Callable = lambda serialized, place: None
        """Called with a record that has bad boxes, a serialized Example, and its place int64 [2]."""
        with tf.device("CPU:0"):
            self._rows = tf.queue.FIFOQueue(-1, tf.int64)  # a variable would be one of all replicas

    @property
    def is_exceeded(self) -> bool:
        """Whether too many records were skipped, or none is left."""
        return super().is_exceeded or not self._is_any_usable

    def open_files(self, files: Sequence[str]) -> Callable:
        """A function of a file's number that reads its valid records: (as from `dataset.open_files`, facts).

        Files that cannot be opened are found here. facts: the record's offset, and whether its file is damaged.
        """
        self._files = list(files)
        with ThreadPoolExecutor() as pool:  # each may be a request to an object store
            beginnings = list(pool.map(self._begin, range(len(files))))
        sizes, begin_damaged, self._has_records = zip(*beginnings, strict=True)
        self._is_open = tf.constant([size >= 0 for size in sizes])
        opened = GraphFiles(self._files, sizes, begin_damaged)

        def open_file(number) -> tf.data.Dataset:
            return opened.open(number).map(lambda data, record, *facts: (((data, record), number), facts))

        return open_file

    def require_records(self, numbers: Sequence[int]) -> None:
        """Raises DataError if these files have no valid record: epochs of them would never come to one."""
        if self.limit and len(numbers) < len(self._files):
            # Of a mix: a small input repeats its own bad records often before another one's turn comes.
            self._most_in_a_row = _MOST_IN_A_ROW
        self._is_any_usable = any(self._has_records[number] for number in numbers)
        self._raise_if_exceeded()

    def while_usable(self, epochs: tf.data.Dataset) -> tf.data.Dataset:
        """All `epochs`: `map` ends them with an error."""
        return epochs

    def until_exceeded(self, numbers: tf.data.Dataset) -> tf.data.Dataset:
        """Numbers of the files that can be opened."""
        return numbers.filter(lambda number: self._is_open[number])

    def forget_unfinished(self) -> None:
        """Nothing is unfinished outside of the dataset."""

    def map(self, records: tf.data.Dataset, read: Callable, finish: Callable) -> tf.data.Dataset:
        """`in_parallel` of all records that can be prepared; see `graph_records.usable`."""
        self._prepare = lambda position, placed: finish(*read(position, placed))
        return usable(records, read, finish, self._most_in_a_row)

    @tf.autograph.experimental.do_not_convert
    def without_skipped(self, batch, values: Callable = lambda value: (value,)):
        """The batch (features, groundtruth) without SKIPPED, which is kept for `check`; also within a tf.function.

        `values`: a feature's tensors on the replicas.
        """
        features, groundtruth = batch
        for rows in values(features[SKIPPED]):
            self._note(rows)
        return {name: value for name, value in features.items() if name != SKIPPED}, groundtruth

    def check(self) -> None:
        """Reads again what was skipped; raises a DataError that lists the bad records if there are too many."""
        rows = {tuple(row) for _ in range(int(self._rows.size())) for row in self._rows.dequeue().numpy().tolist()}
        with tf.device(THIS_MACHINE):
            for row in sorted(rows):
                if not super().is_exceeded:
                    self._look_again(*row)
        self._raise_if_exceeded()

    def finish(self) -> list[BadRecord]:
        """`check` after the last record; returns the skipped records."""
        self.check()
        return self.bad_records

    def find_fault(self, error: Exception) -> DataError | None:
        """What is wrong with the records, after an `error` of the dataset or of what it is used for: reads all records.

        None if those that cannot be used are within the limit, and the error is not that of too many in a row.
        """
        with tf.device(THIS_MACHINE):
            usable = sum(map(self._count_usable, range(len(self._files))))
        self._is_any_usable = usable > 0
        try:
            self._raise_if_exceeded()
        except DataError as fault:
            return fault
        return self._too_many_in_a_row(usable) if IN_A_ROW in str(error) else None

    def _too_many_in_a_row(self, usable: int) -> DataError:
        bad = self.bad_records
        return DataError(
            f"More than {self._most_in_a_row} records in a row could not be used where they are read. Of all "
            f"{usable + len(bad)} records, {len(bad)} cannot be used here{listed(bad)}\n"
            "Copy damaged files again, or write them again from their images; of a mix, give an input with many bad "
            "records a smaller weight."
        )

    def _begin(self, number: int) -> tuple[int, bool, bool]:
        """A file's size (-1 if it cannot be read), whether its first record is damaged, whether it has a valid one."""
        begins_damaged = False
        try:
            self._require_open(number)
            for record, found in self._walk(number):
                if isinstance(found, Record):
                    return self._size(number), begins_damaged, True
                begins_damaged = True
                self._add_damage(number, record, found)
            return self._size(number), begins_damaged, False
        except _FILE_ERRORS as error:
            self._add_unreadable(number, 0, 0, error)
            return -1, False, False

    def _size(self, number: int) -> int:
        return tf.io.gfile.stat(self._files[number]).length

    def _note(self, rows) -> None:
        with tf.device("CPU:0"):
            rows = tf.reshape(rows, [-1, COLUMNS])
            rows = tf.boolean_mask(rows, rows[:, 0] != NOTHING)
            tf.cond(tf.size(rows) > 0, lambda: self._enqueue(rows), lambda: tf.constant(False))

    def _enqueue(self, rows) -> tf.Tensor:
        self._rows.enqueue(rows)
        return tf.constant(True)

    def _look_again(self, number: int, record: int, offset: int, position: int, flags: int) -> None:
        """What cannot be read now, and was where it was used, is looked at again when it comes again."""
        if flags & IN_DAMAGED_FILE and (number, NOTHING) not in self._known:
            with contextlib.suppress(*_FILE_ERRORS):
                self._damages(number)
                self._known.add((number, NOTHING))
        if flags & (FAILED | HAS_BAD_BOXES) and (number, record) not in self._known:
            try:
                self._name(number, record, offset, position, flags)
            except _FILE_ERRORS as error:
                if not flags & FAILED:
                    return
                self._add_unreadable(number, record, offset, error)
            self._known.add((number, record))

    def _name(self, number: int, record: int, offset: int, position: int, flags: int) -> None:
        gone = record, Damage(offset, "is cut short", offset)
        _, found = next(self._walk(number, record, offset), gone)
        if isinstance(found, Damage):  # the file has changed
            self._add_damage(number, record, found)
        elif flags & HAS_BAD_BOXES:
            self.name_bad_boxes(tf.constant(found.data), tf.constant([number, record], tf.int64))
        elif self._try(number, record, found, position):
            problem = "could not be used where it was read, although it can be here"
            name = record_errors.image_name(found.data)
            self._add((number, record), BadRecord(self._files[number], record, found.offset, name, problem))

    def _count_usable(self, number: int) -> int:
        count = 0
        try:
            for record, found in self._walk(number):
                if super().is_exceeded:
                    break
                if isinstance(found, Damage):
                    self._add_damage(number, record, found)
                elif (number, record) not in self._bad:
                    count += self._try(number, record, found, position=0)
        except _FILE_ERRORS as error:
            self._add_unreadable(number, 0, 0, error)
        return count
