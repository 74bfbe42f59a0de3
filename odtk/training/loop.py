"""Orbit's training loop, with callbacks."""

import contextlib
from collections.abc import Callable, Sequence

from odtk.inputs.build import build_fault_finder
from odtk.inputs.record_errors import naming_the_record
from odtk.training.callbacks.callback import Callback, StopTraining
from odtk.training.experiment import Experiment
from odtk.training.orbit_output import without_printing


def run(experiment: Experiment, num_steps: int, callbacks: Sequence[Callback] = ()) -> dict[str, float]:
    """Trains to step `num_steps` and saves a checkpoint at the end; returns the last loop's logs ({} if none ran).

    See Callback for when `callbacks` are called. An error of the data is raised as a DataError that names the record;
    KeyboardInterrupt, TensorFlow's errors (OutOfRangeError at the end of the data) and callbacks' errors are raised as
    they are.
    """
    logs: dict[str, float] = {}

    def after_loop(output: dict) -> None:
        logs.update({tag: float(value) for tag, value in output.items()})
        for callback in callbacks:
            callback.after_loop(experiment.step, dict(logs))

    experiment.controller.train_actions = (after_loop,)
    find_fault = build_fault_finder(experiment.task.config.train_input_reader, experiment.model.num_classes)
    with without_printing(), contextlib.ExitStack() as ends:
        for callback in callbacks:
            callback.before_training(experiment, num_steps)
            ends.push(_at_end(callback))
        with naming_the_record(find_fault):
            try:
                experiment.controller.train(num_steps)
            except StopTraining:
                experiment.controller.save_checkpoint()
    return logs


def _at_end(callback: Callback) -> Callable:
    def leave(kind, error: BaseException | None, traceback) -> None:
        callback.at_end(error)

    return leave
