"""The interface between a training run and its callbacks.

To add a callback, add a file to this folder and an entry to `build_callbacks` in `odtk.tools.train.parts`.
"""

from odtk.evaluation.run import Evaluation
from odtk.training.experiment import Experiment


class StopTraining(Exception):
    """Raised by after_loop, during_evaluation or after_evaluation to end training normally before its last step.

    The other callbacks and the loggers still get what they would, a checkpoint is saved and, unless `evaluate` is
    False, its evaluation follows if it has none. The text is the reason, for the user: "no improvement of mAP in 5
    evaluations".
    """

    def __init__(self, reason: str = "stopped by a callback", *, evaluate: bool = True):
        super().__init__(reason)
        self.evaluate = evaluate


class GoBack(Exception):
    """Raised by a callback that has set weights, optimizer and step back: training goes on from there.

    The other callbacks and the loggers do not get what the loop gave; what was logged of later steps no longer holds.
    """


class Callback:
    """Does nothing; subclasses override what they need. All methods are called on the training thread.

    If the model dir is not reachable when after_loop or after_evaluation writes a file, the method is called again
    later: it changes its own state after it has written.
    """

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """Called once, before the first step: weights are restored, and training runs from `experiment.step` on."""

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """Called after each loop of steps (about a second; loops end where something is saved or evaluated).

        With callbacks of a user's own they also end where something is logged (see Pace.ends_at_logs).

        `logs` has the last step's losses under TFOD's tags, including Loss/total_loss, learning_rate (of the next step)
        and gradient_norm. Loggers are called and this step's checkpoint is saved later. An exception ends the training.
        """

    def during_evaluation(self, step: int, num_images: int) -> None:
        """Called when `num_images` were evaluated, a batch on each replica; StopTraining ends it without a result."""

    def after_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """Called after each evaluation; this step's checkpoint is saved, if one is due. Loggers are called later.

        The weights are still those that were measured (averages, where the config says so).
        """

    def after_going_back(self, step: int) -> None:
        """Called when training goes on from an earlier step, as after a resume; see GoBack. Loggers have started again.

        What a callback remembers of later steps no longer holds: evaluations.csv has none of them, best/ may.
        """

    def at_end(self, error: BaseException | None) -> None:
        """Called once, after training: it ended normally (None, its checkpoint is saved) or by `error`, then re-raised.

        Callbacks are called in the reverse order of before_training, and only if that returned.
        """
