"""Run as a program: one of two processes that train a fake detector with a batch norm, in one case after the other.

`python worker_cases.py FOLDER ADDRESSES INDEX CASE...`: FOLDER has the records of all cases and gets their model dirs.
Prints a line of JSON for each case: how it ended here. After a case in which a step of one worker fails there is no
other, as the processes cannot sum up anything any more.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "training"), str(HERE.parents[1])]

import fake_detector  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from replica_runs import NormedDetector  # noqa: E402

from odtk.cli.stop_signals import stop_signals  # noqa: E402
from odtk.detectors import families  # noqa: E402
from odtk.tools.train import running, train  # noqa: E402
from odtk.training.callbacks.interruption import StopWhenAsked  # noqa: E402
from odtk.training.pace import Pace  # noqa: E402
from odtk.training.task import DetectionTask  # noqa: E402

OPTIONS = {"checkpoint_every": 2, "log_every": 1, "eval_every": 3, "seed": 7, "num_steps": 6}
LONG = OPTIONS | {"num_steps": 2000, "checkpoint_every": 2000, "eval_every": 0}


@dataclass
class Case:
    """How a run is started, and what goes wrong in worker 1 alone."""

    options: dict = field(default_factory=lambda: OPTIONS)
    trouble: Callable = nullcontext
    others: dict = field(default_factory=dict)
    """Options of worker 1 alone."""
    model_dir: str = ""
    """Of another case; "" for one of its own."""
    config: str = "pipeline.config"
    """That of worker 1."""


def calling(name: str, call: Callable):
    """`call` is called by a method of a callback that every worker has."""
    own = getattr(StopWhenAsked, name)

    def method(self, step, rest):
        call(step)
        return own(self, step, rest)

    return patch.object(StopWhenAsked, name, method)


def terminate(at: int):
    return lambda step: step == at and os.kill(os.getpid(), signal.SIGTERM)


def fail(step: int) -> None:
    if step == 3:
        raise RuntimeError("the third step went wrong")


def poisoned(times: int):
    """Some image of the fourth step is NaN, `times` times."""
    build_inputs, left = DetectionTask.build_inputs, [times]

    def poison(position):
        is_hit = position % (1 << 40) in (6, 7) and left[0] > 0
        left[0] -= is_hit
        return np.float32(np.nan if is_hit else 0)

    def build(self, params, input_context=None):
        def changed(features, groundtruth):
            added = tf.numpy_function(poison, [features["position"][0]], tf.float32)
            return {**features, "image": features["image"] + tf.ensure_shape(added, [])}, groundtruth

        return build_inputs(self, params, input_context=input_context).map(changed)

    return patch.object(DetectionTask, "build_inputs", build)


CASES = {
    "whole": Case(),
    "half": Case(OPTIONS | {"num_steps": 4}),
    "resumed": Case(model_dir="half"),
    "out of time": Case(OPTIONS | {"num_steps": 2000}, others={"max_time": "6s"}),
    "patience": Case(OPTIONS | {"eval_every": 1, "patience": 1, "min_delta": 1.0, "num_steps": 9}),
    "terminated": Case(trouble=lambda: calling("after_loop", terminate(at=3))),
    "terminated while evaluating": Case(trouble=lambda: calling("during_evaluation", terminate(at=3))),
    "lower rate": Case(OPTIONS | {"on_nan": "lower-rate"}, lambda: poisoned(times=1)),
    "not a number": Case(trouble=lambda: poisoned(times=9)),
    "bad records": Case(LONG | {"max_bad_records": 1}, config="bad.config"),
    "bad evaluation records": Case(OPTIONS | {"max_bad_records": 1}, config="bad-evaluation.config"),
    "an error": Case(trouble=lambda: calling("after_loop", fail)),
    "a bad record": Case(LONG | {"max_bad_records": 0}, config="bad.config"),
}


def ended(folder: Path, addresses: str, index: int, name: str) -> dict:
    """How a case ended here."""
    case, lines = CASES[name], []
    config = folder / (case.config if index else "pipeline.config")
    options = case.options | (case.others if index else {}) | {"workers": addresses, "worker_index": index}
    model_dir = folder / (case.model_dir or name)
    found: dict = {"case": name, "error": "", "reason": "", "step": None, "code": 1}
    with case.trouble() if index else nullcontext(), stop_signals(lines.append) as signals:
        try:
            report = train(
                config, model_dir, log=lines.append, callbacks=[], should_stop=signals.should_stop, **options
            )
            code = signals.exit_code(report.reason)
            found |= {"reason": report.reason, "step": report.last_step, "code": code}
        except Exception as error:
            found["error"] = f"{type(error).__name__}: {error}"
    return found | {"ended": time.time(), "lines": lines}


def main(folder: str, addresses: str, index: str, *names: str) -> int:
    """The exit code of the last case."""
    for name in names:
        found = ended(Path(folder), addresses, int(index), name)
        print(json.dumps(found), flush=True)
    return found["code"]


def connecting_once(connect: Callable) -> Callable:
    """TensorFlow's processes find each other once."""
    made: list = []

    def once(*args):
        made[:] = made or [connect(*args)]
        return made[0]

    return once


def with_norms():
    """In the block the fake family's detectors have a batch norm."""
    build = lambda self, model: NormedDetector(self.image_resizer(model), self.num_classes(model), False, False)  # noqa: E731
    return patch.object(fake_detector.FakeFamily, "build", build)


if __name__ == "__main__":
    Pace.__call__ = lambda self, step: 1  # so that a run can end at any step
    running.connect = connecting_once(running.connect)
    families.MODULES = (*families.MODULES, "fake_detector")
    with with_norms():
        sys.exit(main(*sys.argv[1:]))
