"""Keeps a copy of the first batch of training, as the first step gets it."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from odtk.hardware import is_on_remote_tpu

MOST_IMAGES = 64
"""Of the batch; more are not kept."""

_FEATURES = ("image", "true_image_shape")
_GROUNDTRUTH = ("boxes", "classes", "weights", "num_boxes")


class FirstBatch:
    """Watches the datasets of a run and keeps what they give first.

    The batch is copied in the input pipeline while it passes by: no record is read twice, the step is not changed, and
    each later batch costs one comparison.
    """

    def __init__(self) -> None:
        self._parts: list[dict[str, np.ndarray]] = []
        self._is_wanted = True

    def restart(self) -> None:
        """The data start again: what was kept, unless it is taken already, is read once more."""
        self._parts = []

    def watching(
        self, build_inputs: Callable[..., tf.data.Dataset], micro_batches: Callable[[], int] = lambda: 1
    ) -> Callable[..., tf.data.Dataset]:
        """The function `build_inputs` of a task, which is called for each input pipeline, with its datasets watched.

        `micro_batches`: how many of the datasets' batches a replica takes in a step.
        """

        def build(params, input_context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
            context = input_context or tf.distribute.InputContext()
            replicas = context.num_replicas_in_sync // context.num_input_pipelines
            return self.watch(build_inputs(params, input_context=input_context), max(1, replicas) * micro_batches())

        return build

    def watch(self, dataset: tf.data.Dataset, num_parts: int = 1) -> tf.data.Dataset:
        """The same dataset of (features, groundtruth); the first `num_parts` batches are kept when they are read.

        None is kept where the hosts of a TPU read them, which cannot call this process.
        """
        if is_on_remote_tpu():
            return dataset

        @tf.autograph.experimental.do_not_convert
        def look(index, batch):
            features, groundtruth = batch
            shown = {name: features[name] for name in _FEATURES if name in features}
            shown |= {name: groundtruth[name] for name in _GROUNDTRUTH if name in groundtruth}
            keep = functools.partial(tf.numpy_function, self._keeper(list(shown)), list(shown.values()), tf.bool)
            with tf.control_dependencies([tf.cond(index < num_parts, keep, lambda: tf.constant(False))]):
                return {**features, "image": tf.identity(features["image"])}, groundtruth

        return dataset.enumerate().map(look)

    def take(self) -> dict[str, np.ndarray] | None:
        """The first batch, at most MOST_IMAGES of it, and forgets it; None before the first step, and once taken.

        image uint8 [B, H, W, 3], true_image_shape [B, 3] and, as far as the detector reads them, boxes [B, N, 4] yxyx
        normalized to the padded image, classes [B, N] (0-based), weights [B, N] and num_boxes [B].
        """
        if not self._parts:
            return None
        parts, self._parts = self._parts, []
        self._is_wanted = False
        # Micro-batches of one image may be of different sizes: then those like the first.
        parts = [part for part in parts if part["image"].shape[1:] == parts[0]["image"].shape[1:]]
        return {name: np.concatenate([part[name] for part in parts])[:MOST_IMAGES] for name in parts[0]}

    def _keeper(self, names: list[str]) -> Callable:
        parts = self._parts  # a pipeline that is given up may still read on, when another has started

        def keep(*values: np.ndarray) -> np.bool_:
            # A pipeline that is built again, as after a NaN, does not begin the training.
            if self._is_wanted:
                part = {name: value[:MOST_IMAGES].copy() for name, value in zip(names, values, strict=True)}
                part["image"] = np.clip(np.rint(part["image"]), 0, 255).astype(np.uint8)
                parts.append(part)
            return np.bool_(True)

        return keep
