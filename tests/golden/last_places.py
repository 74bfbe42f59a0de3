"""Weights that are changed in their last place: what that moves, rounding decides."""

import contextlib
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from odtk.detectors.detector import Detector

LAST_PLACE = 1e-7


def change(variables: Iterable[tf.Variable], seed: int) -> None:
    """Changes all by about one unit in the last place; with seed 0 nothing."""
    random = np.random.default_rng(seed)
    for variable in variables if seed else ():
        noise = random.standard_normal(variable.shape).astype(np.float32)
        variable.assign(variable * (1 + LAST_PLACE * noise))


@contextlib.contextmanager
def changed(detector: Detector, seed: int) -> Iterator[None]:
    """The detector's variables while they are changed; they are put back."""
    variables = list(detector.checkpoint_variables().values())
    kept = [variable.numpy() for variable in variables]
    change(variables, seed)
    try:
        yield
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)
