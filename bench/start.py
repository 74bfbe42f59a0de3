"""`odtk train` to its first steps, with a clock at every stage: imports, build, first step (tracing included).

Run as `python -m bench.start CONFIG MODEL_DIR STARTED`, STARTED being time.time() before the process began; prints one
JSON object. The command itself runs, through Click; its output is discarded.
"""

import contextlib
import io
import itertools
import json
import sys
import time

STEPS = 3


def measure(config: str, model_dir: str, started: float) -> dict:
    """Seconds since `started` by stage."""
    marks = {"start": started}

    # The last one is imported by the command when it needs it.
    from odtk.cli.main import cli
    from odtk.training.callbacks.panel import Panel

    marks["imports"] = time.time()

    def mark(name: str, stage: str) -> None:
        original = getattr(Panel, name)

        def marked(self, *arguments):
            marks.setdefault(stage, time.time())
            return original(self, *arguments)

        setattr(Panel, name, marked)

    mark("before_training", "build")
    mark("after_loop", "first_step")
    with contextlib.redirect_stdout(io.StringIO()):
        cli(["train", config, model_dir, "--num-steps", str(STEPS)], standalone_mode=False)
    stages = list(marks)
    return {f"{b}_seconds": marks[b] - marks[a] for a, b in itertools.pairwise(stages)} | {
        "seconds": marks["first_step"] - started
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
