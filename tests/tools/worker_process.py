"""Run as a program: one of several processes that train the fake detector together.

`python worker_process.py CONFIG MODEL_DIR NUM_STEPS ADDRESSES INDEX READ [KILLED_AT]`; which record it read at which
position is appended to the file READ; after step KILLED_AT the process is killed.
"""

import os
import signal
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from odtk.cli.stop_signals import stop_signals  # noqa: E402
from odtk.detectors import families  # noqa: E402
from odtk.errors import OdtkError  # noqa: E402
from odtk.tools.train import train  # noqa: E402
from odtk.training.callbacks.bad_records import BadRecordLimit  # noqa: E402
from odtk.training.pace import Pace  # noqa: E402
from odtk.training.task import DetectionTask  # noqa: E402

EVERY = {"checkpoint_every": 3, "log_every": 2, "eval_every": 4}


def noting_reads(build_inputs, path: str):
    """DetectionTask.build_inputs, whose batches are noted in a file: position, file, record."""

    def note(positions, places):
        with open(path, "a") as file:
            file.writelines(f"{int(n)} {int(f)} {int(r)}\n" for n, (f, r) in zip(positions, places, strict=True))
        return np.bool_(True)

    def build(self, params, input_context=None):
        def noted(features, groundtruth):
            done = tf.numpy_function(note, [features["position"], features["place"]], tf.bool)
            with tf.control_dependencies([done]):
                return {**features, "image": tf.identity(features["image"])}, groundtruth

        return build_inputs(self, params, input_context=input_context).map(noted)

    return build


def killed_after(step_to_die: int):
    """BadRecordLimit.after_loop, which each worker calls, until the process is killed."""

    def after_loop(self, step, logs):
        if step >= step_to_die:
            os.kill(os.getpid(), signal.SIGKILL)

    return after_loop


def main(
    config: str, model_dir: str, num_steps: str, addresses: str, index: str, read: str, killed_at: str = ""
) -> int:
    """The exit code."""
    DetectionTask.build_inputs = noting_reads(DetectionTask.build_inputs, read)
    if killed_at:
        BadRecordLimit.after_loop = killed_after(int(killed_at))
    options = {"workers": addresses, "worker_index": int(index), "num_steps": int(num_steps), "seed": 7, **EVERY}
    try:
        with stop_signals(print) as signals:
            report = train(config, model_dir, log=print, callbacks=[], should_stop=signals.should_stop, **options)
            print(f"ENDED at {report.last_step}: {report.reason}")
            return signals.exit_code(report.reason)
    except OdtkError as error:
        print(f"ERROR {error}")
        return 1


if __name__ == "__main__":
    Pace.__call__ = lambda self, step: 1  # so that a run can end at any step
    families.MODULES = (*families.MODULES, "fake_detector")
    sys.exit(main(*sys.argv[1:]))
