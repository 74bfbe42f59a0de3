"""The batch whose loss was NaN or infinite: read once more, run once more, and kept in the model dir's nan/."""

import io
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


def investigate(batch: FailedBatch, experiment: Experiment, state: str) -> str:
    """Runs the batch with the present weights, which are `state`, and keeps it in nan/; returns what was found.

    What cannot be done is said in the text, and raises nothing: this is for an error message.
    """
    if not batch.places:
        return "Its records are not known."
    found, losses = "", {}
    try:
        features, groundtruth = experiment.task.read_batch(experiment.model, batch.places)
    except Exception as error:
        found = f"Its records cannot be read again ({_first_line(error)})."
    else:
        found, losses = _run(experiment, features, groundtruth, state)
        found += _keep(experiment, PICTURE, lambda: _picture(batch, experiment, features, groundtruth))
    return found + _keep(experiment, REPORT, lambda: _report(batch, experiment, found, losses).encode())


def _run(experiment: Experiment, features: dict, groundtruth: dict, state: str) -> tuple[str, dict[str, float]]:
    try:
        with experiment.controller.strategy.scope():
            diagnosis = diagnose(experiment.task, experiment.model, features, groundtruth)
    except Exception as error:  # out of memory, as nothing that is computed is freed before the end
        return f"Where numbers stopped being finite could not be found ({_first_line(error)}).", {}
    text = f"Run once more, augmented as it was, with {state}: {diagnosis.text}"
    if diagnosis.is_finite:
        text += " So it is not this batch alone: the weights became worse since then."
    return text, diagnosis.losses


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
