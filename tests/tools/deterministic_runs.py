"""Run as a program: trains with deterministic operations, twice whole and once in pieces, and compares every number.

`python deterministic_runs.py CONFIG FOLDER NUM_STEPS STOP...` prints what differs; nothing, and 0 is the exit status.
Determinism cannot be turned off in a process, so it has one of its own.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from quick_runs import draw_nothing, leave_imports_alone  # noqa: E402

from odtk.detectors import families  # noqa: E402
from odtk.tools.train import train  # noqa: E402
from odtk.training.callbacks.callback import Callback  # noqa: E402
from odtk.training.pace import Pace  # noqa: E402

EVERY = {"checkpoint_every": 3, "log_every": 2, "eval_every": 4}


class Losses(Callback):
    """Every loop's logs by step; ends a run after a step as Ctrl-C does."""

    def __init__(self, logs: dict, stop: int | None):
        self.logs, self.stop = logs, stop

    def after_loop(self, step, logs):
        self.logs[step] = logs
        if step == self.stop:
            raise KeyboardInterrupt


def train_in_pieces(config: Path, model_dir: Path, num_steps: int, stops=(), **options) -> tuple[dict, dict]:
    """The logs by step, and all variables of the last checkpoint, of a run that is interrupted after `stops`."""
    logs: dict = {}
    for stop in (*stops, None):
        try:
            callbacks = [Losses(logs, stop)]
            train(config, model_dir, num_steps=num_steps, deterministic=True, callbacks=callbacks, **EVERY, **options)
        except KeyboardInterrupt:
            assert stop is not None
    saved = tf.train.load_checkpoint(str(model_dir / f"ckpt-{num_steps}"))
    names = [name for name in saved.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    # The number of checkpoints saved is not part of training.
    return logs, {name: saved.get_tensor(name) for name in names if not name.startswith("save_counter")}


def differences(one: tuple[dict, dict], other: tuple[dict, dict]) -> list[str]:
    """What is not equal to the last bit, in words."""
    (logs, values), (other_logs, other_values) = one, other
    found = [f"variables {set(values) ^ set(other_values)}"] if set(values) != set(other_values) else []
    found += [name for name in values if not np.array_equal(values[name], other_values.get(name))]
    both = sorted(set(logs) & set(other_logs))
    return found + [
        f"step {step}: {logs[step]} and {other_logs[step]}" for step in both if logs[step] != other_logs[step]
    ]


def main(config: str, folder: str, num_steps: str, *stops: str) -> None:
    """Prints the differences of a whole run, the same once more, and one in pieces."""
    path, steps = Path(folder), int(num_steps)
    whole = train_in_pieces(Path(config), path / "whole", steps, seed=7)
    assert len(whole[0]) == steps
    assert any("momentum" in name for name in whole[1])
    again = train_in_pieces(Path(config), path / "again", steps, seed=7)
    pieces = train_in_pieces(Path(config), path / "pieces", steps, [int(stop) for stop in stops], seed=7)
    for name, other_run in {"again": again, "in pieces": pieces}.items():
        print(*(f"{name}: {each}\n" for each in differences(whole, other_run)), sep="", end="")
    other, _ = train_in_pieces(Path(config), path / "other", 1, seed=8)
    if other[1] == whole[0][1]:
        print("another seed made no difference")


if __name__ == "__main__":
    Pace.__call__ = lambda self, step: 1  # so that a run can end at any step
    families.MODULES = (*families.MODULES, "fake_detector")
    leave_imports_alone()
    with pytest.MonkeyPatch.context() as undrawn:
        draw_nothing(undrawn)
        main(*sys.argv[1:])
