"""The valid records of a TFRecord file, damaged or not, by TensorFlow's operations alone.

The same records as those of `odtk.records.shards.walk`. A file is read by TensorFlow's reader, which ends at the first
damage. Where that is not the file's end, the rest is looked through for the next valid record, and read on from there.
"""

from collections.abc import Sequence

import google_crc32c
import numpy as np
import tensorflow as tf

from odtk.records.shards import CRC_MASK_DELTA, FOOTER_SIZE, HEADER_SIZE, crc_contributions

_RECORDS_PER_BLOCK = 32
_SEARCH_BLOCK = 1 << 20
_NOWHERE = 1 << 62
_AROUND = HEADER_SIZE + FOOTER_SIZE


class GraphFiles:
    """Opens files by their numbers, inside of a dataset."""

    def __init__(self, files: Sequence[str], sizes: Sequence[int], begin_damaged: Sequence[bool]):
        """`begin_damaged`: whether the first record of a file is damaged; if it is not, the file must be readable."""
        self._names, self._sizes = tf.constant(list(files)), tf.constant(list(sizes), tf.int64)
        self._begin_damaged = tf.constant(list(begin_damaged), tf.bool)

    def open(self, number) -> tf.data.Dataset:
        """The valid records of a file (int64 scalar): (data, number in the file, offset, is_damaged).

        is_damaged: whether the file is known to be damaged, which those just before its first damage and all behind it
        say.
        """
        name, begins_damaged = self._names[number], self._begin_damaged[number]
        # While it ignores errors, TensorFlow's reader opens a file that is not there again and again: this one fails.
        opened = tf.data.TFRecordDataset(name).take(tf.where(begins_damaged, tf.constant(0, tf.int64), 1))
        valid = (
            tf.data.TFRecordDataset(name).ignore_errors().take(tf.where(begins_damaged, tf.constant(0, tf.int64), -1))
        )
        blocks = opened.filter(lambda data: False).concatenate(valid).batch(_RECORDS_PER_BLOCK)
        blocks = blocks.concatenate(tf.data.Dataset.from_tensors(tf.constant([], tf.string)))
        start = tf.constant([], tf.string), tf.constant(0, tf.int64), tf.constant(0, tf.int64)
        return blocks.scan(start, _one_later).flat_map(lambda *block: self._block(number, *block))

    def _block(self, number, data, first, offset, is_last) -> tf.data.Dataset:
        """The records of a block, and behind the last one those that follow a damage."""
        lengths = tf.cast(tf.strings.length(data), tf.int64) + _AROUND
        following, end = first + tf.size(data, tf.int64), offset + tf.reduce_sum(lengths)
        is_damaged = is_last & (end < self._sizes[number])
        numbers, offsets = tf.range(first, following), offset + tf.cumsum(lengths, exclusive=True)
        records = tf.data.Dataset.from_tensor_slices((data, numbers, offsets, tf.fill([tf.size(data)], is_damaged)))
        rest = tf.data.Dataset.range(tf.cast(is_damaged, tf.int64))
        return records.concatenate(rest.flat_map(lambda _: self._behind(number, following, end)))

    def _behind(self, number, damaged, damage) -> tf.data.Dataset:
        """The valid records behind the first damage: its number and its offset."""
        size, content = self._sizes[number], tf.io.read_file(self._names[number])

        def next_part(state, _):
            first, offset = state
            count, end = self._count_valid(number, offset)
            found = tf.cond(end < size, lambda: self._resume(number, content, end), lambda: size)
            return (first + count + 1, found), (first, offset, count)

        def read_part(first, offset, count) -> tf.data.Dataset:
            records = self._read_from(number, offset).take(count)
            return records.scan((first, offset), _placed)

        parts = tf.data.Dataset.range(_NOWHERE).scan((damaged, damage), next_part)
        return parts.take_while(lambda first, offset, count: offset < size).flat_map(read_part)

    def _read_from(self, number, offset) -> tf.data.Dataset:
        """The records from an offset on, up to a damage. Only within a function of a dataset: TensorFlow cannot write
        this operation down."""
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=self._names[number][None],
            compression_type="",
            buffer_size=tf.constant(0, tf.int64),
            byte_offsets=offset[None],
        )
        return tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string)).ignore_errors()

    def _count_valid(self, number, offset, most: int = -1) -> tuple:
        """How many valid records follow each other from an offset on, at most `most`, and the offset behind them."""
        records = tf.data.Dataset.from_tensors(offset).flat_map(lambda start: self._read_from(number, start).take(most))
        return records.reduce(
            (tf.constant(0, tf.int64), offset),
            lambda state, data: (state[0] + 1, state[1] + tf.cast(tf.strings.length(data), tf.int64) + _AROUND),
        )

    def _resume(self, number, content, offset) -> tf.Tensor:
        """The offset where reading continues after the damage at `offset`, as in `odtk.records.shards`."""
        size = self._sizes[number]
        length, is_valid = _header(content, offset, size)
        end = offset + length + _AROUND
        end = tf.where(is_valid & (length <= size) & (end <= size), end, offset)
        _, is_followed = _header(content, end, size)
        search = lambda: self._search(number, content, offset + 1)  # noqa: E731
        found = tf.cond((end > offset) & ((end == size) | is_followed), lambda: end, search)
        return tf.where((offset < end) & (end < found), end, found)

    def _search(self, number, content, start) -> tf.Tensor:
        """The first offset from `start` on with a valid record; the file's size if there is none."""
        size = self._sizes[number]

        def look(begin, is_found):
            most = tf.constant(_SEARCH_BLOCK + HEADER_SIZE - 1, tf.int64)
            block = tf.strings.substr(content, begin, tf.minimum(most, size - begin))
            candidates = tf.where(_has_header(tf.io.decode_raw(block, tf.uint8)))[:, 0]
            return tf.cond(
                tf.size(candidates) > 0,
                lambda: self._tried(number, begin + candidates[0]),
                lambda: (tf.minimum(begin + _SEARCH_BLOCK, size), False),
            )

        unfound = lambda begin, is_found: (begin < size) & ~is_found  # noqa: E731
        return tf.while_loop(unfound, look, (tf.minimum(start, size), tf.constant(False)))[0]

    def _tried(self, number, offset) -> tuple:
        count, _ = self._count_valid(number, offset, 1)
        return tf.cond(count > 0, lambda: (offset, True), lambda: (offset + 1, False))


