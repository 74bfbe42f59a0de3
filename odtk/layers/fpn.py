"""The feature pyramid of TFOD's SSD-ResNet-FPN; not the FPN paper's (see `FeaturePyramid`)."""

import tf_keras

from odtk.layers.conv import ConvBlock, ConvParams, convolve_each


class FeaturePyramid(tf_keras.layers.Layer):
    """C3..C5 to levels 3..7, coarser levels by strided convolutions.

    As TFOD computes it and unlike Lin et al., "Feature Pyramid Networks for Object Detection", 2017: what travels down
    is the level above's *finished* output (smoothed, normalised, activated); the top level is its bare projection,
    unsmoothed; and no activation stands before a coarse convolution.
    """

    def __init__(self, params: ConvParams, depth: int, num_coarse: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.convolve = convolve_each
        # Lists run from the top down, as TFOD's checkpoints number them: index 0 is level 4.
        self.top = params.conv(depth, 1, name="top", use_bias=True)
        self.lateral = [params.conv(depth, 1, name=f"lateral_{i}", use_bias=True) for i in range(2)]
        self.smoothing = [ConvBlock(params, depth, 3, name=f"smoothing_{i}") for i in range(2)]
        self.coarse = [ConvBlock(params, depth, 3, strides=2, name=f"coarse_{i}") for i in range(num_coarse)]
        self.upsample = tf_keras.layers.UpSampling2D(2, interpolation="nearest")

    def call(self, backbone_maps, training=None):
        """[C3, C4, C5], each [batch, h, w, c] and half the size of the one before, to the list of levels 3, 4, ..."""
        *finer, top = backbone_maps
        levels = [self.top(top)]
        for backbone_map, lateral, smoothing in zip(reversed(finer), self.lateral, self.smoothing, strict=True):
            merged = self.upsample(levels[0]) + lateral(backbone_map)
            levels.insert(0, smoothing(merged, training=training, convolve=self.convolve))
        for coarse in self.coarse:
            levels.append(coarse(levels[-1], training=training))
        return levels
