"""The pictures of evaluations: evaluations/step-N.png."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from odtk import files
from odtk.evaluation.coco import NO_GROUNDTRUTH
from odtk.evaluation.run import Evaluation
from odtk.evaluation.sample import ImageSample
from odtk.report.prediction_picture import EvaluatedImage, draw_evaluation, draw_pair
from odtk.report.training_curves import short_name
from odtk.training.callbacks.callback import Callback
from odtk.training.experiment import Experiment
from odtk.training.pictures import DrawingErrors, class_namer, numbered, save_png
from odtk.training.times import DRAWING

FOLDER, NAME = "evaluations", "step-{step}.png"
NUM_IMAGES = 6
MOST_PICTURES = 20
TAG = "eval_side_by_side_{number}_0"
"""TFOD's, in TensorBoard: one picture for each image."""


class EvaluationPictures(Callback):
    """Draws predictions beside groundtruth on the same NUM_IMAGES images at each evaluation.

    At most MOST_PICTURES are kept, the first and the newest among them and the others about evenly spread.
    """

    def __init__(self, log: Callable[[str], None] = lambda line: None):
        self._errors = DrawingErrors("the predictions of an evaluation", log)
        self._sample = ImageSample(NUM_IMAGES)
        self._images: list[EvaluatedImage] = []  # until their picture is written

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._experiment = experiment
        if experiment.evaluator:
            experiment.evaluator.on_batch = self._add
        self._remove_after(experiment.step)

    def after_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Callback."""
        with self._experiment.times.phase(DRAWING):
            self._make(step, evaluation)

    def _make(self, step: int, evaluation: Evaluation) -> None:
        self._images = self._sample.take() or self._images
        pairs, picture = self._errors.attempt(lambda: self._draw(step, evaluation)) or ([], None)
        if picture is not None:
            save_png(self._experiment.info.model_dir, FOLDER, NAME.format(step=step), picture)
            pictures = self._pictures()
            for old in surplus(list(pictures), MOST_PICTURES):
                files.remove(pictures[old])
            for number, pair in enumerate(pairs):
                self._experiment.logger.log_picture(step, "eval", TAG.format(number=number), np.asarray(pair))
        self._images = []

    def after_going_back(self, step: int) -> None:
        """See Callback."""
        self._remove_after(step)

    def _remove_after(self, step: int) -> None:
        """Removes pictures of steps that are trained again, as after a run was killed."""
        for pictured, path in self._pictures().items():
            if pictured > step:
                files.remove(path)

    def _pictures(self) -> dict[int, str]:
        return numbered(self._experiment.info.model_dir, FOLDER, NAME)

    def _add(self, *batch) -> None:
        self._errors.attempt(lambda: self._sample.add(*batch))

    def _draw(self, step: int, evaluation: Evaluation) -> tuple[list[Image.Image], Image.Image] | None:
        """A picture of each image, and one of all; None if there was no image."""
        if not self._images:
            return None
        info, config = self._experiment.info, self._experiment.task.config
        name_of = class_namer(config.eval_input_reader[0].label_map_path)
        pairs = [draw_pair(image, name_of) for image in self._images]
        return pairs, draw_evaluation(pairs, f"{info.name}: step {step:,} of {info.num_steps:,}{_result(evaluation)}")


def _result(evaluation: Evaluation) -> str:
    """The first metric, unless there is no groundtruth for it."""
    name, value = next(iter(evaluation.metrics.items()), ("", NO_GROUNDTRUTH))
    return "" if value == NO_GROUNDTRUTH else f", {short_name(name)} {value:.3f}"


def surplus(steps: Sequence[int], most: int) -> list[int]:
    """Which of the rising `steps` to give up, so that `most` are left: never the first or the last.

    Each time the one whose neighbors are closest to each other, the oldest of several: what is left is about evenly
    spread, however many have come and gone.
    """
    kept, given_up = list(steps), []
    while len(kept) > max(most, 2):
        gaps = [after - before for before, after in zip(kept[:-2], kept[2:], strict=True)]
        given_up.append(kept.pop(1 + gaps.index(min(gaps))))
    return given_up
