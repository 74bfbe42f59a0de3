"""Scores from logits: converters, scales and every calibration that TFOD has."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from odtk.detectors.parts.score_conversion import build_score_converter, piecewise_linear
from odtk.protos import post_processing_pb2

TFOD = dict(np.load(Path(__file__).parents[2] / "golden/from_tfod/score_converters.npz"))
LOGITS = np.random.default_rng(0).normal(0, 3, size=(2, 5, 3)).astype(np.float32)
SIGMOID = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))


def scores(text: str, logits=LOGITS):
    return build_score_converter(text_format.Parse(text, post_processing_pb2.PostProcessing()))(tf.constant(logits))


@pytest.mark.parametrize("key", [key for key in TFOD if key != "logits"])
@pytest.mark.parity(
    what="score converters and calibrations, 17 configurations",
    against="from_tfod/score_converters.npz",
    tolerance="1e-6 absolute or relative",
)
def test_scores_are_tfods(key):
    np.testing.assert_allclose(scores(key.removeprefix("scores "), TFOD["logits"]), TFOD[key], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", LOGITS),
        ("logit_scale: 4", LOGITS / 4),
        ("score_converter: SIGMOID", SIGMOID),
        ("score_converter: SOFTMAX", np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)),
        ("score_converter: SIGMOID logit_scale: 2", 1 / (1 + np.exp(-LOGITS / 2))),
        (
            "score_converter: SIGMOID calibration_config { temperature_scaling_calibration { scaler: 3 } }",
            1 / (1 + np.exp(-LOGITS / 3)),
        ),
    ],
)
def test_converters(text, expected):
    np.testing.assert_allclose(scores(text), expected, atol=1e-6)


CURVE = "x_y_pair { x: 0.2 y: 0.1 } x_y_pair { x: 0.5 y: 0.6 } x_y_pair { x: 0.9 y: 0.7 }"


def test_a_curve_maps_the_scores_of_every_column():
    got = scores(
        f"score_converter: SIGMOID calibration_config {{ function_approximation {{ x_y_pairs {{ {CURVE} }} }} }}"
    )
    np.testing.assert_allclose(got, np.interp(SIGMOID, [0.2, 0.5, 0.9], [0.1, 0.6, 0.7]), atol=1e-6)


def test_curves_by_class_leave_the_others_alone():
    entry = f"class_id_xy_pairs_map {{ key: 1 value {{ {CURVE} }} }}"
    got = scores(f"score_converter: SIGMOID calibration_config {{ class_id_function_approximations {{ {entry} }} }}")
    expected = SIGMOID.copy()
    expected[..., 1] = np.interp(SIGMOID[..., 1], [0.2, 0.5, 0.9], [0.1, 0.6, 0.7])
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_curves_at_their_points_and_beyond():
    values = tf.constant([[-1.0, 0.0, 0.25, 0.5, 1.0, 2.0]])
    np.testing.assert_allclose(
        piecewise_linear(values, [0.0, 0.5, 1.0], [0.1, 0.4, 0.9]), [[0.1, 0.1, 0.25, 0.4, 0.9, 0.9]]
    )
    np.testing.assert_allclose(piecewise_linear(values, [0.0, 1.0], [1.0, 3.0])[0, 2], 1.5)
    np.testing.assert_allclose(piecewise_linear(values, [0.3], [0.8]), np.full([1, 6], 0.8), rtol=1e-6)
