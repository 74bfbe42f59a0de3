"""Batch norms' moving averages, of which each replica has its own where they are not synchronized."""

import tensorflow as tf

from odtk.detectors.detector import Detector


class ReplicaStatistics:
    """What checkpoints hold of them: the means over all replicas. The replicas' own ones do not change the training.

    Its methods take all workers. On one replica there is nothing to do.
    """

    def __init__(self, model: Detector):
        """`model` has its variables; must be created in the strategy's scope."""
        self._strategy = tf.distribute.get_strategy()
        self._variables = []
        if self._strategy.num_replicas_in_sync > 1:
            on_read = tf.VariableSynchronization.ON_READ
            self._variables = [each for each in model.variables if each.synchronization == on_read]
        self._reduce = tf.function(lambda: self._strategy.run(self._means), autograph=False)

    def copies(self) -> list[tf.Variable]:
        """Those of this process's replicas, one by one."""
        return [copy for each in self._variables for copy in self._strategy.experimental_local_results(each)]

    def join(self) -> None:
        """Gives each replica the means. Sums over devices come in one: there may be hundreds of variables."""
        if not self._variables:
            return
        for variable, mean in zip(self._variables, self._reduce(), strict=True):
            variable.assign(self._strategy.experimental_local_results(mean)[0])

    def _means(self) -> list[tf.Tensor]:
        values = [variable.read_value() for variable in self._variables]
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)
