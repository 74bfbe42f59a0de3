"""Losses with `random_example_sampler` against TFOD's, at shares of positives at which chance has no say."""

import copy
import json

import pytest
import tensorflow as tf
from golden_cases import GOLDEN, variant_case

from odtk.detectors.build import build_detector

# Here detectors differ in how losses are computed.
pytestmark = pytest.mark.usefixtures("shared_backbones")

TFOD = json.loads((GOLDEN / "from_tfod/sampling.json").read_text())["losses"]


@pytest.mark.parametrize(
    "variant",
    # Five seconds each; the two that are not slow have what the others have.
    [
        name if name in ("base", "explicit_background, not as zeros") else pytest.param(name, marks=pytest.mark.slow)
        for name in dict.fromkeys(row["variant"] for row in TFOD)
    ],
)
@pytest.mark.parity(
    what="losses where negatives are sampled: no, added and explicit background, an image without boxes",
    against="from_tfod/sampling.json",
    tolerance="1e-4 relative",
)
def test_losses_are_tfods(variant):
    name, *not_as_zeros = variant.split(", ")
    case = variant_case(name)
    predictions, detectors = None, {}
    for row in (row for row in TFOD if row["variant"] == variant):
        fraction = row["fraction"]
        if fraction not in detectors:
            detectors[fraction] = build_detector(with_sampling(case.config, fraction, not not_as_zeros))
        detector = detectors[fraction]
        if predictions is None:
            case.assign_weights(detector.checkpoint_variables())
            images, _ = case.images(detector.resize)
            predictions = detector.predict(detector.preprocess(images, None), None)
        groundtruth = case.groundtruth()
        if row["boxes"] == "first image":
            groundtruth["num_boxes"] *= tf.constant([1, 0])
        losses = detector.losses(predictions, groundtruth, None)
        for tag in ("localization", "classification"):
            assert float(losses[f"Loss/{tag}_loss"]) == pytest.approx(row[tag], rel=1e-4), (row, tag)


def with_sampling(config, fraction: float | None, background_as_zeros: bool):
    """The config with this share of positives, None for what it has; and without background as zeros where asked."""
    config = copy.deepcopy(config)
    if not background_as_zeros:
        config.model.ssd.encode_background_as_zeros = False
    if fraction is not None:
        config.model.ssd.loss.random_example_sampler.positive_sample_fraction = fraction
    return config
