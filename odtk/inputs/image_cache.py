"""Decoded images are kept, so that training decodes each of them once instead of once in every epoch.

A record is still read, parsed, placed in its order and augmented as without a cache: only `images.decode` is replaced,
by reading what it gave for the same bytes before. So batches are bit for bit those without a cache, and an image that
cannot be decoded is not in it, fails in training and is counted there.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from odtk import images
from odtk.annotations.image_files import MAX_PIXELS
from odtk.inputs.freeing import elements
from odtk.inputs.stages import without_autograph
from odtk.records.decoded_images import CHANNELS, DecodedImages, planned

_KEYS = 2**62  # of so many, two of ten million images share one with a probability of 1e-5
_MEASURED_AT_ONCE = 256
_NOT_CACHED = np.zeros((0, 0, CHANNELS), np.uint8)


class ImageCache:
    """What a dataset asks for decoded images; it decodes those that are not here: all, until `images` is set."""

    def __init__(self, log: Callable[[str], None] = lambda line: None):
        """`log` is told once if the images can no longer be read."""
        self.images: DecodedImages | None = None
        self._log, self._has_failed = log, False

    def look_up(self, encoded) -> tf.Tensor:
        """uint8 [height, width, 3] of the encoded bytes (string scalar); [0, 0, 3] if it must be decoded."""
        image = tf.numpy_function(self._read, [_key_of(encoded)], tf.uint8)
        return tf.ensure_shape(image, [None, None, CHANNELS])

    def _read(self, key: np.int64) -> np.ndarray:
        found = None
        try:
            found = self.images.read(int(key)) if self.images is not None else None
        except (OSError, ValueError) as error:  # it may be closed while the last batches are prepared ahead
            if isinstance(error, OSError) and not self._has_failed:
                self._has_failed = True
                self._log(f"warning: The image cache cannot be read ({error}): such images are decoded.")
        return _NOT_CACHED if found is None else found


def decoded(encoded, cached) -> tf.Tensor:
    """The image of the encoded bytes: what `ImageCache.look_up` has found, or decoded now."""
    return tf.cond(tf.size(cached) > 0, lambda: cached, lambda: images.decode(encoded, MAX_PIXELS))


def measure(files: Sequence[str], advance: Callable[[int], None]) -> np.ndarray:
    """The plan (odtk.records.decoded_images) for the images of record files, of any file system, by their headers.

    What cannot be read, and what has no header of an image, is left out; `advance` is called with numbers of records.
    """
    keys, sizes = [np.zeros(0, np.int64)], [np.zeros((0, 2), np.int64)]
    dataset = _encoded(files).map(_measured, tf.data.AUTOTUNE).ignore_errors()
    batches = dataset.batch(_MEASURED_AT_ONCE).prefetch(tf.data.AUTOTUNE)
    for key, size in elements(batches.as_numpy_iterator):
        # By division, as a header can say sides whose product is no int64.
        is_image = (size.min(axis=1) > 0) & (size[:, 1] <= MAX_PIXELS // np.maximum(size[:, 0], 1))
        keys.append(key[is_image])
        sizes.append(size[is_image])
        advance(len(key))
    widths, heights = np.concatenate(sizes).T
    return planned(np.concatenate(keys), heights, widths)


def decode_all(files: Sequence[str]) -> Iterator[tuple[int, np.ndarray]]:
    """Key and uint8 [height, width, 3] of each image that can be decoded, in the order of the records."""
    dataset = _encoded(files).map(_with_key, tf.data.AUTOTUNE).ignore_errors().prefetch(tf.data.AUTOTUNE)
    return elements(dataset.as_numpy_iterator)


def _encoded(files: Sequence[str]) -> tf.data.Dataset:
    """The encoded images; what follows a damage of a file is not read, and is decoded in every epoch."""
    # If errors are ignored, TensorFlow's reader retries a file that it cannot open forever.
    names = [file for file in files if _can_be_opened(file)]
    feature = {"image/encoded": tf.io.FixedLenFeature([], tf.string, "")}

    def parse(serialized):
        return tf.io.parse_single_example(serialized, feature)["image/encoded"]

    records = tf.data.TFRecordDataset(tf.constant(names, tf.string, [len(names)])).ignore_errors()
    return records.map(without_autograph(parse), tf.data.AUTOTUNE)


def _measured(encoded):
    return _key_of(encoded), images.encoded_size(encoded)


def _with_key(encoded):
    return _key_of(encoded), images.decode(encoded, MAX_PIXELS)


def _key_of(encoded) -> tf.Tensor:
    return tf.strings.to_hash_bucket_fast(encoded, _KEYS)


def _can_be_opened(file: str) -> bool:
    try:
        tf.io.gfile.GFile(file, "rb").read(1)
        return True
    except (OSError, tf.errors.OpError):
        return False
