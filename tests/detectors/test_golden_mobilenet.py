"""Small SSD-MobileNets without a pyramid against TFOD's numbers, and their heads and anchors in networks with one.

Eight from the reference (tests/golden/families), and what these do not cover (tests/golden/from_tfod/mobilenet.py).
"""

from pathlib import Path
from types import SimpleNamespace

import golden_runs
import golden_training
import numpy as np
import pytest
import tensorflow as tf
from golden_cases import GOLDEN, family_case

from odtk.checkpoints.object_graph import as_trackable
from odtk.detectors.build import build_detector
from odtk.layers.mobilenet import preprocess
from odtk.training.fine_tune import fine_tune

FAMILIES = sorted(path.stem for path in (GOLDEN / "families").glob("mobilenet_v?-*.config"))
with np.load(GOLDEN / "from_tfod/mobilenet.npz") as file:
    FROM_TFOD = dict(file)
CASES, WITH_DROPOUT = FROM_TFOD["names"].tolist(), FROM_TFOD["with_dropout"].tolist()
QUICK = {
    "mobilenet_v1-base", "mobilenet_v2-depthwise_explicit_padding", "four maps, strides and offsets", "shared heads",
    "a pyramid with both",
}  # fmt: skip
# By what TFOD differs from itself, at steps 0 to 2. From the third step on which anchors are mined changes by jumps,
# and with explicit padding TFOD's losses with and without AVX-512 are 7 % apart. All steps: test_training_in_double.py.
OF_STEPS = (2e-4, 2e-3, 5e-3)
COMPARED_STEPS = {"mobilenet_v2-hard_example_miner": 2, "mobilenet_v2-depthwise_explicit_padding": 2}


@pytest.fixture
def family(request) -> SimpleNamespace:
    """One of the reference's goldens, and everything the detector computes of its batch in inference."""
    return golden_runs.computed(golden_runs.of_reference(request.param))


@pytest.fixture
def case(request) -> SimpleNamespace:
    """The same for one of TFOD's own answers."""
    return golden_runs.computed(golden_runs.of_tfod(FROM_TFOD, request.param))


@pytest.mark.parametrize("family", golden_runs.params(FAMILIES, QUICK), indirect=True)
@pytest.mark.parity(
    what="SSD-MobileNet without a pyramid: keys of the checkpoint, anchors, box encodings, logits, detections, "
    "inference losses and three training steps",
    against="families/mobilenet_v1-*, families/mobilenet_v2-*",
    tolerance="keys exact, anchors 1e-6, predictions 1e-3, the same detections, inference losses 1e-4 relative, "
    "training losses 2e-4, 2e-3 and 5e-3 relative by step, norm of the gradient 2 %",
)
def test_the_references_goldens(family):
    golden_runs.assert_same_inference(family)
    steps = COMPARED_STEPS.get(Path(family.case.name).name, 3)
    images = family.case.preprocessed(preprocess)
    golden_training.assert_same_steps(family, family.case.training_losses(), OF_STEPS[:steps], images)


@pytest.mark.parametrize("case", golden_runs.params(CASES, QUICK), indirect=True)
@pytest.mark.parity(
    what="SSD-MobileNet with other maps, padding, biases, strides and offsets of anchors, square and clipped boxes; "
    "convolutional_box_predictor and ssd_anchor_generator with a pyramid, shared heads without one: every object of "
    "the checkpoint, predictions and the first training step",
    against="from_tfod/mobilenet.npz",
    tolerance="objects exact, anchors 1e-6, predictions 1e-3, losses 1e-3 relative, norm of the gradient 2 %",
)
def test_what_the_reference_does_not_cover(case, tmp_path):
    golden_runs.assert_same_predictions(case)
    golden_runs.assert_same_corners(case)
    if "graph" in case.golden:
        golden_runs.assert_tfods_objects(case.detector, case.golden["graph"], tmp_path)
    golden_training.assert_same_first_step(case, case.case.preprocessed(preprocess))


@pytest.mark.slow
@pytest.mark.parametrize("case", WITH_DROPOUT, indirect=True)
def test_dropout_is_an_object_of_the_checkpoint_and_of_training_alone(case, tmp_path):
    golden_runs.assert_same_predictions(case)
    golden_runs.assert_tfods_objects(case.detector, case.golden["graph"], tmp_path)
    images, shapes = case.preprocessed, case.shapes
    before = case.predictions["class_logits"]
    dropped = case.detector.network(images, training=True, norm_training=False)[2]
    assert np.abs(dropped - before).max() > 1e-3
    np.testing.assert_array_equal(case.detector.predict(images, shapes)["class_logits"], before)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "detection", "classification", "of a classifier", "detection, heads reused"])
def test_what_each_fine_tune_checkpoint_type_takes(kind, tmp_path):
    """Of a checkpoint with the golden's three classes, for a detector of five unless everything is taken."""
    case = family_case("mobilenet_v2-tower_of_two")
    values = {key: case.value(key, shape) for key, shape in case.shapes.items()}
    backbone = "model/_feature_extractor/classification_backbone/"
    if kind == "of a classifier":
        values = {
            key.replace(backbone, "feature_extractor/"): value for key, value in values.items() if backbone in key
        }
    saved = {key: tf.Variable(value) for key, value in values.items()}
    prefix = tf.train.Checkpoint(**as_trackable(saved)).write(str(tmp_path / "ckpt"))
    if kind != "full":
        case.config.model.ssd.num_classes = 5
    detector = build_detector(case.config)
    before = {key: variable.numpy() for key, variable in detector.checkpoint_variables().items()}
    checkpoint_type = kind.split(",")[0] if kind != "of a classifier" else "classification"
    fine_tune(detector, prefix, checkpoint_type, reuse_heads="reused" in kind)
    expected = {
        "full": ("model/",),
        "detection": ("model/_feature_extractor/",),
        "detection, heads reused": (
            "model/_feature_extractor/",
            "model/_box_predictor/_shared_nets/",
            "model/_box_predictor/_prediction_heads/box_encodings/",
        ),
    }.get(kind, (backbone,))
    for key, variable in detector.checkpoint_variables().items():
        taken = case.value(key, case.shapes[key]) if key.startswith(expected) else before[key]
        np.testing.assert_array_equal(variable, taken, err_msg=key)
