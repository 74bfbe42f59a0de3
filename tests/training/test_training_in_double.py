"""TFOD's training steps in double precision, repeated: every loss of every step, and what changed in every variable.

In single precision TFOD does not repeat its own numbers for long (see test_training_parity.py). In double precision it
does, on any machine, so here nothing is left to chance: the network, its gradients, the optimizer and the schedule are
TFOD's to six digits. tests/golden/from_tfod/training.py made the goldens with TFOD's own code, and says what is done
to both sides: the losses are computed as TFOD computes them in spite of the network's doubles, and nothing is traced.
"""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import GOLDEN, GoldenCase, family_case, resnet50_case, trained_variants, variant_case
from test_compiled_step import losses_and_gradients, require_equal

from odtk.layers import mobilenet, resnet_v1
from odtk.protos import pipeline_pb2
from odtk.training.optimizer import build_optimizer
from odtk.training.task import DetectionTask

DOUBLES = GOLDEN / "from_tfod/double.npz"
MOBILENETS = sorted(path.stem for path in (GOLDEN / "families").glob("mobilenet_v?-*.npz"))
# Ten seconds each, so that the gate runs those whose gradients or updates go ways of their own; `make test-all` all.
IN_THE_GATE = ["base", "hard_example_miner"]

pytestmark = pytest.mark.usefixtures("double_precision")


def rounded(targets):
    """Without their last places, which depend on the logarithm at hand."""
    return tf.round(targets * 4096) / 4096


def detector_in_double(task: DetectionTask):
    """The detector with the network in float64, the losses in what TFOD computes them in: see training.py."""
    detector = task.build_model()
    params, coder = detector.training_params, detector.coder

    def classification(logits, targets, weights):
        loss = params.classification_loss(logits, tf.cast(targets, tf.float64), tf.cast(weights, tf.float64))
        return tf.cast(loss, tf.float32)

    def localization(encodings, targets, weights):
        return params.localization_loss(tf.cast(encodings, tf.float32), rounded(targets), weights)

    detector.training_params = dataclasses.replace(
        params, classification_loss=classification, localization_loss=localization
    )
    detector.coder = SimpleNamespace(
        code_size=coder.code_size,
        encode=coder.encode,
        decode=lambda encodings, anchors: coder.decode(tf.cast(encodings, tf.float32), anchors),
    )
    penalty = detector.regularization_loss
    detector.regularization_loss = lambda: tf.cast(penalty(), tf.float32)
    detector.preprocess = lambda images, true_image_shapes: images
    return detector


def train(case: GoldenCase, steps: int, preprocess=resnet_v1.preprocess) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Losses by tag at each step; norms of what changed in each variable, in the order of the golden's keys."""
    task = DetectionTask(case.config)
    detector = detector_in_double(task)
    variables = detector.checkpoint_variables()
    assert {variable.dtype for variable in variables.values()} == {tf.float64}
    case.assign_weights(variables)
    before = {key: variable.numpy() for key, variable in variables.items()}
    optimizer = build_optimizer(case.config.train_config.optimizer)
    if hasattr(optimizer, "shadow_copy"):
        optimizer.shadow_copy(detector)
    rates = getattr(optimizer, "_optimizer", optimizer).learning_rate
    batch = {"image": case.preprocessed(preprocess), "true_image_shape": None}, case.groundtruth()
    rows = []
    for step in range(steps):
        getattr(optimizer, "_optimizer", optimizer).learning_rate = float(rates(step))
        rows.append(task.train_step(batch, detector, optimizer))
    changes = [np.linalg.norm(variables[key].numpy() - before[key]) for key in case.shapes]
    return {tag: np.array([float(row[tag]) for row in rows]) for tag in rows[0]}, np.array(changes)


def assert_repeats(case: GoldenCase, of_changes: float = 1e-4, path=DOUBLES, preprocess=resnet_v1.preprocess) -> None:
    """Losses at 1e-5; norms of the changes at `of_changes`, as the last step's gradients are in no loss."""
    with np.load(path) as doubles:
        losses, changes = doubles[f"{case.name}/losses"], doubles[f"{case.name}/changes"]
        golden = dict(zip(doubles["tags"].tolist(), losses.T, strict=True))
    ours, our_changes = train(case, len(losses), preprocess)
    for tag, values in golden.items():
        np.testing.assert_allclose(ours[tag], values, rtol=1e-5, err_msg=tag)
    np.testing.assert_allclose(our_changes, changes, rtol=of_changes, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parity(
    what="training in double precision: losses of five steps, what changed in every variable (`make test-all`)",
    against="from_tfod/double.npz",
    tolerance="1e-5 relative; changes 1e-3",
)
def test_the_full_network():
    assert_repeats(resnet50_case(), of_changes=1e-3)


@pytest.mark.parity(
    what="training in double precision: losses of three steps, what changed in every variable: "
    "two variants, nineteen more in `make test-all`",
    against="from_tfod/double.npz",
    tolerance="1e-5 relative; changes 1e-4",
)
@pytest.mark.parametrize(
    "name",
    [name if name in IN_THE_GATE else pytest.param(name, marks=pytest.mark.slow) for name in trained_variants()],
)
def test_a_variant(name):
    assert_repeats(variant_case(name))


@pytest.mark.slow
@pytest.mark.parity(
    what="training in double precision of SSD-MobileNet without a pyramid: losses of three steps, what changed in "
    "every variable (`make test-all`)",
    against="from_tfod/mobilenet_double.npz",
    tolerance="1e-5 relative; changes 1e-4",
)
@pytest.mark.parametrize("name", MOBILENETS)
def test_a_mobilenet(name):
    path = GOLDEN / "from_tfod/mobilenet_double.npz"
    assert_repeats(family_case(name), path=path, preprocess=mobilenet.preprocess)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "preprocess"),
    [
        (variant_case("base"), resnet_v1.preprocess),
        (family_case("mobilenet_v2_fpnlite-base"), mobilenet.preprocess),
        (family_case("mobilenet_v2-depthwise_explicit_padding"), mobilenet.preprocess),
    ],
    ids=["resnet50", "fpnlite", "mobilenet_v2"],
)
def test_a_compiled_gradient_is_the_plain_one(case, preprocess):
    """Where in single precision they differ by up to 0.5 % in the first layers, although all batch norms are frozen.

    Rounding decides which activations lie beyond a bend of ReLU or ReLU6, and so whether they differ on a processor:
    noise of 3e-7 in the images alone changes a kernel's gradient by 0.5 to 2 %, compiled or not, and of the last
    network either lies 1 % from that in double precision.
    """
    results = []
    config = pipeline_pb2.TrainEvalPipelineConfig.FromString(case.config.SerializeToString())
    config.model.ssd.freeze_batchnorm = True
    images = tf.cast(case.preprocessed(preprocess), tf.float64)
    shapes = tf.constant([images.shape[1:].as_list()] * len(images))
    for is_compiled in (False, True):
        task = DetectionTask(config, xla=is_compiled)
        detector = detector_in_double(task)
        case.assign_weights(detector.checkpoint_variables())
        batch = {"image": images, "true_image_shape": shapes}, case.groundtruth()
        results.append(losses_and_gradients(task, detector, batch, is_compiled))
    require_equal(*results, gradients=1e-6)
