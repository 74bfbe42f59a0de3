"""The feature pyramid of TFOD's SSDs; not the FPN paper's (see `FeaturePyramid`)."""

import tensorflow as tf
import tf_keras

from odtk.layers.conv import ConvBlock, ConvParams, convolve_each


class FeaturePyramid(tf_keras.layers.Layer):
    """Merges the backbone's last `num_merged` maps top-down and adds coarser levels by strided convolutions.

    As TFOD computes it and unlike Lin et al., "Feature Pyramid Networks for Object Detection", 2017: the top-down path
    upsamples the *finished* output of the level above (smoothed, normalized, activated); the top level is a projection,
    not smoothed; and there is no activation before a coarse convolution.

    `depthwise` makes the smoothing and coarse convolutions separable. With `explicit_padding` they are padded
    explicitly, and upsampled maps are cropped to the map they are added to, which need not be exactly twice as large.
    """

    def __init__(
        self,
        params: ConvParams,
        depth: int,
        num_coarse: int = 2,
        num_merged: int = 3,
        depthwise: bool = False,
        explicit_padding: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.convolve = convolve_each
        self.cuts = explicit_padding
        options = {"depthwise": depthwise, "explicit_padding": explicit_padding}
        # Lists are ordered top-down, as TFOD's checkpoints number them: index 0 is the level below the top.
        lower = range(num_merged - 1)
        self.top = params.conv(depth, 1, name="top", use_bias=True)
        self.lateral = [params.conv(depth, 1, name=f"lateral_{i}", use_bias=True) for i in lower]
        self.smoothing = [ConvBlock(params, depth, 3, name=f"smoothing_{i}", **options) for i in lower]
        self.coarse = [ConvBlock(params, depth, 3, strides=2, name=f"coarse_{i}", **options) for i in range(num_coarse)]
        self.upsample = UpsamplingBy2(2, interpolation="nearest")

    def call(self, backbone_maps, training=None):
        """Maps [batch, h, w, c], finest first, each half the size of the one before, to the list of levels."""
        *finer, top = backbone_maps
        levels = [self.top(top)]
        for backbone_map, lateral, smoothing in zip(reversed(finer), self.lateral, self.smoothing, strict=True):
            projected, above = lateral(backbone_map), self.upsample(levels[0])
            merged = (_cut(above, projected) if self.cuts else above) + projected
            levels.insert(0, smoothing(merged, training=training, convolve=self.convolve))
        for coarse in self.coarse:
            levels.append(coarse(levels[-1], training=training))
        return levels


class UpsamplingBy2(tf_keras.layers.UpSampling2D):
    """UpSampling2D whose gradient XLA can compile, with the same values: it has none for nearest neighbors."""

    def call(self, x):
        """[batch, height, width, channels] to [batch, 2 * height, 2 * width, channels]."""

        @tf.custom_gradient
        def upsample(x):
            return super(UpsamplingBy2, self).call(x), _sums_of_four

        return upsample(x)


def _sums_of_four(gradient):
    # The mean times 4 is exact, and on CPUs quicker than a sum of slices. In low precision a mean could underflow.
    exact = tf.cast(gradient, tf.float32) if gradient.dtype.size < 4 else gradient
    return tf.cast(4.0 * tf.nn.avg_pool2d(exact, 2, 2, "VALID"), gradient.dtype)


def _cut(x, to):
    """The top left part of x that is as large as `to`."""
    height, width = tf.unstack(tf.shape(to)[1:3])
    return tf.ensure_shape(x[:, :height, :width], to.shape)
