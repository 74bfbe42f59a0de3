"""Small networks with one option changed in each, against TFOD's numbers for it (tests/golden/variants)."""

from types import SimpleNamespace

import numpy as np
import pytest
from golden_cases import VARIANTS, same_detections, variant_case

from odtk.detectors.build import build_detector
from odtk.errors import ConfigError

_NMS = "model.ssd.post_processing.batch_non_max_suppression"
REFUSED = {
    "class_agnostic_nms": [f"{_NMS}.use_class_agnostic_nms"],
    "explicit_background": ["model.ssd.explicit_background_class", "model.ssd.add_background_class"],
    "hard_example_miner": ["model.ssd.loss.hard_example_miner"],
    "static_shapes_nms": [f"{_NMS}.use_static_shapes", f"{_NMS}.use_hard_nms"],
}
BUILT = [name for name in VARIANTS if name not in REFUSED]
# Dropout's training losses are random, so the golden has none.
TRAINED = [name for name in BUILT if name != "dropout"]

LOSSES = ["Loss/localization_loss", "Loss/classification_loss"]


@pytest.fixture(scope="module")
def variant(request) -> SimpleNamespace:
    """A golden and everything the detector computes of its batch, in inference and then for one training step."""
    case = variant_case(request.param)
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    images, shapes = case.images(detector.resize)
    groundtruth = case.groundtruth()
    preprocessed = detector.preprocess(images)
    predictions = detector.predict_batch(preprocessed)
    return SimpleNamespace(
        case=case,
        golden=case.arrays,
        true_image_shapes=shapes,
        preprocessed=preprocessed,
        predictions=predictions,
        losses=detector.loss(predictions, groundtruth),
        detections=detector.postprocess(predictions, shapes),
        regularization_loss=float(detector.regularization_loss()),
        training_losses=detector.loss(detector.predict_batch(preprocessed, training=True), groundtruth),
    )


def test_every_variant_has_its_place():
    assert set(VARIANTS) == set(BUILT) | set(REFUSED)
    assert {name for name in BUILT if variant_case(name).training_losses()} == set(TRAINED)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_implemented_is_refused_by_name(name):
    with pytest.raises(ConfigError) as error:
        build_detector(variant_case(name).config)
    for field in REFUSED[name]:
        assert field in str(error.value)


@pytest.mark.parametrize("variant", BUILT, indirect=True)
def test_frame(variant):
    np.testing.assert_array_equal(variant.true_image_shapes, variant.golden["true_image_shapes"])
    np.testing.assert_array_equal(variant.preprocessed.shape, variant.golden["preprocessed_shape"])


@pytest.mark.parametrize("variant", BUILT, indirect=True)
def test_anchors(variant):
    anchors = variant.predictions["anchors"]
    assert len(anchors) == variant.golden["anchor_count"]
    np.testing.assert_allclose(anchors[:: int(variant.golden["stride"])], variant.golden["anchors"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("variant", BUILT, indirect=True)
def test_predictions(variant):
    stride = int(variant.golden["stride"])
    for name in ("box_encodings", "class_logits"):
        ours = variant.predictions[name][:, ::stride]
        np.testing.assert_allclose(ours, variant.golden[name], rtol=0, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("variant", BUILT, indirect=True)
def test_losses(variant):
    for tag in LOSSES:
        golden = float(variant.golden[f"infer_{tag.replace('/', '_')}"])
        assert float(variant.losses[tag]) == pytest.approx(golden, rel=1e-4), tag


@pytest.mark.parametrize("variant", BUILT, indirect=True)
def test_detections(variant):
    same_detections(variant.detections, variant.golden)


@pytest.mark.parametrize("variant", TRAINED, indirect=True)
def test_regularization_loss(variant):
    golden = variant.case.training_losses()["Loss/regularization_loss"][0]
    assert variant.regularization_loss == pytest.approx(golden, rel=1e-4)


@pytest.mark.parametrize("variant", TRAINED, indirect=True)
def test_training_losses_of_the_first_step(variant):
    for tag in LOSSES:
        golden = variant.case.training_losses()[tag][0]
        assert float(variant.training_losses[tag]) == pytest.approx(golden, rel=1e-3), tag
