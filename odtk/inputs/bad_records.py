"""Skips unusable records, up to a limit, and reports and counts them, instead of ending a run.

Valid records are read in the same way and order as without a filter. A file is read by TensorFlow's reader up to the
first damage; valid records after it are read by `odtk.records.shards`, which also looks for damage once, when
TensorFlow's reader has reached the file's end. A record whose preparation fails (not an Example, no image, lists of
different lengths) is dropped by `ignore_errors`, which does not say which one it was. So each record enters its
position in a table before it is prepared and removes it afterwards: what stays in the table has failed, and is prepared
again separately to find the cause. This costs about 1 % of the time per image, while a separate dataset for every
element (`get_single_element`) would cost ten.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from odtk.devices import are_operations_deterministic
from odtk.inputs.skipped_records import BadRecord, SkippedRecords
from odtk.inputs.stages import in_parallel
from odtk.records.shards import Damage, Record

# An entry older than this is not in preparation anymore; if it still is, only time is lost.
_SECONDS_IN_WORK = 1.0
_SECONDS_IN_LINE = 30.0  # with deterministic operations, where prepared examples keep their entries until they are used
_RECORDS_PER_BLOCK = 32
_NO_DAMAGE = (-1, -1)
_STOP, _SKIP, _OPEN = range(3)


class BadRecordFilter(SkippedRecords):
    """The records that one dataset has skipped so far; passed to `build_train_dataset` or `build_eval_dataset`.

    `check` must be called from time to time while the dataset is read, `finish` at its end.
    """

    def __init__(self, limit: int, log: Callable[[str], None] = lambda line: None):
        """See SkippedRecords."""
        super().__init__(limit, log)
        self._first_damages: dict[int, tuple] = {}
        self._seen: dict[int, float] = {}
        self._opened: set[int] = set()
        self._usable: set[int] = set()  # files with at least one usable record
        self._inputs: list[Sequence[int]] = []  # the numbers of the files of each input of a mix
        self._useless_in_a_row: Counter[int] = Counter()  # files of an input that gave nothing
        self._collecting = threading.Lock()
        with tf.device("CPU:0"):
            self._notes = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, _NO_DAMAGE)

    @property
    def is_exceeded(self) -> bool:
        """Whether too many records were skipped, or none is left of an input."""
        return super().is_exceeded or self._exhausted is not None

    @property
    def _exhausted(self) -> Sequence[int] | None:
        """The files of an input that has no record that can be used: its epochs would go on forever."""
        # In shuffled epochs, a file of n can be the first and then the last: 2n - 2 others are in between.
        counts = list(self._useless_in_a_row.items())  # other threads add to it
        return next((files for i, count in counts if count > 2 * len(files := self._files_of(i))), None)

    def require_records(self, numbers: Sequence[int]) -> None:
        """Notes the files of an input; whether they have records is found out when they are read."""
        self._inputs.append(numbers)

    def check(self) -> None:
        """Looks for records that have failed; raises a DataError that lists them if there are too many."""
        self._collect_failures()
        self._raise_if_exceeded()

    def finish(self) -> list[BadRecord]:
        """`check` after the last record; returns the skipped records."""
        self._collect_failures(age=0)
        self._raise_if_exceeded()
        return self.bad_records

    def open_files(self, files: Sequence[str]) -> Callable:
        """A function of a file's number, like `dataset.open_files`, that reads the valid records of damaged files."""
        self._files, self._inputs, self._useless_in_a_row = list(files), [], Counter()
        is_local = not any("://" in name for name in files)
        names = tf.constant(self._files)

        def open_file(number) -> tf.data.Dataset:
            rest = tf.data.Dataset.from_tensors(number).map(self._first_damage_op)
            rest = rest.filter(lambda damage: damage[0] >= 0).flat_map(lambda damage: self._behind(number, damage))
            if is_local:
                valid = tf.data.TFRecordDataset(names[number]).ignore_errors()
                rest = tf.data.Dataset.zip((valid, tf.data.Dataset.counter())).concatenate(rest)
            return tf.data.Dataset.zip((rest, tf.data.Dataset.from_tensors(number).repeat()))

        return open_file

    def while_usable(self, epochs: tf.data.Dataset) -> tf.data.Dataset:
        """Numbers of epochs, until there are too many bad records: the files of any further one would not be opened."""
        return epochs.take_while(lambda _: tf.numpy_function(lambda: np.bool_(not self.is_exceeded), [], tf.bool))

    def until_exceeded(self, numbers: tf.data.Dataset) -> tf.data.Dataset:
        """Numbers of the files to read, until it makes no sense to open another.

        If no record is usable, there is never a batch, and `check` is never called.
        """
        # If errors are ignored, TensorFlow's reader retries a file that it cannot open forever.
        numbers = numbers.map(lambda number: (number, tf.numpy_function(self._try_to_open, [number], tf.int64)))
        numbers = numbers.take_while(lambda _, answer: answer != _STOP)
        return numbers.filter(lambda _, answer: answer == _OPEN).map(lambda number, _: number)

    def forget_unfinished(self) -> None:
        """Called before the dataset is built again, while some of the old one's records were still being prepared."""
        self._notes.remove(self._notes.export()[0])

    def map(self, records: tf.data.Dataset, read: Callable, finish: Callable) -> tf.data.Dataset:
        """`in_parallel` of all (position, record from `open_files`) except those for which a function fails."""
        self._prepare = lambda position, placed: finish(*read(position, placed))

        def read_with_note(position, placed):
            (serialized, record), file = placed
            with tf.control_dependencies([self._notes.insert(position[None], tf.stack([file, record])[None])]):
                serialized = tf.identity(serialized)
            return read(position, ((serialized, record), file))

        def remove_note(position, prepared):
            with tf.control_dependencies(tf.nest.flatten(prepared)):
                self._notes.remove(position[None])
            return prepared

        return in_parallel(records, read_with_note, finish, remove_note).ignore_errors()

    def _try_to_open(self, number: int) -> np.int64:
        self._collect_failures()
        of_input = next((index for index, files in enumerate(self._inputs) if number in files), 0)
        is_useless = not self._yields(int(number))
        self._useless_in_a_row[of_input] = self._useless_in_a_row[of_input] + 1 if is_useless else 0
        if self.is_exceeded:
            return np.int64(_STOP)
        # A file of bad records is read each time: whether it is must not change the order of the others.
        return np.int64(_OPEN if number in self._opened else _SKIP)

    def _files_of(self, index: int) -> Sequence[int]:
        return self._inputs[index] if self._inputs else range(len(self._files))

    def _nothing_left(self) -> str:
        files = [self._files[number] for number in self._exhausted or ()]
        if len(files) in (0, len(self._files)):
            return super()._nothing_left()
        more = f" and {len(files) - 1} more files" if len(files) > 1 else ""
        return f"and no others are left in {files[0]}{more}, an input of the mix"

    def _yields(self, number: int) -> bool:
        """Whether a file can be opened and, when it was read before, has a record that can be used.

        Files that only have bad records, within the limit, would be read again and again forever.
        """
        try:
            self._require_open(number)
            is_read_again = number in self._opened
            self._opened.add(number)
            if is_read_again and number not in self._usable and self._bad:
                if not self._has_usable_record(number):
                    return False
                self._usable.add(number)
        except (OSError, tf.errors.OpError) as error:
            self._add_unreadable(number, 0, 0, error)
            self._opened.discard(number)
            return False
        return True

    def _has_usable_record(self, number: int) -> bool:
        for record, found in self._walk(number):
            if isinstance(found, Record) and (number, record) not in self._bad and self._try(number, record, found, 0):
                return True
            if self.is_exceeded:
                break
        return False

    def _first_damage_op(self, number) -> tf.Tensor:
        damage = tf.numpy_function(self._first_damage, [number], tf.int64)
        return tf.ensure_shape(damage, [2])

    def _first_damage(self, number: int) -> np.ndarray:
        """Record and offset of a local file's first damage, or _NO_DAMAGE; for other files, of the first record."""
        number = int(number)
        name = self._files[number]
        try:
            if "://" in name:
                return np.array((0, 0), np.int64)
            status = tf.io.gfile.stat(name)
            version = (status.length, status.mtime_nsec)
            if self._first_damages.get(number, (None,))[0] != version:
                bad = self._damages(number)
                self._first_damages[number] = version, next(iter(bad), _NO_DAMAGE)
            return np.array(self._first_damages[number][1], np.int64)
        except (OSError, tf.errors.OpError) as error:
            self._add_unreadable(number, 0, 0, error)
            return np.array(_NO_DAMAGE, np.int64)

    def _behind(self, number, damage) -> tf.data.Dataset:
        """(serialized, record) of the valid records after a damage [2]."""
        spec = (tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.int64))
        return tf.data.Dataset.from_generator(self._blocks, output_signature=spec, args=(number, damage)).unbatch()

    def _blocks(self, number: int, damage: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """In blocks, because TensorFlow's call of Python costs more than a record."""
        records = self._valid_records(int(number), *map(int, damage))
        while block := list(itertools.islice(records, _RECORDS_PER_BLOCK)):
            data, indices = zip(*block, strict=True)
            yield np.array(data, object), np.array(indices, np.int64)

    def _valid_records(self, number: int, first: int, offset: int) -> Iterator[tuple[bytes, int]]:
        try:
            for index, found in self._walk(number, first, offset):
                if isinstance(found, Damage):
                    self._add_damage(number, index, found)
                else:
                    yield found.data, index
        except (OSError, tf.errors.OpError) as error:
            self._add_unreadable(number, first, offset, error)

    def _collect_failures(self, age: float | None = None) -> None:
        """Prepares the records again whose entries are at least `age` seconds old, and records those that fail."""
        if age is None:
            age = _SECONDS_IN_LINE if are_operations_deterministic() else _SECONDS_IN_WORK
        # If another thread is already doing this, there is no need to wait for it, unless this is the last time.
        if not self._collecting.acquire(blocking=age == 0):
            return
        try:
            positions, places = (values.numpy().tolist() for values in self._notes.export())
            now = time.monotonic()
            self._seen = {position: self._seen.get(position, now) for position in positions}
            due = {i: tuple(place) for i, place in zip(positions, places, strict=True) if now - self._seen[i] >= age}
            self._retry({place: position for position, place in due.items() if place not in self._bad})
            failed = [position for position, place in due.items() if place in self._bad]
            if failed:
                self._notes.remove(tf.constant(failed, tf.int64))
        finally:
            self._collecting.release()

    def _retry(self, notes: dict[tuple[int, int], int]) -> None:
        for number in sorted({number for number, _ in notes}):
            wanted = {record: position for (file, record), position in notes.items() if file == number}
            try:
                self._retry_in_file(number, wanted)
            except (OSError, tf.errors.OpError) as error:
                self._add_unreadable(number, min(wanted), 0, error)

    def _retry_in_file(self, number: int, wanted: dict[int, int]) -> None:
        for record, found in self._walk(number):
            if record in wanted and isinstance(found, Record):
                self._try(number, record, found, wanted[record])
            if self.is_exceeded or record >= max(wanted):
                return
