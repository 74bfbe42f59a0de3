"""A training step with all that watches, logs and guards it, against the step with none of it: 320x320, batch 4.

Run as `python -m bench.watched CONFIG FOLDER`, a worker of bench/turns.py. Both trainings run in this process, each in
a thread of its own that waits at the end of its turn; evaluations are left out, as their share of the time is limited.
"""

import contextlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import tensorflow as tf

from bench.turns import Work, serve
from bench.workload import STEPS_PER_TURN
from odtk import pipeline
from odtk.tools.train import train
from odtk.training.build import build_experiment
from odtk.training.callbacks.callback import Callback
from odtk.training.callbacks.panel import Panel
from odtk.training.evaluation_schedule import EvaluationSchedule
from odtk.training.input_wait import InputWait
from odtk.training.loop import run
from odtk.training.run_info import RunInfo
from odtk.training.strategy import build_strategy
from odtk.training.task import DetectionTask

ENDLESS, NEVER = 10**6, 10**9


class TurnTaking(Callback):
    """Holds training after every STEPS_PER_TURN steps, until its next turn."""

    def __init__(self) -> None:
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)

    def before_training(self, experiment, num_steps) -> None:
        """See Callback."""
        self._end_turn()

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        if step % STEPS_PER_TURN == 0:
            self._end_turn()

    def _end_turn(self) -> None:
        self._done.release()
        self._go.acquire()

    def wait(self) -> None:
        """Until training is ready for a turn."""
        self._done.acquire()

    def take(self) -> None:
        """One turn."""
        self._go.release()
        self._done.acquire()


def build(config: Path, folder: Path) -> dict[str, Work]:
    """The turns `bare` and `watched`; the first of each compiles its step."""
    turns = {}
    for name, training in (("bare", _bare), ("watched", _watched)):
        turns[name] = TurnTaking()
        work = threading.Thread(target=training, args=(config, folder / name, turns[name]), daemon=True)
        work.start()
        turns[name].wait()
    # In the first turn the bare step is traced, without what is measured in it.
    with _nothing_measured():
        turns["bare"].take()
    return {name: lambda turn=turn: turn.take for name, turn in turns.items()}


def _watched(config: Path, model_dir: Path, turns: TurnTaking) -> None:
    """`odtk train` as it is, but for the evaluations."""
    options = {"num_steps": ENDLESS, "checkpoint_every": NEVER, "eval_every": 0, "seed": 1}
    train(config, model_dir, callbacks=[Panel(), turns], **options)


def _bare(config: Path, model_dir: Path, turns: TurnTaking) -> None:
    """The same steps on the same data, without callbacks, loggers, the gradients' norm and the input's waiting time."""
    task = DetectionTask(pipeline.read(config), 1)
    info = RunInfo(str(model_dir), "", task.config.train_config.batch_size, None, ENDLESS)
    schedule = EvaluationSchedule(0, ENDLESS)
    often = {"checkpoint_every": NEVER, "keep": 1, "log_every": STEPS_PER_TURN, "schedule": schedule}
    run(build_experiment(task, build_strategy(), info, **often), ENDLESS, [turns])


@contextlib.contextmanager
def _nothing_measured():
    fetch: Callable = lambda self, fetch, ended: fetch()  # noqa: E731
    with (
        mock.patch.object(InputWait, "fetch", fetch),
        mock.patch.object(tf.linalg, "global_norm", return_value=0.0),
    ):
        yield


if __name__ == "__main__":
    serve(lambda: build(Path(sys.argv[1]), Path(sys.argv[2])))
