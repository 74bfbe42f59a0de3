"""The losses of three training steps from weights of a formula, to be compared with the CPU's."""

from pathlib import Path

import tensorflow as tf

from bench.accelerator import models
from bench.accelerator.sizes import Sizes

STEPS = 3


def measure(sizes: Sizes, folder: Path, precision: str) -> dict:
    """Losses of each step by name, on the small side."""
    precision, side = models.precision_of(precision), sizes.sides[1]
    trainer = models.memory_trainer(models.config_of(sizes, side, sizes.loss_batch), precision)
    steps = [trainer.train(tf.constant(1)) for _ in range(STEPS)]
    found = {name: [float(step[name]) for step in steps] for name in steps[0] if name.startswith("Loss/")}
    return {"side": side, "batch": sizes.loss_batch, "precision": precision, "losses": found}
