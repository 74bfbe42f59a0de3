"""The order in which training reads its records, and where in it a resumed run continues.

The records are read in epochs: each record once, in an order that depends on the seed and the epoch's number alone.
(TFOD repeats the files before it interleaves and shuffles them, so the end of an epoch mixes with the start of the
next, and the order is known only to the process that drew it.) So a run continues from a Position, the epoch and index
of the last record that it has trained on, without reading the epochs before; in that epoch it skips records before they
are decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

_INDEX_BITS = 40
_MOST_EPOCHS = 1 << 62 - _INDEX_BITS

NOTHING_READ = -1
"""The number of the position before the first."""


@dataclass(frozen=True, order=True)
class Position:
    """A record's place in the order: its epoch, and its index among the records that are read in it, both from 0.

    Datasets and checkpoints have it as one number, `number`, which increases along the order. Records that cannot be
    used have an index, too. A mix of several inputs is read as one endless epoch.
    """

    epoch: int = 0
    index: int = 0

    @property
    def number(self) -> int:
        """The position as one int64."""
        return (self.epoch << _INDEX_BITS) | self.index

    @classmethod
    def after(cls, number: int) -> Position:
        """The position behind the one with this number, where a run continues that has read that one."""
        return cls(number + 1 >> _INDEX_BITS, number + 1 & (1 << _INDEX_BITS) - 1)


@dataclass(frozen=True)
class ReadingOrder:
    """How the records of an epoch follow each other; see `read_epoch`."""

    seed: int
    shuffle: bool
    shuffle_buffer_size: int
    filenames_shuffle_buffer_size: int
    num_readers: int
    read_block_length: int


def read_epoch(
    numbers: range,
    open_file: Callable,
    order: ReadingOrder,
    epoch,
    limit_files: Callable[[tf.data.Dataset], tf.data.Dataset] = lambda numbers: numbers,
) -> tf.data.Dataset:
    """The records of the files with these numbers, each once, in the order of TFOD's training reader.

    The files are shuffled; `num_readers` are open at a time, and `read_block_length` records come from each in turn;
    then a shuffle over `shuffle_buffer_size` records. `epoch` is an int64 scalar; `limit_files` may drop files.
    """
    files = tf.data.Dataset.range(numbers.start, numbers.stop, numbers.step)
    if order.shuffle:
        files = _shuffle(files, order.filenames_shuffle_buffer_size, order.seed, 2 * epoch + 1)
    records = limit_files(files).interleave(
        open_file,
        cycle_length=min(order.num_readers, len(numbers)),
        block_length=order.read_block_length,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,  # or else positions would mean nothing
    )
    return _shuffle(records, order.shuffle_buffer_size, order.seed, 2 * epoch + 2) if order.shuffle else records


def read_epochs(epochs: tf.data.Dataset, read: Callable, start: Position) -> tf.data.Dataset:
    """(number of its position, record) of `read`(epoch) for each of `epochs`, from the position `start` on."""

    def read_numbered(epoch) -> tf.data.Dataset:
        numbered = read(epoch).enumerate(tf.bitwise.left_shift(epoch, tf.constant(_INDEX_BITS, tf.int64)))
        return numbered.skip(tf.where(epoch == start.epoch, tf.constant(start.index, tf.int64), 0))

    return epochs.flat_map(read_numbered)


def read_mix(
    epochs: tf.data.Dataset, reads: Sequence[Callable], weights: Sequence[float], seed: int, start: Position
) -> tf.data.Dataset:
    """Like `read_epochs` for several inputs, whose records come in proportion to `weights`: one endless epoch.

    All records before `start` are read again, because the inputs' epochs end at different times.
    """
    mix = tf.data.Dataset.sample_from_datasets([epochs.flat_map(read) for read in reads], weights, seed=seed)
    return mix.enumerate().skip(start.index)


def epochs_from(first: int, num_epochs: int | None) -> tf.data.Dataset:
    """The numbers of the epochs to read: up to `num_epochs`, or endlessly if None."""
    return tf.data.Dataset.range(first, num_epochs or _MOST_EPOCHS)


def sample_1_of_n(records: tf.data.Dataset, n: int) -> tf.data.Dataset:
    """Of (number of its position, record), those whose index is a multiple of `n`: in each epoch the first and so on.

    (TFOD counts on from epoch to epoch.)
    """
    return records.filter(lambda number, _: number % (1 << _INDEX_BITS) % n == 0) if n > 1 else records


def _shuffle(dataset: tf.data.Dataset, buffer_size: int, *seeds) -> tf.data.Dataset:
    """`dataset.shuffle`, by these two seeds (int64 scalars, not both 0) alone.

    The method would add TensorFlow's global seed, and fails if that is 0 and `seeds` are tensors.
    """
    specs = tf.nest.flatten(dataset.element_spec)
    variant = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=tf.constant(buffer_size, tf.int64),
        seed=tf.cast(seeds[0], tf.int64),
        seed2=tf.cast(seeds[1], tf.int64),
        reshuffle_each_iteration=False,
        output_types=[spec.dtype for spec in specs],
        output_shapes=[spec.shape for spec in specs],
    )
    return tf.data.experimental.from_variant(variant, dataset.element_spec)
