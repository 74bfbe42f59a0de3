"""Seeds of what is random in a training step: by the run's seed and the step alone, so that resumed runs are equal."""

import contextlib
import itertools
import threading
from collections.abc import Iterator

import tensorflow as tf

_step = threading.local()  # each replica is traced by a thread of its own


@contextlib.contextmanager
def seeded(seed) -> Iterator[None]:
    """In the block, `next_seed` depends on `seed` (int64 [2] tensor) and on how often it was called in it alone."""
    _step.seed, _step.calls = seed, itertools.count()
    try:
        yield
    finally:
        _step.seed = None


def next_seed() -> tf.Tensor:
    """Another seed (int64 [2]) for each call; outside a training step from TensorFlow's own generator."""
    if getattr(_step, "seed", None) is None:
        return tf.random.uniform([2], maxval=tf.int64.max, dtype=tf.int64)
    return tf.random.fold_in(_step.seed, tf.constant(next(_step.calls), tf.int64))
