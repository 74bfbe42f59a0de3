"""The full SSD-ResNet50-FPN against TFOD's numbers (ssd_resnet50_320.npz), weights read from a TFOD checkpoint."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from golden_cases import resnet50_case, same_detections

from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.restoring import restore
from odtk.detectors.build import build_detector

CASE = resnet50_case()
STRIDE = 13  # the golden keeps every 13th anchor of the large arrays


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return CASE.arrays


@pytest.fixture(scope="module")
def run(tfod_checkpoint) -> SimpleNamespace:
    """Everything the detector computes of the golden's batch, once."""
    detector = build_detector(CASE.config)
    variables = detector.checkpoint_variables()
    report = restore(variables, CheckpointReader(tfod_checkpoint))
    images, shapes = CASE.images(detector.resize)
    preprocessed = detector.preprocess(images, None)
    predictions = detector.predict(preprocessed, None)
    groundtruth = CASE.groundtruth()
    return SimpleNamespace(
        detector=detector,
        variables=variables,
        report=report,
        preprocessed=preprocessed,
        predictions=predictions,
        targets=detector.assign_targets(predictions["anchors"], groundtruth),
        losses=detector.losses(predictions, groundtruth, None),
        detections={name: value.numpy() for name, value in detector.postprocess(predictions, shapes).items()},
    )


def test_checkpoint_fills_every_variable_and_is_used_up(run):
    assert {key: tuple(variable.shape) for key, variable in run.variables.items()} == CASE.shapes
    assert sorted(run.report.restored) == sorted(CASE.shapes)
    assert run.report.skipped == {}
    assert run.report.unused == []


def test_every_variable_of_the_network_has_a_key(run):
    assert {id(v) for v in run.variables.values()} == {id(v) for v in run.detector.network.variables}


@pytest.mark.parity(what="backbone layer numbers", against="ssd_resnet50_backbone_layers.json", tolerance="exact")
def test_backbone_layers_are_numbered_as_in_tfod(run, golden_dir):
    names = json.loads((golden_dir / "ssd_resnet50_backbone_layers.json").read_text())
    ours = [layer.name for layer in run.detector.network.backbone.layers if layer.weights]
    assert {f"layer_with_weights-{index}": name for index, name in enumerate(ours)} == names


def test_what_is_trained(run, golden):
    trained = {id(variable) for variable in run.detector.trainable_variables}
    keys = {key for key, variable in run.variables.items() if id(variable) in trained}
    assert keys == {key for key in CASE.shapes if "/moving_" not in key}
    # TFOD's count has one scalar more, which is none of the model's: the checkpoint does not hold it.
    assert sum(int(np.prod(CASE.shapes[key])) for key in keys) == golden["trainable_parameters"] - 1


def test_preprocessing(run, golden):
    np.testing.assert_allclose(np.mean(run.preprocessed, axis=(0, 1, 2)), golden["preprocessed_mean"], atol=1e-3)


@pytest.mark.parity(what="feature maps: mean and deviation per level", against="ssd_resnet50_320.npz", tolerance="1e-3")
def test_feature_maps(run, golden):
    maps = [np.asarray(m, np.float64) for m in run.predictions["feature_maps"]]
    assert [m.shape for m in maps] == [(2, side, side, 256) for side in (40, 20, 10, 5, 3)]
    np.testing.assert_allclose([m.mean() for m in maps], golden["feature_map_mean"], rtol=0, atol=1e-3)
    np.testing.assert_allclose([m.std() for m in maps], golden["feature_map_std"], rtol=0, atol=1e-3)


@pytest.mark.parity(what="anchors, 320x320", against="ssd_resnet50_320.npz", tolerance="1e-6")
def test_anchors(run, golden):
    np.testing.assert_allclose(run.predictions["anchors"], golden["anchors"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["box_encodings", "class_logits"])
@pytest.mark.parity(what="box encodings and logits", against="ssd_resnet50_320.npz", tolerance="1e-3")
def test_predictions(run, golden, name):
    np.testing.assert_allclose(run.predictions[name][:, ::STRIDE], golden[name], rtol=0, atol=1e-3)


@pytest.mark.parity(what="matches", against="ssd_resnet50_320.npz", tolerance="exact")
def test_match_is_the_same_anchor_by_anchor(run, golden):
    np.testing.assert_array_equal(run.targets.match, golden["match"])


@pytest.mark.parity(
    what="targets of positive anchors", against="ssd_resnet50_320.npz", tolerance="classes exact, encodings 1e-6"
)
def test_positive_anchors_classes_and_encodings(run, golden):
    rows, columns = golden["positive_index"].T
    positive = np.argwhere(np.asarray(run.targets.box_weights) > 0)
    np.testing.assert_array_equal(positive, golden["positive_index"])
    # TFOD's class is the position in the one-hot row, where the background comes first.
    np.testing.assert_array_equal(np.asarray(run.targets.classes)[rows, columns] + 1, golden["positive_class"])
    encodings = np.asarray(run.targets.box_encodings)
    # As exact as two builds of log() agree.
    np.testing.assert_allclose(encodings[rows, columns], golden["positive_reg_targets"], rtol=1e-6, atol=1e-6)
    assert not encodings[np.asarray(run.targets.box_weights) == 0].any()


def test_class_weights(run, golden):
    # TFOD repeats an anchor's weight for each of the 38 class columns.
    np.testing.assert_array_equal(np.sum(run.targets.class_weights, axis=1) * 38, golden["cls_weight_sum"])


@pytest.mark.parametrize("tag", ["Loss/localization_loss", "Loss/classification_loss"])
@pytest.mark.parity(what="inference losses", against="ssd_resnet50_320.npz", tolerance="1e-4 relative")
def test_losses(run, golden, tag):
    assert float(run.losses[tag]) == pytest.approx(float(golden[f"infer_{tag.replace('/', '_')}"]), rel=1e-4)


def test_regularization_loss(run):
    first = CASE.training_losses()["Loss/regularization_loss"][0]
    assert float(run.detector.regularization_loss()) == pytest.approx(first, rel=1e-4)


@pytest.mark.parametrize("name", ["raw_detection_boxes", "raw_detection_scores"])
@pytest.mark.parity(what="raw boxes and scores", against="ssd_resnet50_320.npz", tolerance="1e-3")
def test_raw_detections(run, golden, name):
    np.testing.assert_allclose(run.detections[name][:, ::STRIDE], golden[f"post_{name}"], rtol=0, atol=1e-3)


@pytest.mark.parity(
    what="detections",
    against="ssd_resnet50_320.npz",
    tolerance="the same 100 boxes, swaps between scores closer than 1e-4",
)
def test_detections_are_the_same_hundred_boxes(run, golden):
    expected = {name.removeprefix("post_"): value for name, value in golden.items() if name.startswith("post_")}
    places = same_detections(run.detections, expected)
    anchors = np.take_along_axis(run.detections["detection_anchor_indices"], places, axis=1)
    np.testing.assert_array_equal(anchors, golden["post_detection_anchor_indices"])


def test_multiclass_scores_are_the_kept_anchors_raw_scores(run):
    got = run.detections
    anchors, classes = got["detection_anchor_indices"], got["detection_classes"].astype(int)
    multiclass = got["detection_multiclass_scores"]
    assert multiclass.shape == (2, 100, 38)
    np.testing.assert_array_equal(multiclass, got["raw_detection_scores"][np.arange(2)[:, None], anchors])
    own = np.take_along_axis(multiclass, classes[..., None] + 1, axis=2)[..., 0]
    np.testing.assert_array_equal(own, got["detection_scores"])
