"""Builds ConvParams from a config's `conv_hyperparams`."""

from collections.abc import Callable

import tf_keras

from odtk.layers.conv import BatchNormParams, ConvParams
from odtk.protos import hyperparams_pb2

_ACTIVATIONS = {"NONE": None, "RELU": "relu", "RELU_6": "relu6", "SWISH": "swish"}


def build_conv_params(message: hyperparams_pb2.Hyperparams) -> ConvParams:
    """An empty regularizer means none; an empty initializer means Keras's default, as in TFOD."""
    return ConvParams(
        initializer=_build_initializer(message.initializer),
        regularizer=_build_regularizer(message.regularizer),
        batch_norm=_build_batch_norm(message),
        activation=_ACTIVATIONS[hyperparams_pb2.Hyperparams.Activation.Name(message.activation)],
        force_use_bias=message.force_use_bias,
    )


def _build_batch_norm(message: hyperparams_pb2.Hyperparams) -> BatchNormParams | None:
    kind = message.WhichOneof("normalizer_oneof")
    if kind not in ("batch_norm", "sync_batch_norm"):
        return None
    norm = getattr(message, kind)
    return BatchNormParams(norm.decay, norm.epsilon, norm.center, norm.scale, kind == "sync_batch_norm")


def _build_regularizer(message: hyperparams_pb2.Regularizer):
    match message.WhichOneof("regularizer_oneof"):
        case "l1_regularizer":
            return tf_keras.regularizers.L1(message.l1_regularizer.weight)
        case "l2_regularizer":
            # TFOD's L2 penalty has a factor 0.5, Keras's has not.
            return tf_keras.regularizers.L2(0.5 * message.l2_regularizer.weight)
    return None


def _build_initializer(message: hyperparams_pb2.Initializer) -> Callable:
    match message.WhichOneof("initializer_oneof"):
        case "truncated_normal_initializer":
            normal = message.truncated_normal_initializer
            return lambda: tf_keras.initializers.TruncatedNormal(normal.mean, normal.stddev)
        case "random_normal_initializer":
            whole = message.random_normal_initializer
            return lambda: tf_keras.initializers.RandomNormal(whole.mean, whole.stddev)
        case "variance_scaling_initializer":
            scaling = message.variance_scaling_initializer
            mode = hyperparams_pb2.VarianceScalingInitializer.Mode.Name(scaling.mode).lower()
            kind = "uniform" if scaling.uniform else "truncated_normal"
            return lambda: tf_keras.initializers.VarianceScaling(scaling.factor, mode, kind)
        case "keras_initializer_by_name":
            return lambda: tf_keras.initializers.get(message.keras_initializer_by_name)
    return tf_keras.initializers.GlorotUniform
