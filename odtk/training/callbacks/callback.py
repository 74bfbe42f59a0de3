"""The interface between a training run and its callbacks.

To add a callback, add a file to this folder and an entry to the list in `odtk.tools.train`.
"""

from odtk.training.experiment import Experiment


class StopTraining(Exception):
    """Raised by `Callback.after_loop` to end training normally before its last step: a checkpoint is saved."""


class Callback:
    """Does nothing; subclasses override what they need. All methods are called on the training thread."""

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """Called once, before the first step: weights are restored, and training runs from `experiment.step` on."""

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """Called after each loop of steps (about a second; a loop ends at each step that is logged or saved).

        `logs` has the last step's losses under TFOD's tags, including Loss/total_loss and learning_rate (of the next
        step). Loggers are called and this step's checkpoint is saved later. An exception ends the training.
        """

    def at_end(self, error: BaseException | None) -> None:
        """Called once, after training: it ended normally (None, its checkpoint is saved) or by `error`, then re-raised.

        Callbacks are called in the reverse order of before_training, and only if that returned.
        """
