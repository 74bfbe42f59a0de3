"""Small EfficientDets against TFOD's numbers.

Five from the reference (tests/golden/families), and what these do not cover (tests/golden/from_tfod/efficientdet.py).
"""

import hashlib
import json
from types import SimpleNamespace

import golden_runs
import golden_training
import numpy as np
import pytest
import tensorflow as tf
from golden_cases import GOLDEN, SUFFIX, family_case
from google.protobuf import text_format
from object_graphs import graph_of, names_of

from odtk import step_random
from odtk.detectors.build import build_detector
from odtk.layers.efficientnet import StochasticDepth, preprocess

FAMILIES = sorted(path.stem for path in (GOLDEN / "families").glob("efficientdet-*.config"))
with np.load(GOLDEN / "from_tfod/efficientdet.npz") as file:
    FROM_TFOD = dict(file)
CASES = FROM_TFOD["names"].tolist()
STRUCTURES = json.loads((GOLDEN / "from_tfod/efficientdet.json").read_text())
# The others are ten to twenty seconds each.
QUICK = {"efficientdet-d0_frozen_own_decay"}


@pytest.fixture(scope="module")
def family(request) -> SimpleNamespace:
    """One of the reference's goldens, and everything the detector computes of its batch in inference."""
    return golden_runs.computed(golden_runs.of_reference(request.param))


@pytest.fixture(scope="module")
def case(request) -> SimpleNamespace:
    """The same for one of TFOD's own answers."""
    return golden_runs.computed(golden_runs.of_tfod(FROM_TFOD, request.param))


def without_depth(detector) -> None:
    """Nothing is left out in training."""
    for layer in detector.network.backbone.maps.layers:
        if isinstance(layer, StochasticDepth):
            layer.rate = 0.0


@pytest.mark.parametrize("family", golden_runs.params(FAMILIES, QUICK), indirect=True)
@pytest.mark.parity(
    what="EfficientDet: keys of the checkpoint, anchors, box encodings, logits, detections, inference losses and three "
    "training steps without stochastic depth",
    against="families/efficientdet-*",
    tolerance="keys exact, anchors 1e-6, predictions 1e-3, the same detections, inference losses 1e-4 relative, "
    "training losses 1e-3 relative, norm of the gradient 2 %",
)
def test_the_references_efficientdets(family):
    golden_runs.assert_same_inference(family)
    without_depth(family.detector)
    images = family.case.preprocessed(preprocess)
    golden_training.assert_same_steps(family, family.case.training_losses(), 3 * [1e-3], images)


@pytest.mark.parametrize("case", golden_runs.params(CASES, QUICK), indirect=True)
@pytest.mark.parity(
    what="EfficientDet with other levels and weighted sums, padding to a multiple, odd sides, penalties of its own, no "
    "or synchronized batch norm: every object of the checkpoint, predictions and the first training step",
    against="from_tfod/efficientdet.npz",
    tolerance="objects exact, anchors 1e-6, predictions 1e-3, losses 1e-3 relative, norm of the gradient 2 %",
)
def test_what_the_reference_does_not_cover_of_efficientdet(case, tmp_path):
    golden_runs.assert_same_predictions(case)
    golden_runs.assert_same_corners(case)
    golden_runs.assert_tfods_objects(case.detector, case.golden["graph"], tmp_path)
    without_depth(case.detector)
    golden_training.assert_same_first_step(case, case.case.preprocessed(preprocess))


@pytest.fixture(scope="module")
def with_depth() -> SimpleNamespace:
    """The detector that TFOD trained with stochastic depth, and TFOD's numbers."""
    golden = {name.removeprefix("depth/"): value for name, value in FROM_TFOD.items() if name.startswith("depth/")}
    return golden_runs.computed(golden_runs.of_reference("efficientdet-d0_sum")._replace(golden=golden))


