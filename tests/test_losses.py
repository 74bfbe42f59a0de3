"""Losses: TFOD's values and gradients, their formulas in NumPy, and what they must do at the edges."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from odtk import losses
from odtk.detectors.parts.losses import build_classification_loss, build_localization_loss
from odtk.protos import ssd_pb2

TFOD = dict(np.load(Path(__file__).parent / "golden/from_tfod/losses.npz"))

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, size=(2, 5, 4)).astype(np.float32)
ONE_HOT = np.eye(4, dtype=np.float32)[RNG.integers(0, 4, size=(2, 5))]
WEIGHTS = RNG.uniform(0, 2, size=(2, 5)).astype(np.float32)
SIGMOID = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))


@pytest.mark.parametrize("config", [key.removesuffix(" value") for key in TFOD if key.endswith(" value")])
@pytest.mark.parity(
    what="four losses of boxes, seven of classes, 21 configurations: values and gradients, degenerate boxes included",
    against="from_tfod/losses.npz",
    tolerance="1e-6 absolute or relative; gradients finite where TFOD's are NaN",
)
def test_values_and_gradients_are_tfods(config):
    ssd = text_format.Parse(f"loss {{ {config} }}", ssd_pb2.Ssd())
    if config.startswith("localization_loss"):
        loss, names = build_localization_loss(ssd.loss.localization_loss), ("boxes", "target_boxes", "box_weights")
    else:
        loss, names = build_classification_loss(ssd.loss.classification_loss), ("logits", "classes", "class_weights")
    predictions, targets, weights = (tf.constant(TFOD[name]) for name in names)
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        value = loss(predictions, targets, weights)
    gradient, expected = tape.gradient(value, predictions).numpy(), TFOD[f"{config} gradient"]

    # TFOD's weighted_iou is the one loss that comes flat.
    np.testing.assert_allclose(value, TFOD[f"{config} value"].reshape(value.shape), rtol=1e-6, atol=1e-6)
    known = np.isfinite(expected)
    np.testing.assert_allclose(gradient[known], expected[known], rtol=1e-6, atol=1e-6)
    # Boxes without area divide 0 by 0 in TFOD, which ends a training run.
    assert np.isfinite(gradient).all()
    assert known.mean() > 0.8


def cross_entropy(targets):
    return -targets * np.log(SIGMOID) - (1 - targets) * np.log(1 - SIGMOID)


@pytest.mark.parametrize("delta", [1.0, 0.5])
def test_smooth_l1(delta):
    targets = LOGITS + RNG.normal(0, 1, size=LOGITS.shape).astype(np.float32)
    error = np.abs(LOGITS - targets)
    huber = np.where(error <= delta, error**2 / 2, delta * (error - delta / 2))
    np.testing.assert_allclose(
        losses.smooth_l1(LOGITS, targets, WEIGHTS, delta), WEIGHTS * huber.sum(-1), rtol=1e-5, atol=1e-6
    )


def test_smooth_l1_by_hand():
    loss = losses.smooth_l1(tf.constant([[[0.0, 0.5, 3.0, -3.0]]]), tf.zeros([1, 1, 4]), tf.constant([[2.0]]))
    assert float(loss[0, 0]) == pytest.approx(2 * (0.125 + 2.5 + 2.5))


def test_l2_weighs_before_it_squares():
    targets = np.zeros_like(LOGITS)
    np.testing.assert_allclose(losses.l2(LOGITS, targets, WEIGHTS), 0.5 * (WEIGHTS**2) * (LOGITS**2).sum(-1), rtol=1e-5)


def test_sigmoid_cross_entropy():
    got = losses.sigmoid_cross_entropy(LOGITS, ONE_HOT, WEIGHTS)
    np.testing.assert_allclose(got, WEIGHTS[..., None] * cross_entropy(ONE_HOT), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (1.5, 0.75), (0.0, 0.25), (2.0, None)])
def test_sigmoid_focal(gamma, alpha):
    wrong = np.where(ONE_HOT == 1, 1 - SIGMOID, SIGMOID)
    balance = 1 if alpha is None else np.where(ONE_HOT == 1, alpha, 1 - alpha)
    expected = WEIGHTS[..., None] * balance * wrong**gamma * cross_entropy(ONE_HOT)
    got = losses.sigmoid_focal(LOGITS, ONE_HOT, WEIGHTS, gamma, alpha)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (1.5, 0.75), (0.0, 0.25), (2.0, None)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_focal_of_targets_that_are_0_or_1_is_that_of_soft_ones_bit_for_bit(gamma, alpha, dtype):
    logits = tf.constant(np.concatenate([LOGITS.ravel(), [0.0, -0.0, 1e-30, 20, -20, 60, -60, 150, -150] * 2]), dtype)
    targets = np.concatenate([ONE_HOT.ravel(), [0] * 9, [1] * 9]).astype(dtype)

    @tf.function  # as in training: without a graph, gradients are added up in another order
    def value_and_gradient(soft_targets):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            weights = np.ones([1, 1], dtype)
            value = losses.sigmoid_focal(logits[None], targets[None], weights, gamma, alpha, soft_targets)
        return value, tape.gradient(value, logits)

    for binary, soft in zip(value_and_gradient(False), value_and_gradient(True), strict=True):
        np.testing.assert_array_equal(binary, soft)
        assert np.count_nonzero(binary) > 50


def test_focal_of_soft_targets_lies_between():
    """At a quarter, in the mixed way of TFOD: p_t and alpha are mixed, and the cross entropy."""
    p, target = 0.7, 0.25
    logits = tf.constant([[[np.log(p / (1 - p))]]], tf.float32)
    found = losses.sigmoid_focal(logits, tf.fill([1, 1, 1], target), tf.ones([1, 1]), 2.0, 0.9, soft_targets=True)
    entropy = -target * np.log(p) - (1 - target) * np.log(1 - p)
    p_t, alpha = target * p + (1 - target) * (1 - p), target * 0.9 + (1 - target) * 0.1
    assert float(found[0, 0, 0]) == pytest.approx(alpha * (1 - p_t) ** 2 * entropy, rel=1e-5)


def test_focal_without_focus_or_balance_is_cross_entropy():
    plain = losses.sigmoid_cross_entropy(LOGITS, ONE_HOT, WEIGHTS)
    np.testing.assert_allclose(losses.sigmoid_focal(LOGITS, ONE_HOT, WEIGHTS, 0.0, None), plain, rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_softmax_cross_entropy(scale):
    scaled = LOGITS.astype(np.float64) / scale
    log_softmax = scaled - np.log(np.exp(scaled).sum(-1, keepdims=True))
    got = losses.softmax_cross_entropy(LOGITS, ONE_HOT, WEIGHTS, scale)
    np.testing.assert_allclose(got, -WEIGHTS * (ONE_HOT * log_softmax).sum(-1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("hard", [False, True])
def test_bootstrapped_sigmoid(hard):
    own = (SIGMOID > 0.5) if hard else SIGMOID
    expected = WEIGHTS[..., None] * cross_entropy(0.7 * ONE_HOT + 0.3 * own)
    got = losses.bootstrapped_sigmoid(LOGITS, ONE_HOT, WEIGHTS, alpha=0.7, hard=hard)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


ALL = [
    losses.smooth_l1,
    losses.l2,
    losses.sigmoid_cross_entropy,
    losses.sigmoid_focal,
    losses.softmax_cross_entropy,
    lambda *inputs: losses.bootstrapped_sigmoid(*inputs, alpha=0.9),
]


@pytest.mark.parametrize("loss", ALL)
def test_an_anchor_of_weight_0_adds_no_loss_and_no_gradient(loss):
    logits, weights = tf.constant(LOGITS), np.float32([[1, 0, 1, 0, 1]] * 2)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(logits, ONE_HOT, weights)
    assert value.shape in ([2, 5], [2, 5, 4])
    assert not value.numpy()[:, 1::2].any()
    assert not tape.gradient(value, logits).numpy()[:, 1::2].any()


@pytest.mark.parametrize("loss", ALL)
def test_extreme_predictions_stay_finite(loss):
    logits = tf.constant([[[100.0, -100.0, 100.0, -100.0]] * 2])
    targets = np.float32([[[1, 0, 0, 0], [0, 1, 0, 0]]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(logits, targets, np.ones([1, 2], np.float32))
    assert np.isfinite(value).all()
    assert np.isfinite(tape.gradient(value, logits)).all()


class TestOverlapLosses:
    """TFOD's formulas, on whatever four codes they get."""

    BOX = np.float32([[[0, 0, 2, 2]]])

    @pytest.mark.parametrize(
        ("other", "iou", "giou"),
        [
            ([0, 0, 2, 2], 1, 1),
            ([1, 1, 3, 3], 1 / 7, 1 / 7 - 2 / 9),
            ([0, 2, 2, 4], 0, 0),
            ([0, 4, 2, 6], 0, -1 / 3),
            ([1, 1, 1, 1], 0, 0),
        ],
    )
    def test_by_hand(self, other, iou, giou):
        other, weights = np.float32([[other]]), np.float32([[3]])
        np.testing.assert_allclose(losses.iou(self.BOX, other, weights), [[3 * (1 - iou)]], atol=1e-5)
        np.testing.assert_allclose(losses.giou(self.BOX, other, weights), [[3 * (1 - giou)]], atol=1e-5)

    def test_encodings_that_are_no_boxes_are_finite_and_unweighted_ones_nothing(self):
        codes = RNG.normal(0, 1, size=(2, 50, 4)).astype(np.float32)
        codes[0, :3] = 0
        for loss in (losses.iou, losses.giou):
            variable = tf.Variable(codes)
            with tf.GradientTape() as tape:
                value = loss(variable, codes[:, ::-1], np.ones([2, 50], np.float32))
            assert value.shape == (2, 50)
            assert np.isfinite(value).all()
            assert np.isfinite(tape.gradient(value, variable)).all()
            assert not loss(codes, codes[:, ::-1], np.zeros([2, 50], np.float32)).numpy().any()
