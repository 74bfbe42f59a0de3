"""Small EfficientDets against TFOD's numbers.

Five from the reference (tests/golden/families), and what these do not cover (tests/golden/from_tfod/efficientdet.py).
"""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import GOLDEN, SUFFIX, family_case, same_detections
from google.protobuf import text_format
from object_graphs import Graph, graph_of, names_of

from odtk import step_random
from odtk.detectors.build import build_detector
from odtk.layers.efficientnet import StochasticDepth, preprocess
from odtk.protos import model_pb2
from odtk.training.optimizer import build_optimizer

FAMILIES = sorted(path.stem for path in (GOLDEN / "families").glob("efficientdet-*.config"))
with np.load(GOLDEN / "from_tfod/efficientdet.npz") as file:
    FROM_TFOD = dict(file)
CASES = FROM_TFOD["names"].tolist()
STRUCTURES = json.loads((GOLDEN / "from_tfod/efficientdet.json").read_text())
# Ten to twenty seconds each.
SLOW = {*FAMILIES, *CASES} - {"efficientdet-d0_frozen_own_decay", "weighted sum, levels 4 to 7, odd sides"}
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


def without_depth(detector) -> None:
    """Nothing is left out in training."""
    for layer in detector.network.backbone.maps.layers:
        if isinstance(layer, StochasticDepth):
            layer.rate = 0.0


def train(case, detector, steps: int) -> tuple[list[dict[str, float]], float]:
    """The losses of some steps, and the norm of the first one's gradient."""
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
    without_depth(detector)
    rows, norm = train(family.case, detector, steps=3)
    for tag, values in family.case.training_losses().items():
        np.testing.assert_allclose([row[tag] for row in rows], values, rtol=1e-3, err_msg=tag)
    assert norm == pytest.approx(float(golden["train_gradient_norm"]), rel=2e-2)


@pytest.mark.parametrize("case", params(CASES), indirect=True)
@pytest.mark.parity(
    what="EfficientDet with other levels and weighted sums, padding to a multiple, odd sides, penalties of its own, no "
    "or synchronized batch norm: every object of the checkpoint, predictions and the first training step",
    against="from_tfod/efficientdet.npz",
    tolerance="objects exact, anchors 1e-6, predictions 1e-3, losses 1e-3 relative, norm of the gradient 2 %",
)
def test_what_the_reference_does_not_cover_of_efficientdet(case, tmp_path):
    golden, detector = case.golden, case.detector
    assert_same_predictions(case)
    corners = tf.concat([case.preprocessed[:, :2, :2], case.preprocessed[:, -2:, -2:]], axis=1)
    np.testing.assert_allclose(corners, golden["preprocessed_corners"], atol=1e-5)
    prefix = tf.train.Checkpoint(**detector.checkpoint_objects()).write(str(tmp_path / "ckpt"))
    graph = Graph.FromString(golden["graph"].tobytes())
    assert names_of(graph_of(prefix)) == names_of(graph)
    keys = {attribute.checkpoint_key for node in graph.nodes for attribute in node.attributes}
    assert {key + SUFFIX for key in detector.checkpoint_variables()} == keys
    without_depth(detector)
    rows, norm = train(case.case, detector, steps=1)
    for tag, value in rows[0].items():
        assert value == pytest.approx(float(golden[tag]), rel=1e-3), tag
    assert norm == pytest.approx(float(golden["train_gradient_norm"]), rel=2e-2)


@pytest.fixture(scope="module")
def with_depth() -> SimpleNamespace:
    """The detector that TFOD trained with stochastic depth, and TFOD's numbers."""
    case = family_case("efficientdet-d0_sum")
    detector = build_detector(case.config)
    case.assign_weights(detector.checkpoint_variables())
    golden = {name.removeprefix("depth/"): value for name, value in FROM_TFOD.items() if name.startswith("depth/")}
    return SimpleNamespace(case=case, detector=detector, golden=golden)


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
    rows, norm = train(with_depth.case, with_depth.detector, steps=1)
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
        [[float(compute(tf.constant([7, number]))[tag]) for tag in LOSSES] for number in range(len(theirs))]
    )
    theirs = theirs[:, [tags.index(tag) for tag in LOSSES]]
    errors = np.hypot(ours.std(axis=0), theirs.std(axis=0)) / len(theirs) ** 0.5
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4 * errors).all()
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), rtol=1 / 3)
    # Not always the same, and the same for the same seed.
    again = compute(tf.constant([7, 0]))
    np.testing.assert_allclose([float(again[tag]) for tag in LOSSES], ours[0], rtol=1e-5)
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
