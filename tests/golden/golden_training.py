"""A golden's training steps as a detector computes them, compared with TFOD's on either kind of processor.

Where the forward pass rounds as the goldens' machine did (oneDNN's kernels on a CPU with AVX-512), TFOD's losses of
three steps and its first gradient are repeated closely. On other x86 CPUs TFOD itself gives other numbers, because
batch norms over few pixels magnify rounding and proposals change by jumps. odtk then gives those, which
from_tfod/avx2.npz has: one of the two has to agree in all values.
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from golden_cases import GOLDEN

from odtk.detectors.total_loss import TOTAL_LOSS, total_losses
from odtk.training.optimizer import build_optimizer

with np.load(GOLDEN / "from_tfod/avx2.npz") as file:
    AVX2 = dict(file)
OF_NORM = 2e-2
"""The relative tolerance of the gradient's norm."""
NORM, PROPOSALS = "train_gradient_norm", "train_proposal_boxes"

Numbers = Mapping[str, np.ndarray]


class Trained(NamedTuple):
    """The losses of each step, and of the first one the norm of the gradient and what was predicted."""

    rows: list[dict[str, float]]
    norm: float
    predictions: dict


def losses_without_avx512(key: str) -> dict[str, np.ndarray]:
    """TFOD's losses by tag at each step on a CPU without AVX-512, by the key of a model in avx2.npz."""
    prefix = f"{key}/losses/"
    return {name.removeprefix(prefix): AVX2[name] for name in AVX2 if name.startswith(prefix)}


def train(run: SimpleNamespace, steps: int, images=None) -> Trained:
    """Some steps with the run's groundtruth; `images` if not those of the inference."""
    detector, rows, first = run.detector, [], ()
    optimizer = build_optimizer(run.case.config.train_config.optimizer)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            fed = run.preprocessed if images is None else images
            predictions = detector.predict(fed, run.shapes, True, run.groundtruth)
            losses = total_losses(detector, predictions, run.groundtruth, run.shapes)
        gradients = tape.gradient(losses[TOTAL_LOSS], detector.trainable_variables)
        first = first or (float(tf.linalg.global_norm(gradients)), predictions)
        optimizer.apply_gradients(zip(gradients, detector.trainable_variables, strict=True))
        rows.append({tag: float(loss) for tag, loss in losses.items()})
    return Trained(rows, *first)


def assert_same_steps(run: SimpleNamespace, losses: Numbers, tolerances: Sequence[float], images=None) -> dict:
    """The losses of each step that has a (relative) tolerance, and of the first the norm of its gradient and proposals.

    Returns what the first step predicted.
    """
    trained = train(run, len(tolerances), images)
    assert set(trained.rows[0]) == set(losses)
    found = {tag: np.array([row[tag] for row in trained.rows]) for tag in losses} | {NORM: np.array(trained.norm)}
    if PROPOSALS in run.golden:
        found[PROPOSALS] = np.asarray(trained.predictions["proposal_boxes"])
    assert_tfods(run.key, found, {**losses, NORM: run.golden[NORM], PROPOSALS: run.golden.get(PROPOSALS)}, tolerances)
    return trained.predictions


def assert_same_first_step(run: SimpleNamespace, images=None) -> dict:
    """All losses of the first step of training, the norm of its gradient, and its proposals; see assert_same_steps."""
    losses = {tag: np.atleast_1d(value) for tag, value in run.golden.items() if tag.startswith("Loss/")}
    return assert_same_steps(run, losses, [1e-3], images)


def assert_tfods(key: str, found: Numbers, golden: Mapping, tolerances: Sequence[float]) -> None:
    """All that was found is the golden's or, where there is such, what TFOD gives on a CPU without AVX-512."""
    far = _far(found, golden, tolerances)
    prefix = f"{key}/"
    other = {name.removeprefix(prefix).removeprefix("losses/"): AVX2[name] for name in AVX2 if name.startswith(prefix)}
    if far and other:
        of_other = _far(found, other, tolerances)
        assert not of_other, f"neither TFOD's numbers with AVX-512, {far}, nor those without, {of_other}"
    else:
        assert not far, far


def _far(found: Numbers, golden: Mapping, tolerances: Sequence[float]) -> dict[str, tuple]:
    """What is not the golden's, by name, beside the golden's."""
    return {name: (values, golden[name]) for name, values in found.items()
            if not _agree(name, values, golden[name], tolerances)}  # fmt: skip


def _agree(name: str, found: np.ndarray, golden: np.ndarray, tolerances: Sequence[float]) -> bool:
    if name == PROPOSALS:
        return np.allclose(found, golden, rtol=0, atol=1e-2)
    if name == NORM:
        return np.allclose(found, golden, rtol=OF_NORM)
    return bool(np.isclose(found, golden[: len(tolerances)], rtol=tolerances, atol=1e-12).all())