def _one_later(state, block) -> tuple:
    """Each block when the next is there, so that it is known which is the last: the one before the empty one."""
    held, first, offset = state
    following = first + tf.size(held, tf.int64)
    end = offset + tf.reduce_sum(tf.cast(tf.strings.length(held), tf.int64) + _AROUND)
    return (block, following, end), (held, first, offset, tf.size(block) == 0)


def _placed(state, data) -> tuple:
    number, offset = state
    following = number + 1, offset + tf.cast(tf.strings.length(data), tf.int64) + _AROUND
    return following, (data, number, offset, True)


def _header(content, offset, size) -> tuple:
    """The length that the header at an offset states, and whether there is one whose checksum matches."""
    is_there = offset + HEADER_SIZE <= size
    text = tf.cond(
        is_there,
        lambda: tf.strings.substr(content, offset, tf.constant(HEADER_SIZE, tf.int64)),
        lambda: tf.constant(bytes(HEADER_SIZE)),
    )
    length = tf.io.decode_raw(tf.strings.substr(text, 0, 8), tf.int64)[0]
    return length, is_there & _has_header(tf.io.decode_raw(text, tf.uint8))[0] & (length >= 0)


def _has_header(values) -> tf.Tensor:
    """Whether a length with a matching checksum begins at each of the bytes uint8 [n]: bool [n - 11], or [0].

    A CRC is linear, see `odtk.records.shards`.
    """
    values = tf.cast(values, tf.int64)
    count = tf.maximum(tf.size(values) - HEADER_SIZE + 1, 0)
    crcs = tf.fill([count], tf.constant(google_crc32c.value(bytes(8)), tf.int64))
    for place, contributions in enumerate(crc_contributions().astype(np.int64)):
        crcs = tf.bitwise.bitwise_xor(crcs, tf.gather(contributions, values[place : place + count]))
    rotated = tf.bitwise.bitwise_or(crcs // (1 << 15), crcs * (1 << 17) % (1 << 32))
    stated = tf.add_n([values[8 + place : 8 + place + count] * (1 << 8 * place) for place in range(4)])
    return (rotated + CRC_MASK_DELTA) % (1 << 32) == stated
