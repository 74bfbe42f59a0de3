"""The devices of a training run: the only place where a distribution strategy is chosen.

`build_experiment` opens its scope, and everything that has variables is created inside.
"""

import tensorflow as tf


def build_strategy() -> tf.distribute.Strategy:
    """TensorFlow's default, which is one replica on the first GPU or the CPU; or the caller's, if one is in scope."""
    return tf.distribute.get_strategy()
