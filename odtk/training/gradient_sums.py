"""Sums over the parts of a batch, which no device has to hold at once."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from odtk.detectors.detector import LossSums
from odtk.inputs.epochs import NOTHING_READ


class GradientSums:
    """Variables that hold what the parts of one batch add up to; each replica has its own, of its parts."""

    def __init__(self, variables: Sequence[tf.Variable], loss_names: Sequence[str]):
        """For gradients of `variables`. Must be created in the strategy's scope."""
        self._gradients = [_local(tf.zeros(each.shape)) for each in variables]
        self._losses = {name: _local(tf.constant(0.0)) for name in loss_names}
        self._normalizer, self._parts = _local(tf.constant(0.0)), _local(tf.constant(0, tf.int64))
        self._position = _local(tf.constant(NOTHING_READ, tf.int64))

    def reset(self) -> None:
        """Nothing is added yet."""
        for variable in (*self._gradients, *self._losses.values(), self._normalizer, self._parts):
            variable.assign(tf.zeros_like(variable.read_value()))
        self._position.assign(NOTHING_READ)

    @property
    def parts(self) -> tf.Tensor:
        """How many were added, int64."""
        return self._parts.read_value()

    @property
    def counter(self) -> tf.Variable:
        """The variable of `parts`, which changes when all gradients of a part are there."""
        return self._parts

    @property
    def position(self) -> tf.Tensor:
        """The largest position of the parts' records (see odtk.inputs.epochs), int64."""
        return self._position.read_value()

    @property
    def gradients(self) -> list[tf.Tensor]:
        """One of each variable."""
        return [each.read_value() for each in self._gradients]

    @property
    def losses(self) -> dict[str, tf.Tensor]:
        """By their names."""
        return {name: each.read_value() for name, each in self._losses.items()}

    def add(self, found: LossSums, gradients: Sequence, weight, positions=None) -> None:
        """Adds a part: its sums, and `gradients` times the scalar `weight`; None is the gradient of an unused one."""
        weighted = [None if gradient is None else gradient * weight for gradient in gradients]
        for variable, gradient in zip(self._gradients, weighted, strict=True):
            if gradient is not None:
                variable.assign_add(gradient)
        for name, value in found.sums.items():
            self._losses[name].assign_add(value)
        self._normalizer.assign_add(found.normalizer)
        with tf.control_dependencies([each for each in weighted if each is not None]):
            self._parts.assign_add(1)
        if positions is not None:
            self._position.assign(tf.maximum(self.position, tf.reduce_max(positions)))

    def divided(self, over_replicas: Callable) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """(losses, gradients) of this replica's parts, divided by the whole batch's normalizer."""
        divisor = tf.maximum(over_replicas(self._normalizer.read_value()), 1.0)
        losses = {name: value / divisor for name, value in self.losses.items()}
        return losses, [gradient / divisor for gradient in self.gradients]

    def replace(self, losses: dict[str, tf.Tensor], gradients: Sequence[tf.Tensor]) -> None:
        """Puts the batch's in the place of the sums."""
        for name, value in losses.items():
            self._losses[name].assign(value)
        for variable, gradient in zip(self._gradients, gradients, strict=True):
            variable.assign(gradient)


def _local(value) -> tf.Variable:
    return tf.Variable(value, trainable=False, synchronization=tf.VariableSynchronization.ON_READ)
