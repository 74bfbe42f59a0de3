"""A training step in parts: micro-batches whose gradients add up, under a loss scale where float16 needs one."""

import tensorflow as tf

from odtk import static_shapes, step_random
from odtk.detectors.detector import Detector
from odtk.detectors.total_loss import REGULARIZATION_LOSS, TOTAL_LOSS
from odtk.training.gradient_sums import GradientSums
from odtk.training.loss_scale import LossScale
from odtk.training.strategy import num_replicas, over_replicas
from odtk.training.task import DetectionTask


class SplitStep:
    """What replicas run, one after the other: `start`, `add` for each part, `combine`, and `update` or `skip`.

    Where the sums are those of a whole batch, its update is that of `DetectionTask.train_step`, but for batch norms'
    statistics, which are each part's own.
    """

    def __init__(self, task: DetectionTask, model: Detector, optimizer, metrics, loss_scale: LossScale | None = None):
        """Must be created in the strategy's scope, when model and optimizer have their variables."""
        self._task, self._model, self._optimizer, self._metrics = task, model, optimizer, metrics
        self.loss_scale = loss_scale
        self._sums = GradientSums(model.trainable_variables, task.loss_names)

    @property
    def counter(self) -> tf.Variable:
        """Changes at the end of each `add`; each replica has its own."""
        return self._sums.counter

    def start(self) -> None:
        """Forgets the step before."""
        self._sums.reset()

    # Detectors do not need AutoGraph, see DetectionTask.train_step.
    @tf.autograph.experimental.do_not_convert
    def add(self, inputs) -> None:
        """Adds the gradients of a part's (features, groundtruth)."""
        features, groundtruth = inputs
        seed = step_random.fold_in(self._task.step_seed(self._optimizer.iterations), self._sums.parts)
        scale = None if self.loss_scale is None else self.loss_scale.scale.read_value()
        found, gradients, divisor = self._task.compiled(self._compute)(features, groundtruth, seed, scale)
        weight = divisor if scale is None else divisor / scale
        self._sums.add(found, gradients, weight, features.get("position"))
        loss, norm = tf.add_n(list(found.sums.values())), tf.linalg.global_norm(gradients)
        if self.loss_scale is not None:  # what a lower scale may help is no failure
            norm = tf.where(self.loss_scale.has_overflowed(loss, norm), 0.0, norm)
        self._task.watch(features, self._optimizer, loss + tf.cast(norm, loss.dtype))

    def _compute(self, features: dict, groundtruth: dict, seed, scale):
        """(LossSums, gradients of the losses times `scale`, what the losses were divided by), no regularization."""
        model, shapes = self._model, features["true_image_shape"]
        with static_shapes.needed(self._task.needs_static_shapes), step_random.seeded(seed), tf.GradientTape() as tape:
            predictions = self._task.predictions(model, features, groundtruth)
            found = model.loss_sums(predictions, groundtruth, shapes)
            # Gradients of the sums would overflow in float16. All replicas divide by the same, because the gradients
            # of synchronized batch norms mix them.
            divisor = tf.maximum(over_replicas(found.normalizer), 1.0)
            loss = tf.add_n(list(found.divided(divisor).values()))
            loss = loss if scale is None else loss * scale
        return found, tape.gradient(loss, model.trainable_variables), divisor

    @tf.autograph.experimental.do_not_convert
    def combine(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The sums become the whole batch's, of all replicas, with the regularization.

        Returns the whole batch's total loss and the gradients' norm.
        """
        losses, gradients = self._sums.divided(over_replicas)
        if self._model.add_regularization_loss:
            variables = self._model.trainable_variables
            with tf.GradientTape() as tape:
                losses[REGULARIZATION_LOSS] = self._model.regularization_loss() / num_replicas()
            penalties = tape.gradient(losses[REGULARIZATION_LOSS], variables, unconnected_gradients="zero")
            gradients = [tf.add(*pair) for pair in zip(gradients, penalties, strict=True)]
        *gradients, total = over_replicas([*gradients, tf.add_n(list(losses.values()))])
        self._sums.replace(losses, gradients)
        return total, tf.linalg.global_norm(gradients)

    @tf.autograph.experimental.do_not_convert
    def update(self) -> None:
        """One update by the combined gradients."""
        self._note_position()
        self._task.update(self._model, self._optimizer, self._sums.gradients, self._losses(), self._metrics)

    @tf.autograph.experimental.do_not_convert
    def skip(self) -> None:
        """Counts a step whose gradients overflowed: weights, momenta and averages stay as they are.

        Batch norms' statistics are those of its forward pass, which did not overflow; the norm is not logged.
        """
        self._note_position()
        self._optimizer.iterations.assign_add(1)
        self._task.log(self._losses(), self._metrics)

    def _note_position(self) -> None:
        self._task.note_position(self._sums.position[None])

    def _losses(self) -> dict[str, tf.Tensor]:
        losses = self._sums.losses
        return losses | {TOTAL_LOSS: tf.add_n(list(losses.values()))}
