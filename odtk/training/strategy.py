"""The devices of a training run: the only place where a distribution strategy is chosen, and sums over its replicas.

`build_experiment` opens its scope, and everything that has variables is created inside.
"""

import tensorflow as tf


def build_strategy() -> tf.distribute.Strategy:
    """TensorFlow's default, which is one replica on the first GPU or the CPU; or the caller's, if one is in scope."""
    return tf.distribute.get_strategy()


def has_several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether the replicas are those of several processes."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def num_replicas() -> int:
    """How many replicas share a batch, of all workers."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def over_replicas(values):
    """The sum over all replicas of a tensor, or of each tensor of a list, on each; as they are outside of replicas.

    None, as the gradient of an unused variable, stays None.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, [x for x in tf.nest.flatten(values) if x is not None]))
    return tf.nest.map_structure(lambda value: None if value is None else next(summed), values)
