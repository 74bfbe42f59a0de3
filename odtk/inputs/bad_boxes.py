"""Skips unusable boxes: counts and reports them, and uses their images without them."""

import threading
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from odtk.records import box_errors
from odtk.records.box_errors import ImageWithBadBoxes

_NAMED = 10


def usable(boxes) -> tf.Tensor:
    """Which boxes [n, 4] `odtk.records.box_errors` accepts: bool [n]. A NaN fails every comparison."""
    near = tf.clip_by_value(boxes, box_errors.LOWEST, box_errors.HIGHEST) == boxes
    lowest, highest = tf.split(boxes, 2, axis=1)
    ordered = lowest <= highest
    return tf.reduce_all(tf.concat([near, ordered], 1), axis=1)


class BadBoxes:
    """The boxes that one dataset has skipped so far; passed to `build_train_dataset` or `build_eval_dataset`."""

    def __init__(self, log: Callable[[str], None] = lambda line: None):
        """`log` is called with a line for each of the first images; all are in `images`."""
        self._log = log
        self._images: dict[tuple[int, int], ImageWithBadBoxes] = {}
        self._adding = threading.Lock()
        self.files: Sequence[str] = ()  # of the dataset, in the order of their numbers

    @property
    def images(self) -> list[ImageWithBadBoxes]:
        """The images, by file and record."""
        with self._adding:
            return [self._images[place] for place in sorted(self._images)]

    def summary(self) -> str | None:
        """The summary at the end of a run; None if no box was skipped."""
        images = self.images
        if not images:
            return None
        return (
            f"Skipped: {box_errors.count_in_words(images)}; the images were used without these boxes. "
            f"{box_errors.advice(images)} `odtk inspect` finds every such box."
        )

    def note(self, place, source_id, boxes, good) -> tf.Operation:
        """An operation that records the boxes [n, 4] that are not `good` [n]; Python is only called if there are any.

        `place` int64 [2]: the numbers of the file and of the record in it.
        """
        arguments = [place, source_id, boxes]
        return tf.cond(
            tf.reduce_all(good),
            lambda: tf.constant(0, tf.int64),
            lambda: tf.numpy_function(self._add, arguments, tf.int64),
        )

    def _add(self, place: np.ndarray, source_id: bytes, boxes: np.ndarray) -> np.int64:
        file, record = map(int, place)
        bad = box_errors.bad_boxes(boxes.tolist())
        image = ImageWithBadBoxes(self.files[file], record, source_id.decode(errors="replace") or None, len(boxes), bad)
        with self._adding:
            is_new = (file, record) not in self._images
            self._images.setdefault((file, record), image)
            count = len(self._images)
        if is_new and count <= _NAMED:
            self._log(f"Skipped: {image}.")
        if is_new and count == _NAMED + 1:
            self._log("More images have skipped boxes; they are only counted.")
        return np.int64(len(bad))
