"""The batch whose loss was NaN or infinite: read once more, run once more, and kept in the model dir's nan/."""

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from odtk import files
from odtk.inputs.build import record_files
from odtk.inputs.record_errors import names_of_records
from odtk.report.batch_picture import draw_batch
from odtk.training.experiment import Experiment
from odtk.training.first_bad_layer import diagnose
from odtk.training.halvings import FOLDER
from odtk.training.pictures import batch_images, class_namer

PICTURE, REPORT = "batch.png", "report.txt"

_MOST_SECONDS, _STEPS_AT_ONCE = 120.0, 10  # to train again


@dataclass(frozen=True)
class FailedBatch:
    """The first batch without a finite loss."""

    step: int  # from 1
    places: Sequence[tuple[int, int, int]]  # of its records: numbers of file and record, position; [] if unknown
    logs: dict[str, float]  # of the last step of that loop

    def records(self, experiment: Experiment) -> list[str]:
        """`image (file, record number)` of each."""
        files_read = record_files(experiment.task.config.train_input_reader)
        return names_of_records(files_read, [(file, record) for file, record, _ in self.places])


def investigate(batch: FailedBatch, experiment: Experiment, restore: Callable[[], str]) -> str:
    """Finds where the batch's numbers stop being finite, and keeps the batch in nan/; returns what was found.

    `restore` sets the weights back and returns what they are then; they are others afterwards. What cannot be done is
    said in the text, and raises nothing: this is for an error message.
    """
    if not batch.places:
        return ""
    try:
        features, groundtruth = experiment.task.read_batch(experiment.model, batch.places)
    except Exception as error:
        found, losses = f"Its records cannot be read again ({_first_line(error)}).", {}
    else:
        found, losses = _diagnosed(batch, experiment, features, groundtruth, restore)
        found += _keep(experiment, PICTURE, lambda: _picture(batch, experiment, features, groundtruth))
    return found + _keep(experiment, REPORT, lambda: _report(batch, experiment, found, losses).encode())


def _diagnosed(
    batch: FailedBatch, experiment: Experiment, features: dict, groundtruth: dict, restore: Callable[[], str]
) -> tuple[str, dict[str, float]]:
    """What was found and the losses; with the weights just before that step, if those of the checkpoint do well."""
    text = f"Run once more, augmented as it was, with {restore()}: "
    try:
        with experiment.controller.strategy.scope():
            first = diagnose(experiment.task, experiment.model, features, groundtruth, batch.step - 1)
            text += first.text
            if not first.is_finite:
                return text, first.losses
            restore()
            if experiment.step == batch.step - 1:
                return f"{text} So it did not happen again.", first.losses
            text += " So it is not this batch alone: the weights became worse since then."
            if not _train_again(experiment, batch.step - 1):
                return text, first.losses
            second = diagnose(experiment.task, experiment.model, features, groundtruth, batch.step - 1)
            return f"{text} Trained again to step {batch.step - 1}, with the same data: {second.text}", second.losses
    except Exception as error:  # out of memory, as nothing that is computed is freed before the end
        return f"{text} More could not be found ({_first_line(error)}).", {}


def _train_again(experiment: Experiment, step: int) -> bool:
    """Trains from the present step to another; False if that would take too long."""
    experiment.trainer.restart_data()
    end = time.monotonic() + _MOST_SECONDS
    while experiment.step < step and time.monotonic() < end:
        experiment.trainer.train_again(min(step - experiment.step, _STEPS_AT_ONCE))
    return experiment.step == step


def _keep(experiment: Experiment, name: str, make: Callable[[], bytes]) -> str:
    """Writes a file of nan/; a sentence if that fails."""
    folder = files.join(experiment.info.model_dir, FOLDER)
    try:
        files.write_bytes(files.join(folder, name), make())
    except Exception as error:
        return f" {files.join(folder, name)} could not be written ({_first_line(error)})."
    return ""


def _picture(batch: FailedBatch, experiment: Experiment, features: dict, groundtruth: dict) -> bytes:
    arrays = {name: tensor.numpy() for name, tensor in (features | groundtruth).items()}
    arrays["image"] = np.clip(np.rint(arrays["image"]), 0, 255).astype(np.uint8)
    name_of = class_namer(experiment.task.config.train_input_reader.label_map_path)
    title = f"{experiment.info.name}: the batch of step {batch.step:,}, whose loss is not finite"
    buffer = io.BytesIO()
    draw_batch(batch_images(arrays), name_of, title).save(buffer, "PNG")
    return buffer.getvalue()


def _report(batch: FailedBatch, experiment: Experiment, found: str, losses: dict[str, float]) -> str:
    parts = [
        f"The loss became NaN or infinite at step {batch.step}.\n{found}",
        "\n  ".join(["Its records, in the order of their files:", *batch.records(experiment)]),
        _table("Losses when it was run once more:", losses) if losses else "",
        _table("The last step before training noticed, which was that one or a later one:", batch.logs),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _table(title: str, numbers: dict[str, float]) -> str:
    return "\n  ".join([title, *(f"{tag}: {value:.6g}" for tag, value in numbers.items())])


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
