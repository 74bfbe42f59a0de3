"""Small Faster R-CNNs against TFOD's numbers, those of the reference (tests/golden/families)."""

from types import SimpleNamespace

import golden_runs
import golden_training
import numpy as np
import pytest
import tensorflow as tf
from golden_cases import GOLDEN, same_detections

FAMILIES = sorted(path.stem for path in (GOLDEN / "families").glob("faster_rcnn*.config"))
# What the others have, too, and three steps of training instead of one; about ten seconds each.
QUICK = {"faster_rcnn-first_stage", "faster_rcnn_fpn-static"}
# Fewer anchors are drawn than there are in inference, so that the loss of the others is a draw of TFOD's.
DRAWN = {"faster_rcnn_fpn-base": ("Loss/RPNLoss/objectness_loss", 2e-2)}


@pytest.fixture(scope="module")
def family(request) -> SimpleNamespace:
    """One of the goldens, and everything the detector computes of its batch in inference."""
    run = golden_runs.computed(golden_runs.of_reference(request.param))
    return SimpleNamespace(**vars(run), name=request.param)


def assert_same_maps(ours: list, golden: dict, name: str) -> None:
    """Their shapes, means and deviations."""
    assert [tuple(each.shape) for each in ours] == [tuple(shape) for shape in golden[f"{name}_shapes"]]
    values = [np.asarray(each, np.float64) for each in ours]
    np.testing.assert_allclose([x.mean() for x in values], golden[f"{name}_mean"], rtol=0, atol=1e-3)
    np.testing.assert_allclose([x.std() for x in values], golden[f"{name}_std"], rtol=0, atol=1e-3)


def assert_same_first_stage(run: SimpleNamespace) -> None:
    """Images, maps, anchors, box encodings and objectness."""
    golden, predictions, stride = run.golden, run.predictions, int(run.golden["stride"])
    np.testing.assert_array_equal(run.shapes, golden["true_image_shapes"])
    np.testing.assert_array_equal(run.preprocessed[:, :4, :4], golden["preprocessed_corner"])
    assert_same_maps(predictions["features_to_crop"], golden, "features_to_crop")
    assert_same_maps(predictions["rpn_features"], golden, "rpn_features")
    assert len(predictions["anchors"]) == golden["anchor_count"]
    np.testing.assert_allclose(predictions["anchors"][::stride], golden["anchors"], rtol=0, atol=1e-4)
    for name in ("rpn_box_encodings", "rpn_objectness"):
        np.testing.assert_allclose(predictions[name][:, ::stride], golden[name], rtol=0, atol=1e-3, err_msg=name)


def assert_same_second_stage(run: SimpleNamespace, detections: dict) -> None:
    """Proposals, what is predicted for them, and the outputs that TFOD's exported models have beside detections."""
    golden, predictions = run.golden, run.predictions
    np.testing.assert_array_equal(predictions["num_proposals"], golden["num_proposals"])
    np.testing.assert_allclose(predictions["proposal_boxes"], golden["proposal_boxes"], rtol=0, atol=1e-2)
    assert_same_maps([predictions["box_classifier_features"]], golden, "box_classifier_features")
    for ours, theirs in (
        ("refined_box_encodings", "refined_box_encodings"),
        ("class_logits", "class_predictions_with_background"),
    ):
        found = tf.reshape(predictions[ours], golden[theirs].shape)
        np.testing.assert_allclose(found, golden[theirs], rtol=0, atol=1e-3, err_msg=ours)
    for name in ("raw_detection_boxes", "raw_detection_scores"):
        np.testing.assert_allclose(detections[name], golden[f"post_{name}"], rtol=0, atol=1e-3, err_msg=name)


def assert_same_losses(run: SimpleNamespace, groundtruth: dict, part: str) -> None:
    """Those of inference."""
    for tag, loss in run.detector.losses(run.predictions, groundtruth, run.shapes).items():
        drawn, tolerance = DRAWN.get(run.name, ("", 0))
        expected = float(run.golden[f"{part}_{tag.replace('/', '_')}"])
        assert float(loss) == pytest.approx(expected, rel=tolerance if tag == drawn else 1e-4), tag


@pytest.mark.parametrize("family", golden_runs.params(FAMILIES, QUICK), indirect=True)
@pytest.mark.parity(
    what="Faster R-CNN: keys of the checkpoint, anchors, proposals, predictions of both stages, detections, raw "
    "detections, inference losses, proposals that are trained on, three training steps",
    against="families/faster_rcnn-*, families/faster_rcnn_fpn-*",
    tolerance="keys exact, anchors 1e-4 pixels, proposals 1e-2 pixels, predictions 1e-3, the same detections, "
    "inference losses 1e-4 relative, training losses 1e-3, 5e-3 and 5e-2 relative, norm of the gradient 2 %",
)
def test_the_references_goldens(family):
    golden, detector = family.golden, family.detector
    assert_same_first_stage(family)
    detections = detector.postprocess(family.predictions, family.shapes)
    if "proposal_boxes" in golden:
        assert_same_second_stage(family, detections)
    expected = {name: golden[name] for name in golden if name.startswith(("detection_", "num_detections"))}
    places = same_detections(detections, {"detection_classes": np.zeros_like(golden["detection_scores"])} | expected)
    for name in ("detection_multiclass_scores", "detection_anchor_indices"):
        if name in golden:
            ours = np.take_along_axis(np.asarray(detections[name]).reshape(*places.shape, -1), places[..., None], 1)
            np.testing.assert_allclose(ours, golden[name].reshape(ours.shape), rtol=0, atol=1e-3, err_msg=name)
    assert_same_losses(family, family.groundtruth, "infer")
    if "near_boxes" in golden:
        shape = golden["near_classes"].shape
        near = {"boxes": tf.constant(golden["near_boxes"]), "classes": tf.constant(golden["near_classes"])}
        counts = {"weights": tf.ones(shape), "num_boxes": tf.fill(shape[:1], shape[1])}
        assert_same_losses(family, near | counts, "near")
    assert_same_training(family)


def assert_same_training(run: SimpleNamespace) -> None:
    """Which anchors and proposals count, the losses, and the gradient of the first step."""
    golden, tolerances = run.golden, [1e-3] if run.name in QUICK else [1e-3, 5e-3, 5e-2]
    predictions = golden_training.assert_same_steps(run, run.case.training_losses(), tolerances)
    assert np.asarray(predictions["anchors_used"]).sum() == golden["train_anchor_count"]
    if "train_num_proposals" in golden:
        np.testing.assert_array_equal(predictions["num_proposals"], golden["train_num_proposals"])
