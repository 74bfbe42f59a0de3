"""Small SSD-MobileNet-FPNs against TFOD's numbers.

Six from the reference (tests/golden/families), and what these do not cover (tests/golden/from_tfod/mobilenet_fpn.py).
"""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import GOLDEN, SUFFIX, family_case, same_detections
from golden_runs import LOSSES, assert_same_predictions, computed, train
from google.protobuf import text_format
from object_graphs import Graph, graph_of, names_of
from synthetic_weights import synthetic_image

from odtk.detectors.build import build_detector
from odtk.exporting import runtime, saved_model
from odtk.layers.mobilenet import preprocess
from odtk.protos import model_pb2

FAMILIES = sorted(path.stem for path in (GOLDEN / "families").glob("mobilenet_v?_fpn*.config"))
with np.load(GOLDEN / "from_tfod/mobilenet_fpn.npz") as file:
    FROM_TFOD = dict(file)
CASES = FROM_TFOD["names"].tolist()
# A few seconds each; what these two have, others have too.
SLOW = {"mobilenet_v2_fpnlite-alpha_1", "levels 4 to 8"}


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


@pytest.fixture(scope="module")
def case(request) -> SimpleNamespace:
    """The same for one of TFOD's own answers."""
    part = f"{request.param}/"
    golden = {name.removeprefix(part): value for name, value in FROM_TFOD.items() if name.startswith(part)}
    case = family_case(str(golden["base"]))
    case.config.model.CopyFrom(text_format.Parse(str(golden["model"]), model_pb2.DetectionModel()))
    detector = build_detector(case.config)
    for key, variable in detector.checkpoint_variables().items():
        variable.assign(case.value(key, variable.shape))
    return computed(case, detector, golden)


@pytest.mark.parametrize("family", params(FAMILIES), indirect=True)
@pytest.mark.parity(
    what="SSD-MobileNet-FPN: keys of the checkpoint, anchors, box encodings, logits, detections, inference losses and "
    "three training steps",
    against="families/mobilenet_v1_fpn-*, families/mobilenet_v2_fpnlite-*",
    tolerance="keys exact, anchors 1e-6, predictions 1e-3, the same detections, inference losses 1e-4 relative, "
    "training losses 1e-3 relative, norm of the gradient 2 %",
)
def test_the_references_goldens(family):
    golden, detector = family.golden, family.detector
    assert_same_predictions(family)
    np.testing.assert_allclose(family.preprocessed[:, :4, :4], golden["preprocessed_corner"], atol=1e-5)
    maps = [np.asarray(m, np.float64) for m in family.predictions["feature_maps"]]
    np.testing.assert_allclose([m.mean() for m in maps], golden["feature_map_mean"], rtol=0, atol=1e-3)
    np.testing.assert_allclose([m.std() for m in maps], golden["feature_map_std"], rtol=0, atol=1e-3)
    same_detections(detector.postprocess(family.predictions, family.shapes), golden)
    for tag in LOSSES:
        assert family.losses[tag] == pytest.approx(float(golden[f"infer_{tag.replace('/', '_')}"]), rel=1e-4), tag
    rows, norm = train(family.case, detector, preprocess, steps=3)
    for tag, values in family.case.training_losses().items():
        np.testing.assert_allclose([row[tag] for row in rows], values, rtol=1e-3, err_msg=tag)
    assert norm == pytest.approx(float(golden["train_gradient_norm"]), rel=2e-2)


@pytest.mark.parametrize("case", params(CASES), indirect=True)
@pytest.mark.parity(
    what="SSD-MobileNet-FPN with explicit padding, other levels, raised widths, padded images, hyperparameters of its "
    "own, no batch norm: every object of the checkpoint, predictions and the first training step",
    against="from_tfod/mobilenet_fpn.npz",
    tolerance="objects exact, anchors 1e-6, predictions 1e-3, losses 1e-3 relative, norm of the gradient 2 %",
)
def test_what_the_reference_does_not_cover(case, tmp_path):
    golden, detector = case.golden, case.detector
    assert_same_predictions(case)
    corners = tf.concat([case.preprocessed[:, :2, :2], case.preprocessed[:, -2:, -2:]], axis=1)
    np.testing.assert_allclose(corners, golden["preprocessed_corners"], atol=1e-5)
    prefix = tf.train.Checkpoint(**detector.checkpoint_objects()).write(str(tmp_path / "ckpt"))
    graph = Graph.FromString(golden["graph"].tobytes())
    assert names_of(graph_of(prefix)) == names_of(graph)
    keys = {attribute.checkpoint_key for node in graph.nodes for attribute in node.attributes}
    assert {key + SUFFIX for key in detector.checkpoint_variables()} == keys
    rows, norm = train(case.case, detector, preprocess, steps=1)
    for tag, value in rows[0].items():
        assert value == pytest.approx(float(golden[tag]), rel=1e-3), tag
    assert norm == pytest.approx(float(golden["train_gradient_norm"]), rel=2e-2)


@pytest.mark.parametrize("case", ["raised widths, padded images"], indirect=True)
def test_an_exported_detector_finds_what_the_detector_does(case, tmp_path):
    """In padded images, whose padding preprocessing turns into 0."""
    saved_model.save(case.detector, "image_tensor", str(tmp_path))
    image = synthetic_image(50, *case.case.image_size)
    found = runtime.load(tmp_path).detect(image)
    resized, shape = case.detector.resize(tf.constant(image, tf.float32))
    expected = case.detector.detect(resized[None], shape[None])
    np.testing.assert_allclose(found.scores, expected["detection_scores"][0], atol=1e-5)
    np.testing.assert_allclose(found.boxes, expected["detection_boxes"][0], atol=1e-5)
    np.testing.assert_array_equal(found.classes, expected["detection_classes"][0] + 1)