@pytest.mark.slow
@pytest.mark.parity(
    what="EfficientDet's stochastic depth: where it is, which images given numbers leave out, scaling",
    against="from_tfod/efficientdet.npz",
    tolerance="losses of a training step 1e-3 relative, norm of the gradient 2 %",
)
def test_training_with_stochastic_depth(with_depth, monkeypatch):
    golden = with_depth.golden
    numbers = iter(golden["numbers"])
    monkeypatch.setattr(step_random, "uniform", lambda shape: tf.reshape(tf.constant(next(numbers)), shape))
    rows, norm, _ = golden_training.train(with_depth, 1, with_depth.case.preprocessed(preprocess))
    assert next(numbers, None) is None
    for tag, value in zip(golden["tags"], golden["losses"], strict=True):
        assert rows[0][tag] == pytest.approx(value, rel=1e-3), tag
    assert norm == pytest.approx(float(golden["train_gradient_norm"]), rel=2e-2)


@pytest.mark.slow
@pytest.mark.parity(
    what="EfficientDet's losses with stochastic depth's own random numbers",
    against="from_tfod/efficientdet.npz and families/efficientdet-d0.npz",
    tolerance="means of 64 first steps within 4 standard errors, deviations within a third",
)
def test_losses_vary_with_stochastic_depth_as_tfods_do(with_depth):
    tags, theirs = with_depth.golden["tags"].tolist(), with_depth.golden["draws"]
    compute = drawn_losses(with_depth.case, with_depth.detector)
    ours = np.array(
        [[float(compute(tf.constant([7, number]))[tag]) for tag in golden_runs.LOSSES] for number in range(len(theirs))]
    )
    theirs = theirs[:, [tags.index(tag) for tag in golden_runs.LOSSES]]
    errors = np.hypot(ours.std(axis=0), theirs.std(axis=0)) / len(theirs) ** 0.5
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4 * errors).all()
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), rtol=1 / 3)
    # Not always the same, and the same for the same seed.
    again = compute(tf.constant([7, 0]))
    np.testing.assert_allclose([float(again[tag]) for tag in golden_runs.LOSSES], ours[0], rtol=1e-5)
    assert len(np.unique(ours[:, 0])) > len(ours) // 2


def drawn_losses(case, detector):
    """The function seed -> losses of the batch in training, from the same weights and statistics each time."""
    images, shapes, groundtruth = case.preprocessed(preprocess), case.images(detector.resize)[1], case.groundtruth()

    @tf.function
    def compute(seed):
        with step_random.seeded(tf.cast(seed, tf.int64)):
            return detector.losses(detector.predict(images, shapes, training=True), groundtruth, shapes)

    return compute


@pytest.mark.slow
@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parity(
    what="EfficientDet with B0 to B7, their own pyramids, and D7 of the zoo: keys and shapes of all variables and of "
    "a classification checkpoint's, all objects of a checkpoint, rates of stochastic depth",
    against="from_tfod/efficientdet.json",
    tolerance="exact",
)
def test_what_the_networks_are_made_of(name, tmp_path):
    golden = STRUCTURES[name]
    config = family_case("efficientdet-d0").config
    extractor = config.model.ssd.feature_extractor
    extractor.ClearField("bifpn")
    extractor.type = golden["type"]
    text_format.Merge(golden["extractor"], extractor)
    detector = build_detector(config)
    variables = detector.checkpoint_variables()
    assert len(variables) == golden["variables"]
    keys = sorted(f"{key}{SUFFIX} {list(variable.shape)}" for key, variable in variables.items())
    assert digest(keys) == golden["digest_of_variables"]
    classifier = detector.fine_tune_plan("classification").renamed
    keys = sorted(f"{name}{SUFFIX} {list(variables[key].shape)}" for key, name in classifier.items())
    assert digest(keys) == golden["digest_of_classifier"]
    rates = [layer.rate for layer in detector.network.backbone.maps.layers if isinstance(layer, StochasticDepth)]
    assert rates == pytest.approx(golden["rates"])
    prefix = tf.train.Checkpoint(**detector.checkpoint_objects()).write(str(tmp_path / "ckpt"))
    objects = sorted(" ".join(sorted(paths)) for paths in names_of(graph_of(prefix)))
    assert len(objects) == golden["objects"]
    assert digest(objects) == golden["digest_of_objects"]


def digest(lines: list[str]) -> str:
    """As the script beside the golden makes it."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
