"""Seeds of what is random in a training step: by the run's seed and the step alone, so that resumed runs are equal."""

import contextlib
import itertools
import threading
from collections.abc import Iterator

import tensorflow as tf

_ALGORITHM = "philox"  # what CPUs and GPUs take anyway; a TPU would take another, with other numbers

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
    return fold_in(_step.seed, next(_step.calls))


def fold_in(seed, number) -> tf.Tensor:
    """The seed, int64 [2], together with a number: another seed."""
    return tf.random.fold_in(seed, tf.cast(number, tf.int64), alg=_ALGORITHM)


def of_step(seed: int, step, replica=0) -> tf.Tensor:
    """The seed, int64 [2], of a replica in the training step after `step`, for `seeded`; `seed`: the run's."""
    pair = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])
    return fold_in(pair, replica)


def uniform(shape) -> tf.Tensor:
    """Numbers in [0, 1), float32, by the next seed: tf.random.stateless_uniform's on a CPU, and the same everywhere.

    XLA would make other fractions of the same random bits.
    """
    bits = tf.random.stateless_uniform(shape, next_seed(), None, None, tf.int32, alg=_ALGORITHM)
    return tf.cast(tf.bitwise.bitwise_and(bits, 2**23 - 1), tf.float32) * 2.0**-23


def dropout(x, rate: float, noise_shape=None) -> tf.Tensor:
    """`x` with a fraction `rate` of its values, by the next seed, set to 0 and the others made larger to compensate.

    `noise_shape` has 1 where values along an axis share one number; by default each has its own.
    """
    kept = uniform(tf.shape(x) if noise_shape is None else noise_shape) >= rate
    return tf.where(kept, x / (1 - rate), 0)
