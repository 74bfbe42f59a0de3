"""Which devices a training runs on: the one place where a distribution strategy is chosen.

`build_experiment` opens its scope, and everything that has variables is made inside.
"""

import tensorflow as tf


def build_strategy() -> tf.distribute.Strategy:
    """TensorFlow's default, which is one replica on the first GPU or the CPU; the caller's, where one is in scope."""
    return tf.distribute.get_strategy()
