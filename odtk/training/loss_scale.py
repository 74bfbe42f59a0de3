"""The factor of the loss that keeps small gradients from vanishing in float16.

Micikevicius et al., "Mixed Precision Training", 2018. tf_keras's LossScaleOptimizer does the same, but it would change
the keys of the optimizer's slots in checkpoints, and does not tell of a step that it skips.
"""

import tensorflow as tf

_FIRST = 2.0**15
_STEPS_TO_GROW = 2000
_FACTOR = 2.0


class LossScale(tf.Module):
    """Halved after each overflow, doubled after 2,000 steps without one."""

    def __init__(self, first: float = _FIRST, steps_to_grow: int = _STEPS_TO_GROW):
        """Must be created in the strategy's scope."""
        super().__init__()
        self._steps_to_grow = steps_to_grow
        options = {"trainable": False, "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA}
        self.scale = tf.Variable(first, dtype=tf.float32, **options)
        self.good_steps = tf.Variable(0, dtype=tf.int64, **options)
        """Since the scale changed last."""
        self.overflows = tf.Variable(0, dtype=tf.int64, **options)
        """How many steps were skipped so far."""

    def after_step(self, is_finite) -> None:
        """To be called once per step, outside of replicas; `is_finite`: whether all gradients were."""
        good = self.good_steps + 1
        grows = good >= self._steps_to_grow
        grown = tf.where(grows, self.scale * _FACTOR, self.scale)
        self.scale.assign(tf.where(is_finite, grown, tf.maximum(self.scale / _FACTOR, 1.0)))
        self.good_steps.assign(tf.where(is_finite & ~grows, good, 0))
        self.overflows.assign_add(tf.where(is_finite, tf.constant(0, tf.int64), 1))
