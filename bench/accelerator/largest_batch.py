"""The largest batch that `odtk train --batch-size auto` finds, at the first side."""

from pathlib import Path

import tensorflow as tf

from bench.accelerator import input_rate, models
from bench.accelerator.sizes import Sizes
from odtk.training.fitting import Trials, round_sizes
from odtk.training.step_memory import build_step_memory
from odtk.training.task import DetectionTask
from odtk.training.trial_steps import TrialSteps


def measure(sizes: Sizes, folder: Path, precision: str) -> dict:
    """By trial steps, each of which is in `said` with its peak memory in GiB."""
    precision, most = models.precision_of(precision), sizes.most_images
    config = models.config_of(sizes, sizes.sides[0], most)
    input_rate.read_pets(config, input_rate.pets(sizes, folder))
    memory = build_step_memory([models.device()])
    steps = TrialSteps(lambda: DetectionTask(config, precision=precision), tf.distribute.get_strategy(), memory)
    trials = Trials(steps, memory.limit, memory.may_fail)
    batch = trials.largest(round_sizes(most))
    gigabytes = {images: None if peak is None else round(peak / 2**30, 2) for images, peak in trials.peaks.items()}
    return {
        "side": sizes.sides[0],
        "precision": precision,
        "batch": batch,
        "limit_bytes": memory.limit,
        "peak_bytes": trials.peaks,
        "said": f"peak in GiB by images: {gigabytes}",
    }
