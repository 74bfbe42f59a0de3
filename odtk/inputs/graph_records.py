"""The usable ones of a dataset's records, by TensorFlow's operations alone, and with them which were skipped.

Each record is prepared in a dataset of its own, which is empty if that fails: `ignore_errors` of a dataset of many
would not say which one has failed. An example is held back until the next one is there, and takes along the rows of the
records between them, as the feature SKIPPED.
"""

from collections.abc import Callable

import tensorflow as tf

from odtk.inputs.stages import without_autograph

SKIPPED = "skipped"
"""A feature: int64 [n, 5] of each example. A row is NOTHING, or the numbers of the file and of the record in it, the
record's offset, its position, and what is to be told of it: the sum of FAILED, IN_DAMAGED_FILE and HAS_BAD_BOXES."""

COLUMNS = 5
NOTHING = -1
FAILED, IN_DAMAGED_FILE, HAS_BAD_BOXES = 1, 2, 4

IN_A_ROW = "in a row, cannot be used"
"""Part of the message of the dataset's error."""

_NO_EXAMPLE = b"\xff"  # which cannot be parsed


def usable(records: tf.data.Dataset, read: Callable, finish: Callable, most_in_a_row: int) -> tf.data.Dataset:
    """`finish`(position, ...) of each `read`(position, record), which is (position, place, parsed), if neither fails.

    `records`: (position, (record as from `dataset.open_files`, (its offset, whether its file is damaged))). Examples
    are (features, groundtruth), and the features get SKIPPED. What is skipped at the end is told by the last example.
    It is an error if more than `most_in_a_row` fail, or all.
    """
    end = tf.nest.map_structure(_end, records.element_spec)
    attempt = lambda position, found: _attempt(read, finish, position, found)  # noqa: E731
    attempts = records.concatenate(tf.data.Dataset.from_tensors(end)).interleave(
        without_autograph(attempt),
        block_length=1,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    told = _with_those_before_the_next(attempts, most_in_a_row)
    return told.map(lambda example, rows: ({**example[0], SKIPPED: rows}, example[1]))


def _attempt(read: Callable, finish: Callable, position, found) -> tf.data.Dataset:
    """One element: whether the record can be used, its row [5], and its example, or an empty one."""
    placed, (offset, is_damaged) = found
    (_, record), file = placed
    place, flags = [file, record, offset, position], _flag(is_damaged, IN_DAMAGED_FILE)

    def prepare(position, placed):
        position, numbers, parsed = read(position, placed)
        told = flags + _flag(parsed["has_bad_boxes"], HAS_BAD_BOXES)
        return True, tf.stack([*place, told]), finish(position, numbers, parsed)

    prepared = tf.data.Dataset.from_tensors((position, placed)).map(without_autograph(prepare)).ignore_errors()
    told = tf.data.Dataset.from_tensors(tf.stack([*place, flags + FAILED]))
    # Mapped, as this is only done when it is needed: to clear an image's memory takes longer than all the rest.
    failed = told.map(lambda row: (False, row, _empty(prepared.element_spec[2])))
    return prepared.concatenate(failed).take(1)


def _with_those_before_the_next(attempts: tf.data.Dataset, most_in_a_row: int) -> tf.data.Dataset:
    """(example, rows [most_in_a_row + 1, 5]) of each usable one: what is to be told of it and of those behind it."""
    none, most = tf.zeros([0, COLUMNS], tf.int64), most_in_a_row + 1

    def collect(state, attempt):
        (is_holding, held, rows), (is_usable, row, example) = state, attempt
        is_end = row[0] == NOTHING
        is_lost = is_end & ~is_holding & (tf.shape(rows)[0] > 0)
        is_allowed = ~is_lost & (tf.shape(rows)[0] <= most)
        refused = tf.debugging.Assert(is_allowed, [f"all records, or {most} {IN_A_ROW}"])
        with tf.control_dependencies([refused]):
            is_told = is_holding & (is_usable | is_end)
        own = tf.cond(row[-1] > 0, lambda: row[None], lambda: none)
        waiting = tf.cond(is_told, lambda: own, lambda: tf.concat([rows, own], 0))
        next_held = tf.cond(is_usable, lambda: example, lambda: held)
        return (is_holding | is_usable, next_held, waiting), (is_told, held, _padded(rows, most))

    start = tf.constant(False), _empty(attempts.element_spec[2]), none
    told = attempts.scan(start, without_autograph(collect)).filter(lambda is_told, held, rows: is_told)
    return told.map(lambda is_told, held, rows: (held, rows))


def _padded(rows, count: int) -> tf.Tensor:
    missing = tf.maximum(count - tf.shape(rows)[0], 0)
    padded = tf.pad(rows, [[0, missing], [0, 0]], constant_values=NOTHING)
    return tf.ensure_shape(padded[:count], [count, COLUMNS])


def _flag(is_set, flag: int) -> tf.Tensor:
    return flag * tf.cast(is_set, tf.int64)


def _end(spec: tf.TensorSpec) -> tf.Tensor:
    """Part of the element behind the last record: all its numbers are NOTHING, and preparing it fails."""
    values = {tf.string: _NO_EXAMPLE, tf.bool: False}
    return tf.constant(values.get(spec.dtype, NOTHING), spec.dtype)


def _empty(specs):
    """An example of this form, of zeros; sides that differ from example to example are 0."""
    zeros = lambda spec: tf.zeros([side or 0 for side in spec.shape], spec.dtype)  # noqa: E731
    return tf.nest.map_structure(zeros, specs)
