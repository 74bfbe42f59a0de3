"""The progress line of training: steps, steps per second, and the last losses under short names."""

import contextlib
from collections.abc import Sequence

from odtk.detectors.total_loss import REGULARIZATION_LOSS, TOTAL_LOSS
from odtk.progress import track
from odtk.training.callbacks.callback import Callback
from odtk.training.experiment import Experiment

_ABBREVIATIONS = {"classification": "cls", "localization": "loc", "objectness": "obj", "regularization": "reg"}


class ProgressLine(Callback):
    """Shows `odtk.progress`'s line from the first step to the last."""

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        # A narrow terminal shows only the first ones.
        names = short_names(experiment.model.loss_names)
        self._words = {TOTAL_LOSS: "loss", **names, "learning_rate": "lr", REGULARIZATION_LOSS: "reg"}
        self._line = contextlib.ExitStack()
        note = "compiling the first step"
        line = track("Training", num_steps, "steps", completed=experiment.step, compiles=True, note=note)
        self._progress = self._line.enter_context(line)

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        self._progress.update(step, ", ".join(f"{word} {logs[tag]:.3g}" for tag, word in self._words.items()))

    def at_end(self, error: BaseException | None) -> None:
        """See Callback."""
        self._line.close()


def short_names(tags: Sequence[str]) -> dict[str, str]:
    """Maps each loss tag to a short name: Loss/classification_loss to "cls".

    It is the tag's last part, with the parts before it if several end alike: "RPN loc" for Loss/RPNLoss/localization.
    """
    last = {tag: _word(tag.rpartition("/")[2]) for tag in tags}
    words = list(last.values())
    return {
        tag: word if words.count(word) == 1 else " ".join(map(_word, tag.removeprefix("Loss/").split("/")))
        for tag, word in last.items()
    }


def _word(part: str) -> str:
    word = part.removesuffix("_loss").removesuffix("Loss")
    return _ABBREVIATIONS.get(word, word)
