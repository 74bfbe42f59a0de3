"""A run of the fake detector that kills itself without warning: `python killed_run.py CONFIG MODEL_DIR STEPS SECONDS`.

It is killed SECONDS after its first step, if it still runs then; "inf" lets it end. `nothing` of what Python or
TensorFlow would do at an end is done.
"""

import os
import signal
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

EVERY = {"checkpoint_every": 10, "eval_every": 10, "log_every": 4, "keep": 3}


def main(config: str, model_dir: str, steps: str, seconds: str) -> None:
    from odtk.detectors import families
    from odtk.tools.train import train
    from odtk.training.callbacks.callback import Callback

    families.MODULES = (*families.MODULES, "fake_detector")

    class Killer(Callback):
        timer = None

        def after_loop(self, step, logs):
            if self.timer is None and seconds != "inf":
                self.timer = threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGKILL))
                self.timer.daemon = True
                self.timer.start()

    train(config, model_dir, num_steps=int(steps), seed=3, deterministic=True, log=print, callbacks=[Killer()], **EVERY)


if __name__ == "__main__":
    main(*sys.argv[1:])
