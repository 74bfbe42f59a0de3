"""Faster R-CNN with options that no golden of the reference has, and training in which boxes are learned.

tests/golden/from_tfod/faster_rcnn.py and faster_rcnn_inception.py made the answers with TFOD's own code.
"""

from types import SimpleNamespace

import golden_runs
import golden_training
import numpy as np
import pytest
import tensorflow as tf
from golden_cases import GOLDEN, family_case, same_detections

from odtk.detectors.build import build_detector
from odtk.detectors.faster_rcnn import first_stage
from odtk.detectors.total_loss import TOTAL_LOSS, total_losses
from odtk.training.optimizer import build_optimizer

FROM_TFOD: dict = {}
for name in ("faster_rcnn", "faster_rcnn_fpn", "faster_rcnn_inception"):
    with np.load(GOLDEN / f"from_tfod/{name}.npz") as file:
        FROM_TFOD |= {f"{name}/{case}": dict(file) for case in file["names"].tolist()}
WITH_GRAPH = [name for name, answers in FROM_TFOD.items() if f"{name.split('/')[1]}/graph" in answers]
# What the others have, other cases have, too; about ten seconds each.
QUICK = {"faster_rcnn/focal loss, batch norms of the heads"}


@pytest.fixture(scope="module")
def case(request) -> SimpleNamespace:
    """One of TFOD's own answers, and everything the detector computes of its batch in inference."""
    answers = FROM_TFOD[request.param]
    return computed(golden_runs.of_tfod(answers, request.param.split("/")[1]))


def computed(built: golden_runs.Built) -> SimpleNamespace:
    """With the groundtruth beside proposals of training."""
    return golden_runs.computed(built, near(built.golden))


def near(golden: dict) -> dict[str, tf.Tensor]:
    """The groundtruth beside proposals of training."""
    shape = golden["near_classes"].shape
    return {
        "boxes": tf.constant(golden["near_boxes"]),
        "classes": tf.constant(golden["near_classes"]),
        "weights": tf.ones(shape),
        "num_boxes": tf.fill(shape[:1], shape[1]),
    }


@pytest.mark.parametrize("case", golden_runs.params(FROM_TFOD, QUICK), indirect=True)
@pytest.mark.parity(
    what="Faster R-CNN with padded and odd sides, other levels, shared boxes, class-agnostic, soft and combined "
    "suppression, other losses, mining, batch norms of the heads, features of detections, raw boxes while it predicts, "
    "and with Inception ResNet v2: predictions, detections, and a training step with groundtruth beside the proposals",
    against="from_tfod/faster_rcnn.npz, from_tfod/faster_rcnn_fpn.npz, from_tfod/faster_rcnn_inception.npz",
    tolerance="anchors 1e-4 pixels, proposals 1e-2 pixels, predictions 1e-3, the same detections, losses 1e-3 "
    "relative, norm of the gradient 2 %",
)
def test_what_the_reference_does_not_cover(case):
    assert_same_predictions(case)
    assert_same_outputs(case)
    assert_same_step(case)
    assert np.asarray(case.golden["Loss/BoxClassifierLoss/localization_loss"]) > 0.1


def assert_same_step(case: SimpleNamespace) -> None:
    """The first one of training."""
    golden, predictions = case.golden, golden_training.assert_same_first_step(case)
    assert np.asarray(predictions["anchors_used"]).sum() == golden["train_anchor_count"]
    np.testing.assert_array_equal(predictions["num_proposals"], golden["train_num_proposals"])


