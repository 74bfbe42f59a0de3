"""Biases of convolutions and dense layers in bfloat16 on CPUs, with gradients that are added up in float32."""

import tensorflow as tf
import tf_keras

from odtk.hardware import is_on_tpu
from odtk.layers.precision import BFLOAT16


def with_exact_bias(kind: type[tf_keras.layers.Layer]) -> type[tf_keras.layers.Layer]:
    """A class of convolutions or dense layers, or in bfloat16 on a CPU one whose bias has an exact gradient.

    Not with an activation. TensorFlow's own kernel for CPUs adds that gradient up in bfloat16: from some 256 values of
    one size and sign on, it grows no more. That for GPUs adds it up in float32.
    """
    is_low = tf_keras.mixed_precision.global_policy().compute_dtype == BFLOAT16
    is_on_cpu = not tf.config.get_visible_devices("GPU") and not is_on_tpu()
    return _EXACT[kind] if is_low and is_on_cpu else kind


class _ExactBias(tf_keras.layers.Layer):
    use_bias: bool

    def call(self, x):
        if not self.use_bias:
            return super().call(x)
        self.use_bias = False
        try:
            y = super().call(x)
        finally:
            self.use_bias = True
        return _plus(y, tf.convert_to_tensor(self.bias))


_KINDS = (
    tf_keras.layers.Conv2D,
    tf_keras.layers.SeparableConv2D,
    tf_keras.layers.DepthwiseConv2D,
    tf_keras.layers.Dense,
)
_EXACT = {kind: type(f"ExactBias{kind.__name__}", (_ExactBias, kind), {}) for kind in _KINDS}


@tf.custom_gradient
def _plus(x, bias):
    def gradients(upstream):
        exact = tf.reduce_sum(tf.cast(upstream, tf.float32), range(upstream.shape.rank - 1))
        return upstream, tf.cast(exact, bias.dtype)

    return tf.nn.bias_add(x, bias), gradients
