"""An SSD's anchors, targets and losses for made-up predictions, under options that no golden of a network sets.

TFOD's numbers are from tests/golden/from_tfod/ssd_options.py.
"""

from pathlib import Path

import golden_runs
import numpy as np
import pytest
import tensorflow as tf
from golden_cases import same_detections, variant_case
from google.protobuf import text_format

from odtk.detectors.build import build_detector
from odtk.detectors.ssd.training import by_confidence

with np.load(Path(__file__).parents[1] / "golden/from_tfod/ssd_options.npz") as file:
    TFOD = dict(file)
IMAGE, MAPS = (64, 48), ((8, 6), (4, 3), (2, 2), (1, 1), (1, 1))
TAGS = ["Loss/localization_loss", "Loss/classification_loss"]


def groundtruth() -> dict[str, tf.Tensor]:
    fields = {name: tf.constant(TFOD[name]) for name in ("boxes", "weights")}
    counts, classes = (tf.constant(TFOD[name], tf.int32) for name in ("counts", "classes"))
    return {**fields, "classes": classes, "num_boxes": counts}


@pytest.fixture(params=TFOD["names"].tolist())
def case(request):
    """(TFOD's answers, the detector, its predictions with our anchors)"""
    answers = {key.removeprefix(f"{request.param}/"): TFOD[key] for key in TFOD if key.startswith(f"{request.param}/")}
    config = variant_case("base").config
    text_format.Merge(str(answers["text"]), config.model.ssd)
    detector = build_detector(config)
    anchors = detector.anchors_of(tf.zeros([1, *IMAGE, 3]), [tf.zeros([1, *size, 1]) for size in MAPS])
    made_up = {name: tf.constant(TFOD[name][:, : len(anchors)]) for name in ("box_encodings", "class_logits")}
    return answers, detector, {**made_up, "anchors": anchors}


@pytest.mark.parity(
    what="SSD with boxes matched by distance, confidences as targets, logits as targets, penalty-reduced and Dice's "
    "loss, and grids of anchors that are written out, with mining, sampling and ignored anchors: anchors, targets, "
    "losses of made-up predictions, and their gradients",
    against="from_tfod/ssd_options.npz",
    tolerance="anchors 1e-6, matches and class targets exact, box targets 1e-5, losses and norms of gradients 1e-5 "
    "relative",
)
def test_options_that_no_golden_of_a_network_sets(case):
    answers, detector, predictions = case
    np.testing.assert_allclose(predictions["anchors"], answers["anchors"], rtol=0, atol=1e-6)
    _assert_same_targets(detector, predictions["anchors"], answers)
    variables = [tf.Variable(predictions[name]) for name in ("box_encodings", "class_logits")]
    with tf.GradientTape() as tape:
        watched = dict(zip(("box_encodings", "class_logits"), map(tf.identity, variables), strict=True))
        losses = detector.losses(predictions | watched, groundtruth(), None)
        total = tf.add_n(list(losses.values()))
    for tag in TAGS:
        assert float(losses[tag]) == pytest.approx(float(answers[tag]), rel=1e-5), tag
    norms = [float(tf.linalg.norm(gradient)) for gradient in tape.gradient(total, variables)]
    np.testing.assert_allclose(norms, answers["gradient_norms"], rtol=1e-5)


def _assert_same_targets(detector, anchors, answers) -> None:
    params = detector.training_params
    assigned = detector.assign_targets(anchors, groundtruth())
    class_targets = detector.background.one_hot(assigned.classes, detector.num_classes)
    if params.implicit_weight is not None:
        assigned, class_targets = by_confidence(assigned, class_targets, params.implicit_weight)
    np.testing.assert_array_equal(assigned.match, answers["match"])
    np.testing.assert_array_equal(class_targets, answers["class_targets"])
    weights = assigned.class_weights if assigned.class_weights.shape.rank == 3 else assigned.class_weights[..., None]
    np.testing.assert_allclose(tf.broadcast_to(weights, class_targets.shape), answers["class_weights"], atol=1e-6)
    np.testing.assert_array_equal(assigned.box_weights, answers["box_weights"])
    weighed = np.where(answers["box_weights"][..., None] > 0, assigned.box_encodings, 0)
    theirs = np.where(answers["box_weights"][..., None] > 0, answers["box_targets"], 0)
    np.testing.assert_allclose(weighed, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", golden_runs.params(TFOD["of_network"].tolist(), {"sigmoids in exports"}))
@pytest.mark.parity(
    what="SSD whose box predictor makes sigmoids: losses and detections of an evaluation, which has logits, and "
    "detections of exported models, which have none",
    against="from_tfod/ssd_options.npz",
    tolerance="losses 1e-4 relative, raw scores 1e-3, the same detections",
)
def test_sigmoids_of_a_box_predictor_are_those_of_exports(name):
    run = golden_runs.computed(golden_runs.of_tfod(TFOD, name))
    losses = run.detector.losses(run.predictions, run.groundtruth, run.shapes)
    for tag in TAGS:
        assert float(losses[tag]) == pytest.approx(float(run.golden[tag]), rel=1e-4), tag
    found = {
        "evaluated": run.detector.postprocess(run.predictions, run.shapes),
        "exported": run.detector.detect(*run.case.images(run.detector.resize)),
    }
    for kind, detections in found.items():
        theirs = {key.removeprefix(f"{kind}/"): run.golden[key] for key in run.golden if key.startswith(f"{kind}/")}
        raw = detections["raw_detection_scores"]
        np.testing.assert_allclose(
            raw[:, :: int(run.golden["stride"])], theirs.pop("raw_detection_scores"), rtol=0, atol=1e-3
        )
        same_detections({key: detections[key] for key in theirs}, theirs)
