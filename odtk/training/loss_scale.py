"""The factor of the loss that keeps small gradients from vanishing in float16.

Micikevicius et al., "Mixed Precision Training", 2018. tf_keras's LossScaleOptimizer does the same, but it would change
the keys of the optimizer's slots in checkpoints, and does not tell of a step that it skips.
"""

import tensorflow as tf

_FIRST = 2.0**15
_STEPS_TO_GROW = 2000
_FACTOR = 2.0


class LossScale(tf.Module):
    """Halved after each overflow but never below 1, doubled after 2,000 steps without one."""

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
        self.last_overflow = tf.Variable(0, dtype=tf.int64, **options)
        """The last step that was skipped, from 1; 0 if none was."""

    def has_overflowed(self, loss, norm) -> tf.Tensor:
        """Whether a lower scale may help: not if the loss itself is not finite, nor at scale 1.

        `norm`: of the gradients, scaled back.
        """
        return tf.math.is_finite(loss) & ~tf.math.is_finite(norm) & (self.scale > 1.0)

    def after_step(self, step, has_overflowed) -> None:
        """To be called once per step, from 1, outside of replicas."""
        good = self.good_steps + 1
        grows = good >= self._steps_to_grow
        grown = self.scale * _FACTOR
        # An infinite scale would never become finite again.
        grown = tf.where(grows & tf.math.is_finite(grown), grown, self.scale)
        self.scale.assign(tf.where(has_overflowed, tf.maximum(self.scale / _FACTOR, 1.0), grown))
        self.good_steps.assign(tf.where(has_overflowed | grows, tf.zeros_like(good), good))
        self.overflows.assign_add(tf.cast(has_overflowed, tf.int64))
        self.last_overflow.assign(tf.where(has_overflowed, step, self.last_overflow))
