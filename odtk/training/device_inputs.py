"""The batches of a run on the devices that take them, each fetched while the step before is computed."""

from collections.abc import Callable

import orbit
import tensorflow as tf

_BATCHES = 1
"""Waiting on the device, beside the one that is trained on. The host keeps more of them."""


def distribute(strategy: tf.distribute.Strategy, build_inputs: Callable[..., tf.data.Dataset], *arguments):
    """The datasets that `build_inputs(*arguments)` gives for the strategy's input pipelines, as one to iterate over.

    A strategy copies the next batches to its replicas' devices ahead of time. TensorFlow's default one does not: on a
    GPU each step would begin by waiting for its copy.
    """
    with strategy.scope():  # also where data start again later: what is built depends on the strategy
        dataset = orbit.utils.make_distributed_dataset(strategy, build_inputs, *arguments)
    is_plain = isinstance(dataset, tf.data.Dataset)
    if is_plain and tf.config.list_logical_devices("GPU"):
        return to_device(dataset, "GPU:0")
    return dataset


def to_device(dataset: tf.data.Dataset, device: str) -> tf.data.Dataset:
    """The same batches, copied to the device ahead of time; nothing can follow in the pipeline."""
    return dataset.apply(tf.data.experimental.prefetch_to_device(f"/device:{device}", _BATCHES))
