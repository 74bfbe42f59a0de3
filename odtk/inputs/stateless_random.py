"""Random numbers that depend only on a seed, so that a run with a seed is repeatable with any number of threads.

A seed is an int [2] tensor; every example has its own, and so has each of its augmentations. TFOD uses the global
generator instead: the distributions are the same, the sequence is not.
"""

from collections.abc import Callable

import tensorflow as tf


def uniform(seed, count: int, low: float = 0.0, high: float = 1.0) -> list[tf.Tensor]:
    """`count` independent float32 scalars in [low, high)."""
    return tf.unstack(tf.random.stateless_uniform([count], seed, low, high))


def integer_below(fraction, low, high) -> tf.Tensor:
    """The integer in [low, high) at `fraction` in [0, 1) of the range (int32), or low if the range is empty."""
    span = tf.maximum(high - low, 1)
    step = tf.cast(fraction * tf.cast(span, tf.float32), tf.int32)
    return low + tf.minimum(step, span - 1)  # float32 may round the product up to the span itself


def split(seed, count: int) -> list[tf.Tensor]:
    """`count` independent seeds."""
    return tf.unstack(tf.random.split(seed, count))


def one_of(fraction, functions: list[Callable]):
    """Calls the function at `fraction` in [0, 1) of the list, so that each is equally likely."""
    if len(functions) == 1:
        return functions[0]()
    return tf.switch_case(integer_below(fraction, 0, len(functions)), functions)