def assert_same_predictions(case: SimpleNamespace) -> None:
    """Of both stages."""
    golden, predictions, stride = case.golden, case.predictions, int(case.golden["stride"])
    np.testing.assert_array_equal(case.shapes, golden["true_image_shapes"])
    golden_runs.assert_same_corners(case)
    shapes = [tuple(each.shape) for each in predictions["features_to_crop"]]
    assert shapes == [tuple(shape) for shape in golden["map_shapes"]]
    assert len(predictions["anchors"]) == golden["anchor_count"]
    np.testing.assert_allclose(predictions["anchors"][::stride], golden["anchors"], rtol=0, atol=1e-4)
    for name in ("rpn_box_encodings", "rpn_objectness"):
        np.testing.assert_allclose(predictions[name][:, ::stride], golden[name], rtol=0, atol=1e-3, err_msg=name)
    np.testing.assert_array_equal(predictions["num_proposals"], golden["num_proposals"])
    np.testing.assert_allclose(predictions["proposal_boxes"], golden["proposal_boxes"], rtol=0, atol=1e-2)
    for ours, theirs in (
        ("refined_box_encodings", "refined_box_encodings"),
        ("class_logits", "class_predictions_with_background"),
    ):
        found = tf.reshape(predictions[ours], golden[theirs].shape)
        np.testing.assert_allclose(found, golden[theirs], rtol=0, atol=1e-3, err_msg=ours)
    assert ("predicted_raw_boxes" in golden) == ("raw_detection_boxes" in predictions)
    if "predicted_raw_boxes" in golden:
        np.testing.assert_allclose(predictions["raw_detection_boxes"], golden["predicted_raw_boxes"], atol=1e-3)


