"""Small EfficientDets against TFOD's numbers.

Five from the reference (tests/golden/families), and what these do not cover (tests/golden/from_tfod/efficientdet.py).
"""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import GOLDEN, family_case, same_detections

from odtk.detectors.build import build_detector
from odtk.layers.efficientnet import StochasticDepth, preprocess
from odtk.training.optimizer import build_optimizer

FAMILIES = sorted(path.stem for path in (GOLDEN / "families").glob("efficientdet-*.config"))
# Ten to twenty seconds each; of what the remaining one lacks, the small ones below have the most.
SLOW = {"efficientdet-d0", "efficientdet-d1", "efficientdet-d0_sum", "efficientdet-d0_attention"}
LOSSES = ["Loss/localization_loss", "Loss/classification_loss"]
REGULARIZATION = "Loss/regularization_loss"


def params(names: list[str]) -> list:
    """Each as a parameter, those in SLOW marked so."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in names]


@pytest.fixture(scope="module")
def family(request) -> SimpleNamespace:
    """One of the reference's goldens, and everything the detector computes of its batch in inference."""
    case = family_case(request.param)
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    return computed(case, detector, case.arrays)


def computed(case, detector, golden) -> SimpleNamespace:
    """In inference."""
    images, shapes = case.images(detector.resize)
    preprocessed = detector.preprocess(images, shapes)
    predictions = detector.predict(preprocessed, shapes)
    losses = detector.losses(predictions, case.groundtruth(), shapes)
    return SimpleNamespace(
        case=case,
        detector=detector,
        golden=golden,
        shapes=shapes,
        preprocessed=preprocessed,
        predictions=predictions,
        losses={tag: float(loss) for tag, loss in losses.items()},
    )


def train(case, detector, steps: int) -> tuple[list[dict[str, float]], float]:
    """The losses of some steps without stochastic depth, and the norm of the first one's gradient."""
    for layer in detector.network.backbone.maps.layers:
        if isinstance(layer, StochasticDepth):
            layer.rate = 0.0
    images, shapes, groundtruth = case.preprocessed(preprocess), case.images(detector.resize)[1], case.groundtruth()
    optimizer, rows, norm = build_optimizer(case.config.train_config.optimizer), [], None
    for _ in range(steps):
        with tf.GradientTape() as tape:
            losses = detector.losses(detector.predict(images, shapes, training=True), groundtruth, shapes)
            losses[REGULARIZATION] = detector.regularization_loss()
            losses["Loss/total_loss"] = tf.add_n(list(losses.values()))
        gradients = tape.gradient(losses["Loss/total_loss"], detector.trainable_variables)
        norm = float(tf.linalg.global_norm(gradients)) if norm is None else norm
        optimizer.apply_gradients(zip(gradients, detector.trainable_variables, strict=True))
        rows.append({tag: float(loss) for tag, loss in losses.items()})
    return rows, norm


def assert_same_predictions(run: SimpleNamespace) -> None:
    """Images, feature maps, anchors, box encodings and logits."""
    golden, predictions = run.golden, run.predictions
    np.testing.assert_array_equal(run.shapes, golden["true_image_shapes"])
    assert [tuple(m.shape) for m in predictions["feature_maps"]] == [tuple(m) for m in golden["feature_map_shapes"]]
    assert len(predictions["anchors"]) == golden["anchor_count"]
    stride = int(golden["stride"])
    np.testing.assert_allclose(predictions["anchors"][::stride], golden["anchors"], rtol=0, atol=1e-6)
    for name in ("box_encodings", "class_logits"):
        ours = predictions[name][:, ::stride]
        np.testing.assert_allclose(ours, golden[name], rtol=0, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("family", params(FAMILIES), indirect=True)
@pytest.mark.parity(
    what="EfficientDet: keys of the checkpoint, anchors, box encodings, logits, detections, inference losses and three "
    "training steps without stochastic depth",
    against="families/efficientdet-*",
    tolerance="keys exact, anchors 1e-6, predictions 1e-3, the same detections, inference losses 1e-4 relative, "
    "training losses 1e-3 relative, norm of the gradient 2 %",
)
def test_the_references_efficientdets(family):
    golden, detector = family.golden, family.detector
    assert_same_predictions(family)
    np.testing.assert_allclose(family.preprocessed[:, :4, :4], golden["preprocessed_corner"], atol=1e-5)
    maps = [np.asarray(m, np.float64) for m in family.predictions["feature_maps"]]
    np.testing.assert_allclose([m.mean() for m in maps], golden["feature_map_mean"], rtol=0, atol=1e-3)
    np.testing.assert_allclose([m.std() for m in maps], golden["feature_map_std"], rtol=0, atol=1e-3)
    same_detections(detector.postprocess(family.predictions, family.shapes), golden)
    for tag in LOSSES:
        assert family.losses[tag] == pytest.approx(float(golden[f"infer_{tag.replace('/', '_')}"]), rel=1e-4), tag
    rows, norm = train(family.case, detector, steps=3)
    for tag, values in family.case.training_losses().items():
        np.testing.assert_allclose([row[tag] for row in rows], values, rtol=1e-3, err_msg=tag)
    assert norm == pytest.approx(float(golden["train_gradient_norm"]), rel=2e-2)
