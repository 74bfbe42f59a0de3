"""200 evaluations in one training of a tiny model, with its pictures, curves and logs: does memory grow?

Run as `python -m bench.evaluations FOLDER`; prints one JSON object. The model is the tests' fake detector, so that what
is measured is everything around a model.
"""

import gc
import json
import sys
from pathlib import Path

import psutil

from bench.workload import GOLDEN

TESTS = GOLDEN.parent
sys.path[:0] = [str(TESTS), str(TESTS / "tools")]
import fake_detector  # noqa: E402
from inspected_records import write  # noqa: E402

from odtk.detectors import families  # noqa: E402
from odtk.tools.train import train  # noqa: E402
from odtk.training.callbacks.callback import Callback  # noqa: E402

EVALUATIONS, WARM_UP = 200, 50
"""The first ones fill caches of TensorFlow, matplotlib and Python."""


class Weighing(Callback):
    """Notes the resident memory of the process after each evaluation, and how often evaluation was traced."""

    def __init__(self) -> None:
        self.megabytes: list[float] = []
        self.traces = 0

    def before_training(self, experiment, num_steps) -> None:
        """See Callback."""
        detector = experiment.model
        postprocess = detector.postprocess

        def counted(*inputs):
            self.traces += 1  # Python runs it for each trace
            return postprocess(*inputs)

        detector.postprocess = counted

    def after_evaluation(self, step, evaluation) -> None:
        """See Callback."""
        gc.collect()
        self.megabytes.append(psutil.Process().memory_info().rss / 1e6)


def measure(folder: Path) -> dict:
    """Megabytes after WARM_UP and after all evaluations, and the number of traces."""
    families.MODULES = (*families.MODULES, "fake_detector")
    (folder / "fake").mkdir()
    config = fake_detector.write_config(folder / "fake", write(folder / "fake" / "records"))
    weighing = Weighing()
    options = {"num_steps": EVALUATIONS, "eval_every": 1, "checkpoint_every": EVALUATIONS, "seed": 1}
    train(config, folder / "evaluated", callbacks=[weighing], **options)
    before, after = weighing.megabytes[WARM_UP - 1], weighing.megabytes[-1]
    return {"evaluations": len(weighing.megabytes), "before": before, "after": after, "traces": weighing.traces,
            "megabytes": [round(each) for each in weighing.megabytes[::10]]}  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