def assert_same_outputs(case: SimpleNamespace) -> None:
    """All that TFOD's exported model would give."""
    found = case.detector.postprocess(case.predictions, case.shapes)
    golden = {name.removeprefix("post_"): part for name, part in case.golden.items() if name.startswith("post_")}
    assert set(found) == set(golden)
    same_detections(found, golden)
    for name in ("raw_detection_boxes", "raw_detection_scores"):
        np.testing.assert_allclose(found[name], golden[name], rtol=0, atol=1e-3, err_msg=name)
    for name in {"detection_features", "cropped_rpn_box_features"} & set(golden):
        np.testing.assert_allclose(found[name][:, ::7, ..., ::97], golden[name], rtol=0, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("case", golden_runs.params(WITH_GRAPH, QUICK), indirect=True)
@pytest.mark.parity(
    what="Faster R-CNN: every object of a checkpoint",
    against="from_tfod/faster_rcnn.npz, from_tfod/faster_rcnn_fpn.npz, from_tfod/faster_rcnn_inception.npz",
    tolerance="exact",
)
def test_a_checkpoint_has_tfods_objects(case, tmp_path):
    golden_runs.assert_tfods_objects(case.detector, case.golden["graph"], tmp_path)


@pytest.mark.slow
@pytest.mark.parity(
    what="Faster R-CNN with static shapes, where fewer proposals remain than are trained on: a training step",
    against="from_tfod/faster_rcnn_short_sample.npz",
    tolerance="proposals 1e-2 pixels, losses 1e-3 relative, norm of the gradient 2 %",
)
def test_a_sample_that_is_too_small_repeats_the_best_proposal():
    golden = dict(np.load(GOLDEN / "from_tfod/faster_rcnn_short_sample.npz"))
    case = computed(golden_runs.of_answers(golden))
    assert_same_step(case)
    np.testing.assert_array_equal(golden["train_proposal_boxes"][:, -1], golden["train_proposal_boxes"][:, -2])


@pytest.mark.slow
@pytest.mark.parity(
    what="Faster R-CNN with Inception ResNet v2, one stage, stride 8: maps, anchors, predictions, detections, every "
    "object of a checkpoint",
    against="from_tfod/faster_rcnn_inception_one_stage.npz",
    tolerance="anchors 1e-4 pixels, predictions 1e-3, the same detections, objects exact",
)
def test_inception_resnet_with_stride_8(tmp_path):
    answers = dict(np.load(GOLDEN / "from_tfod/faster_rcnn_inception_one_stage.npz"))
    golden = {part.split("/")[1]: value for part, value in answers.items() if "/" in part}
    case = golden_runs.computed(golden_runs.of_answers(golden))
    (found,), stride = case.predictions["features_to_crop"], int(golden["stride"])
    assert tuple(found.shape) == tuple(golden["map_shapes"][0])
    assert float(np.asarray(found, np.float64).mean()) == pytest.approx(float(golden["map_means"][0]), rel=1e-4)
    assert len(case.predictions["anchors"]) == golden["anchor_count"]
    np.testing.assert_allclose(case.predictions["anchors"][::stride], golden["anchors"], rtol=0, atol=1e-4)
    for name in ("rpn_box_encodings", "rpn_objectness"):
        np.testing.assert_allclose(case.predictions[name][:, ::stride], golden[name], rtol=0, atol=1e-3, err_msg=name)
    expected = {name.removeprefix("post_"): value for name, value in golden.items() if name.startswith("post_")}
    classes = {"detection_classes": np.zeros_like(expected["detection_scores"])}
    same_detections(case.detector.postprocess(case.predictions, case.shapes), classes | expected)
    golden_runs.assert_tfods_objects(case.detector, case.golden["graph"], tmp_path)


DOUBLE = dict(np.load(GOLDEN / "from_tfod/faster_rcnn_double.npz"))


@pytest.mark.slow
@pytest.mark.parametrize("name", DOUBLE["names"].tolist())
@pytest.mark.parity(
    what="Faster R-CNN: three training steps in double precision, with groundtruth beside the proposals, and what "
    "changed in every variable",
    against="from_tfod/faster_rcnn_double.npz",
    tolerance="losses 1e-4 relative (TFOD crops in single precision), norms of the changes 1e-3 relative",
)
def test_training_in_double_precision(name, double_precision, monkeypatch):
    golden = {part.removeprefix(f"{name}/"): value for part, value in DOUBLE.items() if part.startswith(f"{name}/")}
    case = family_case(name)
    detector = in_double(build_detector(case.config), monkeypatch)
    variables = detector.checkpoint_variables()
    assert {variable.dtype for variable in variables.values()} == {tf.float64}
    case.assign_weights(variables)
    before = {key: variable.numpy() for key, variable in variables.items()}
    optimizer, tags = build_optimizer(case.config.train_config.optimizer), golden["tags"].tolist()
    images, shapes = case.images(detector.resize)
    preprocessed = detector.preprocess(images, shapes)
    for step, expected in enumerate(golden["losses"]):
        with tf.GradientTape() as tape:
            predictions = detector.predict(preprocessed, shapes, True, near(golden))
            losses = total_losses(detector, predictions, near(golden), shapes)
        gradients = tape.gradient(losses[TOTAL_LOSS], detector.trainable_variables)
        optimizer.apply_gradients(zip(gradients, detector.trainable_variables, strict=True))
        found = [float(losses[tag]) for tag in tags]
        np.testing.assert_allclose(found, expected, rtol=1e-4, err_msg=f"step {step}")
    changes = np.sort([np.linalg.norm(variables[key].numpy() - value) for key, value in before.items()])
    np.testing.assert_allclose(changes, golden["changes"], rtol=1e-3)


def in_double(detector, monkeypatch):
    """The network in float64, what follows it in float32, as TFOD casts it; targets without their last places."""
    network, penalty, encode = detector.network, detector.regularization_loss, first_stage.CODER.encode

    def in_single(stage):
        def run(*arguments):
            first, *predicted = stage(*arguments)
            return first, *(tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), part) for part in predicted)

        return run

    network.first_stage, network.second_stage = in_single(network.first_stage), in_single(network.second_stage)
    detector.regularization_loss = lambda: tf.cast(penalty(), tf.float32)
    monkeypatch.setattr(type(first_stage.CODER), "encode", lambda self, *boxes: tf.round(encode(*boxes) * 4096) / 4096)
    return detector
