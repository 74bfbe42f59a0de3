import numpy as np
import pytest
import tf_keras
from google.protobuf import text_format

from odtk.detectors.parts.hyperparams import build_conv_params
from odtk.layers.conv import BatchNormParams
from odtk.layers.resnet_v1 import BACKBONE_DEFAULTS
from odtk.protos import hyperparams_pb2

KERNEL = np.float32([[1, -2], [3, 0]])


def params_of(text: str):
    return build_conv_params(text_format.Parse(text, hyperparams_pb2.Hyperparams()))


@pytest.mark.parametrize(
    ("text", "penalty"),
    [
        ("l2_regularizer { weight: 0.1 }", 0.5 * 0.1 * 14),
        ("l1_regularizer { weight: 0.1 }", 0.1 * 6),
    ],
)
def test_penalties(text, penalty):
    assert float(params_of(f"regularizer {{ {text} }}").regularizer(KERNEL)) == pytest.approx(penalty)


def test_no_regularizer():
    assert params_of("regularizer { }").regularizer is None
    assert params_of("").regularizer is None


def test_the_backbones_own_penalty_is_not_halved():
    assert float(BACKBONE_DEFAULTS.regularizer(KERNEL)) == pytest.approx(1e-4 * 14)


@pytest.mark.parametrize(
    ("text", "kind", "numbers"),
    [
        ("truncated_normal_initializer { mean: 0.1 stddev: 0.2 }", "TruncatedNormal", {"mean": 0.1, "stddev": 0.2}),
        ("random_normal_initializer { mean: 0.1 stddev: 0.2 }", "RandomNormal", {"mean": 0.1, "stddev": 0.2}),
        (
            "variance_scaling_initializer { }",
            "VarianceScaling",
            {"scale": 2.0, "mode": "fan_in", "distribution": "truncated_normal"},
        ),
        (
            "variance_scaling_initializer { factor: 1.5 uniform: true mode: FAN_AVG }",
            "VarianceScaling",
            {"scale": 1.5, "mode": "fan_avg", "distribution": "uniform"},
        ),
        ("keras_initializer_by_name: 'he_normal'", "HeNormal", {}),
        ("", "GlorotUniform", {}),
    ],
)
def test_initializers(text, kind, numbers):
    initializer = params_of(f"initializer {{ {text} }}").initializer()
    assert type(initializer).__name__ == kind
    config = initializer.get_config()
    for name, value in numbers.items():
        assert config[name] == (pytest.approx(value) if isinstance(value, float) else value)


def test_each_layer_has_an_initializer_of_its_own():
    make = params_of("initializer { random_normal_initializer { } }").initializer
    assert make() is not make()


@pytest.mark.parametrize(
    ("activation", "ours"), [("NONE", None), ("RELU", "relu"), ("RELU_6", "relu6"), ("SWISH", "swish")]
)
def test_activations(activation, ours):
    params = params_of(f"activation: {activation}")
    assert params.activation == ours
    values = np.float32([-10, -1, 0, 1, 10])
    expected = {
        None: values,
        "relu": [0, 0, 0, 1, 10],
        "relu6": [0, 0, 0, 1, 6],
        "swish": values / (1 + np.exp(-values)),
    }[ours]
    np.testing.assert_allclose(params.activate()(values), expected, rtol=1e-5)


def test_the_schemas_activation_is_relu():
    assert params_of("").activation == "relu"


def test_batch_norm():
    params = params_of("batch_norm { decay: 0.75 epsilon: 0.5 center: false scale: true }")
    assert params.batch_norm == BatchNormParams(momentum=0.75, epsilon=0.5, center=False, scale=True)
    layer = params.norm()
    layer.build([None, 4])
    assert {weight.name.split(":")[0] for weight in layer.weights} == {"gamma", "moving_mean", "moving_variance"}
    assert (layer.momentum, layer.epsilon) == (0.75, 0.5)
    assert isinstance(layer, tf_keras.layers.BatchNormalization)


def test_synchronized_batch_norm_is_batch_norm_over_all_replicas():
    params = params_of("sync_batch_norm { decay: 0.75 epsilon: 0.5 center: false scale: true }")
    assert params.batch_norm == BatchNormParams(0.75, 0.5, center=False, scale=True, synchronized=True)
    assert params.needs_bias
    norm, inputs = params.norm("norm"), np.float32([1, 3]).reshape([2, 1, 1, 1])
    outputs = norm(inputs, training=True)
    np.testing.assert_allclose(np.squeeze(outputs), np.array([-1, 1]) / np.sqrt(1 + 0.5), rtol=1e-6)
    # TFOD's layer takes the variance as it is, 1; that of batch_norm on images estimates it as 2.
    assert float(norm.moving_variance[0]) == 0.75 * 1 + 0.25 * 1
    assert float(norm.moving_mean[0]) == 0.25 * 2


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_statistics_are_float32_in_every_precision(precision):
    """A thousand values cannot be counted in bfloat16, nor can their squares be added up in float16."""
    params = params_of("sync_batch_norm { decay: 0 scale: true }").batch_norm
    norm = tf_keras.layers.BatchNormalization(
        momentum=0.0, scale=True, synchronized=params.synchronized, dtype=precision
    )
    values = np.repeat([190.0, 210.0], 512).astype(np.float32).reshape([4, 16, 16, 1])
    outputs = norm(values, training=True)
    assert outputs.dtype == precision.removeprefix("mixed_")
    assert float(norm.moving_mean[0]) == 200
    assert float(norm.moving_variance[0]) == pytest.approx(100, rel=1e-3)


def test_no_batch_norm_unless_it_is_named():
    assert params_of("").batch_norm is None
    norm = params_of("batch_norm { }").batch_norm
    assert (norm.momentum, norm.epsilon) == pytest.approx((0.999, 0.001))
    assert (norm.center, norm.scale) == (True, False)


@pytest.mark.parametrize(
    ("text", "bias"),
    [
        ("", True),
        ("batch_norm { }", False),
        ("batch_norm { center: false }", True),
        ("batch_norm { } force_use_bias: true", True),
    ],
)
def test_bias(text, bias):
    assert params_of(text).conv(4, 3).use_bias is bias
