"""Small networks with one option changed in each, against TFOD's numbers for it (tests/golden/variants).

The training steps after the first are in tests/training/test_training_parity.py.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from golden_cases import VARIANTS, same_detections, variant_case

from odtk.detectors.build import build_detector

# Dropout's training losses are random, so the golden has none.
TRAINED = [name for name in VARIANTS if name != "dropout"]

LOSSES = ["Loss/localization_loss", "Loss/classification_loss"]


@pytest.fixture(scope="module")
def variant(request, shared_backbones) -> SimpleNamespace:
    """A golden and everything the detector computes of its batch, in inference and then for one training step."""
    case = variant_case(request.param)
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    images, shapes = case.images(detector.resize)
    groundtruth = case.groundtruth()
    preprocessed = detector.preprocess(images, None)
    predictions = detector.predict(preprocessed, None)
    return SimpleNamespace(
        case=case,
        golden=case.arrays,
        true_image_shapes=shapes,
        preprocessed=preprocessed,
        predictions=predictions,
        losses=detector.losses(predictions, groundtruth, None),
        detections=detector.postprocess(predictions, shapes),
        regularization_loss=float(detector.regularization_loss()),
        training_losses=detector.losses(detector.predict(preprocessed, None, training=True), groundtruth, None),
    )


def test_every_variant_that_has_training_losses_is_trained():
    assert {name for name in VARIANTS if variant_case(name).training_losses()} == set(TRAINED)


@pytest.mark.parametrize("variant", VARIANTS, indirect=True)
def test_frame(variant):
    np.testing.assert_array_equal(variant.true_image_shapes, variant.golden["true_image_shapes"])
    np.testing.assert_array_equal(variant.preprocessed.shape, variant.golden["preprocessed_shape"])


@pytest.mark.parametrize("variant", VARIANTS, indirect=True)
@pytest.mark.parity(what="anchors of 26 variants", against="variants", tolerance="1e-6")
def test_anchors(variant):
    anchors = variant.predictions["anchors"]
    assert len(anchors) == variant.golden["anchor_count"]
    np.testing.assert_allclose(anchors[:: int(variant.golden["stride"])], variant.golden["anchors"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("variant", VARIANTS, indirect=True)
@pytest.mark.parity(what="box encodings and logits of 26 variants", against="variants", tolerance="1e-3")
def test_predictions(variant):
    stride = int(variant.golden["stride"])
    for name in ("box_encodings", "class_logits"):
        ours = variant.predictions[name][:, ::stride]
        np.testing.assert_allclose(ours, variant.golden[name], rtol=0, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("variant", VARIANTS, indirect=True)
@pytest.mark.parity(what="inference losses of 26 variants", against="variants", tolerance="1e-4 relative")
def test_losses(variant):
    for tag in LOSSES:
        golden = float(variant.golden[f"infer_{tag.replace('/', '_')}"])
        assert float(variant.losses[tag]) == pytest.approx(golden, rel=1e-4), tag


@pytest.mark.parametrize("variant", VARIANTS, indirect=True)
@pytest.mark.parity(
    what="detections of 26 variants",
    against="variants",
    tolerance="the same boxes, swaps between scores closer than 1e-4",
)
def test_detections(variant):
    same_detections(variant.detections, variant.golden)


@pytest.mark.parametrize("variant", TRAINED, indirect=True)
def test_regularization_loss(variant):
    golden = variant.case.training_losses()["Loss/regularization_loss"][0]
    assert variant.regularization_loss == pytest.approx(golden, rel=1e-4)


@pytest.mark.parametrize("variant", TRAINED, indirect=True)
@pytest.mark.parity(
    what="losses of the first training step of the variants", against="variants", tolerance="1e-3 relative"
)
def test_training_losses_of_the_first_step(variant):
    for tag in LOSSES:
        golden = variant.case.training_losses()[tag][0]
        assert float(variant.training_losses[tag]) == pytest.approx(golden, rel=1e-3), tag
