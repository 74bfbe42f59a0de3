"""The losses of training steps from weights of a formula, to be compared with the CPU's."""

from pathlib import Path

import tensorflow as tf

from bench.accelerator import models
from bench.accelerator.sizes import Sizes
from odtk.training.task import GRADIENT_NORM

STEPS = 3


def measure(sizes: Sizes, folder: Path, precision: str) -> dict:
    """Losses and the gradients' norm by name, on the small side, with frozen batch norms of STEPS steps.

    With norms by the batch of 2 images, of the first step's forward pass alone: with these weights 1e-6 of noise in the
    images moves the gradients' norm by 5e-3 and the losses after an update by 5e-2, so later ones would prove nothing.
    """
    precision = models.precision_of(precision)
    frozen, live = (_steps(sizes, precision, is_frozen) for is_frozen in (True, False))
    first = {f"{name}, norms by the batch": values[:1] for name, values in live.items() if name != GRADIENT_NORM}
    return {"side": sizes.sides[1], "batch": sizes.loss_batch, "precision": precision, "losses": frozen | first}


def _steps(sizes: Sizes, precision: str, is_frozen: bool) -> dict[str, list[float]]:
    config = models.config_of(sizes, sizes.sides[1], sizes.loss_batch)
    config.model.ssd.freeze_batchnorm = is_frozen
    trainer = models.memory_trainer(config, precision)
    steps = [trainer.train(tf.constant(1)) for _ in range(STEPS if is_frozen else 1)]
    names = [name for name in steps[0] if name.startswith("Loss/") or name == GRADIENT_NORM]
    return {name: [float(step[name]) for step in steps] for name in names}
