"""Record files to batches: the tf.data pipeline, without config messages.

A batch is a pair of dictionaries. Features: `image` float32 [B, H, W, 3] in 0..255, resized and padded;
`true_image_shape` int32 [B, 3]; `original_image_size` int32 [B, 2] (height, width); `source_id` string [B]; `place`
int64 [B, 2], the numbers of the file and of the record in it; `position` int64 [B], the example's place in the order of
reading (see odtk.inputs.epochs).
Groundtruth: `boxes` float32 [B, N, 4] normalized yxyx in the padded frame, `classes` int32 [B, N] 0-based, `weights`
float32 [B, N] (0 for padding), `num_boxes` int32 [B], `is_crowd`, `difficult` and `group_of` bool [B, N], `area`
float32 [B, N] in pixels of the original image (0 if the record has none); `labeled_classes` float32 [B, classes], 1 for
those that the image was labeled for. Of these a batch has the `entries` that
are requested; the others are not computed. Those of a GraphRecordFilter also have the feature SKIPPED.
"""

import os
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from odtk.errors import DataError
from odtk.inputs import groundtruth
from odtk.inputs.decode import decode_image
from odtk.inputs.image_cache import ImageCache
from odtk.inputs.record_filter import RecordFilter
from odtk.inputs.stages import in_parallel
from odtk.records.shards import missing_shards

TRAINING_FEATURES = ("image", "true_image_shape", "place", "position")
"""The features of a training step, without the groundtruth that its detector reads."""


def find_files(patterns: Sequence[str]) -> list[list[str]]:
    """The record files of each path or glob (`?`, `*`), sorted.

    Raises DataError for a pattern without files, a missing shard (`x-00003-of-00010` of `x-?????-of-00010`), and
    patterns whose files are all empty.
    """
    found = []
    for pattern in patterns:
        # A path that exists is not a pattern, even if it has brackets.
        files = [pattern] if tf.io.gfile.exists(pattern) else sorted(tf.io.gfile.glob(pattern))
        if not files:
            raise DataError(
                f"No record file matches {pattern} (in {os.getcwd()}). "
                "Give the path or glob of existing TFRecord files in input_path."
            )
        _refuse_missing_shards(pattern, files)
        found.append(files)
    if not any(tf.io.gfile.stat(file).length for files in found for file in files):
        raise DataError(f"All record files of {', '.join(patterns)} are empty. Write them again.")
    return found


def open_files(files: Sequence[str]) -> Callable:
    """The function that opens a file by its number (int64 scalar).

    A record is ((serialized Example, its number in the file), number of the file), all numbers from 0. Damage raises;
    see `odtk.inputs.bad_records` for skipping it.
    """
    names = tf.constant(list(files))

    def open_file(number) -> tf.data.Dataset:
        records = tf.data.Dataset.zip((tf.data.TFRecordDataset(names[number]), tf.data.Dataset.counter()))
        return tf.data.Dataset.zip((records, tf.data.Dataset.from_tensors(number).repeat()))

    return open_file


def spread(records: tf.data.Dataset, num_wanted: int, count: int) -> tf.data.Dataset:
    """`num_wanted` of `count` records, at even distances; all of them if there are no more."""
    if num_wanted >= count:
        return records
    is_wanted = lambda index, _: (index + 1) * num_wanted // count > index * num_wanted // count  # noqa: E731
    return records.enumerate().filter(is_wanted).map(lambda index, record: record)


@dataclass(frozen=True)
class Part:
    """What one of `count` processes has of a sequence of batches: `batches` of them, in turn with the others."""

    index: int = 0
    count: int = 1
    batches: int = 1

    def of(self, records: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
        """The records of these batches."""
        if self.count == 1:
            return records
        size = self.batches * batch_size
        is_own = lambda number, _: number // size % self.count == self.index  # noqa: E731
        return records.enumerate().filter(is_own).map(lambda number, record: record)


WHOLE = Part()


def count_records(files: Sequence[str]) -> int:
    """Number of records in files of any file system; all their bytes are read, up to the first damage."""
    if not files:
        return 0
    records = tf.data.TFRecordDataset(list(files)).ignore_errors()
    return int(records.reduce(np.int64(0), lambda count, record: count + 1))


def prepare(
    records: tf.data.Dataset,
    *,
    parse: Callable,
    augment: Callable,
    resize: Callable,
    max_number_of_boxes: int,
    seed: int,
    record_filter: RecordFilter | None = None,
    entries: Container[str] | None = None,
    image_cache: ImageCache | None = None,
) -> tf.data.Dataset:
    """(position, record) to single examples with the entries of batches (without the first axis), in parallel.

    `parse`: (serialized Example, place) to example dictionary with the encoded image (see odtk.inputs.decode);
    `augment`: (example, seed) to example; `resize`: image to (image, true_image_shape). A record that cannot be
    prepared raises, or is collected by `record_filter`, if any. `entries`: the entries of examples, None for all. Small
    operations take time, too: only computing what training reads saves up to a tenth. `image_cache` saves decoding.
    """

    def read(position, placed):
        (serialized, record), file = placed
        place = tf.stack([file, record])
        parsed = parse(serialized, place)
        if image_cache is not None:  # a call of Python, which is a side effect
            parsed = {**parsed, "cached": image_cache.look_up(parsed["encoded"])}
        return position, place, parsed

    def finish(position, place, parsed):
        # By the position, so that a resumed run augments as if it had not been interrupted.
        example = augment(decode_image(parsed), tf.stack([seed, position]))
        features, boxes = _resized(example, resize, max_number_of_boxes)
        prepared = {**features, "place": place, "position": position}, boxes
        if entries is None:
            return prepared
        # Unused entries are not computed: TensorFlow prunes operations that results do not depend on.
        return tuple({name: value for name, value in part.items() if name in entries} for part in prepared)

    if record_filter is not None:
        return record_filter.map(records, read, finish)

    return in_parallel(records, read, finish)


def batch(examples: tf.data.Dataset, batch_size: int, drop_remainder: bool, deterministic: bool = True):
    """Batches of prepared examples; `deterministic` False lets fast ones overtake slow ones."""
    options = tf.data.Options()
    options.deterministic = deterministic
    # In parallel, images are copied into their batch while they are still in the CPU's cache.
    batches = examples.batch(batch_size, drop_remainder=drop_remainder, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def _resized(example: dict, resize: Callable, max_number_of_boxes: int) -> tuple[dict, dict]:
    image, true_shape = resize(example["image"])
    # Boxes are normalized to the image up to here, from here on to the padded image.
    true_size, padded_size = (tf.cast(shape[:2], tf.float32) for shape in (true_shape, tf.shape(image)))
    boxes = example["boxes"] * tf.tile(true_size / padded_size, [2])
    features = {
        "image": image,
        "true_image_shape": true_shape,
        "original_image_size": example["original_image_size"],
        "source_id": example["source_id"],
    }
    padded = groundtruth.pad_boxes({**example, "boxes": boxes}, max_number_of_boxes)
    return features, {**padded, "labeled_classes": example["labeled_classes"]}


def _refuse_missing_shards(pattern: str, files: Sequence[str]) -> None:
    missing = missing_shards(pattern, files)
    if missing:
        raise DataError(
            f"{pattern} matches {len(files)} files, but not the shard {', '.join(missing[:5])}"
            f"{' and others' if len(missing) > 5 else ''} of the same set. "
            "Restore the missing shards, or list the files to read one by one in input_path."
        )
