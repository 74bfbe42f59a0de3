"""official.core's Trainer with TFOD's checkpoint layout and scalars."""

from collections.abc import Callable

import tensorflow as tf
from official.core import base_trainer

from odtk.training.optimizer import current_learning_rate

LAST_POSITION = "last_position"
"""The key in a checkpoint of the number of the last record's position that was trained on."""


class DetectionTrainer(base_trainer.Trainer):
    """Saves variables under TFOD's keys and reports the last step's losses instead of their means."""

    def __init__(self, config, task, model, optimizer, build_dataset: Callable):
        """`build_dataset` is called now, and each time that the data starts again."""
        dataset, self._build_dataset = build_dataset(), build_dataset
        super().__init__(config, task, model, optimizer, train=True, evaluate=False, train_dataset=dataset)
        # TFOD names it `step`, official.core `global_step`.
        steps = {"step": self.global_step, "global_step": self.global_step}
        # TFOD does not know it, and restores the rest.
        position = {LAST_POSITION: task.last_position}
        self._checkpoint = tf.train.Checkpoint(**steps, **position, optimizer=optimizer, **model.checkpoint_objects())

    def restart_data(self) -> None:
        """Reads on behind `last_position`, as a resumed run does; for weights that were set back."""
        self.task.restart_inputs()
        self.train_dataset = self._build_dataset()

    def finished_step(self) -> int:
        """The last step that changed the weights, to which the count of steps is set: one more failed in its data."""
        step = int(self.optimizer.iterations.numpy())
        self.global_step.assign(step)
        return step

    def checkpoint_bytes(self) -> int:
        """About the size of a checkpoint: that of all variables."""
        variables = {id(each): each for each in [*self.model.variables, *self.optimizer.variables()]}.values()
        return sum(each.shape.num_elements() * each.dtype.size for each in variables)

    def train_loop_end(self) -> dict[str, tf.Tensor]:
        """The losses of the last step, and the learning rate of the next one (as TFOD logs it)."""
        logs = {metric.name: metric.result() for metric in self.train_metrics}
        logs["learning_rate"] = current_learning_rate(self.optimizer)
        return logs
