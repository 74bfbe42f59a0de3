"""The contract between a training run and what is called around it.

A new callback is a file in this folder, and an entry in the list that `odtk.tools.train` makes.
"""

from odtk.training.experiment import Experiment


class StopTraining(Exception):
    """Raised by `Callback.after_loop` where training is to end well before its last step: a checkpoint is saved."""


class Callback:
    """Does nothing; a callback overrides what it needs. All are called on the thread that trains."""

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """Once, before the first step: weights are restored; training goes from `experiment.step` to `num_steps`."""

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """After each loop of steps (about a second's worth; a loop ends at each step that is logged or saved).

        `logs` has the last step's losses under TFOD's tags, Loss/total_loss and learning_rate (of the next step) among
        them. Loggers and the checkpoint of this step come later. An exception ends the training.
        """

    def at_end(self, error: BaseException | None) -> None:
        """Once, when training has ended: by itself (None, its checkpoint is saved), or by `error`, which is raised on.

        In the reverse order of before_training, and only where that returned.
        """
