"""The coarser feature maps that SSDs without a feature pyramid add to those of their backbone."""

from collections.abc import Sequence

import tf_keras

from odtk.layers.conv import ConvBlock, ConvParams, DepthwiseBlock


class ExtraMap(tf_keras.layers.Layer):
    """A map of half the size: a 1x1 convolution to `squeezed` channels, then one of stride 2 to `depth`.

    `depthwise`: the second is a depthwise and a 1x1 convolution, each with batch norm and activation.
    """

    def __init__(
        self,
        params: ConvParams,
        squeezed: int,
        depth: int,
        depthwise: bool = False,
        explicit_padding: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        options: dict = {"strides": 2, "explicit_padding": explicit_padding}
        self.blocks: list[tf_keras.layers.Layer] = [ConvBlock(params, squeezed, 1, name="squeeze")]
        if depthwise:
            self.blocks += [
                DepthwiseBlock(params, 3, name="depthwise", **options),
                ConvBlock(params, depth, 1, name="pointwise"),
            ]
        else:
            self.blocks.append(ConvBlock(params, depth, 3, name="reduce", **options))

    def call(self, x, training=None):
        """[batch, height, width, channels] to [batch, height / 2, width / 2, depth], rounded up."""
        for block in self.blocks:
            x = block(x, training=training)
        return x


class ExtraMaps(tf_keras.layers.Layer):
    """Adds a coarser map for each of `depths`, pairs of (squeezed, depth), to the backbone's first `num_own` maps.

    Liu et al., "SSD: Single Shot MultiBox Detector", 2016, figure 2.
    """

    def __init__(
        self,
        params: ConvParams,
        depths: Sequence[tuple[int, int]],
        num_own: int = 2,
        depthwise: bool = False,
        explicit_padding: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_own = num_own
        self.extra = [
            ExtraMap(params, *channels, depthwise, explicit_padding, name=f"extra_{index}")
            for index, channels in enumerate(depths)
        ]

    def call(self, backbone_maps, training=None):
        """Maps [batch, h, w, c], finest first, to all maps."""
        maps = list(backbone_maps[: self.num_own])
        for extra in self.extra:
            maps.append(extra(maps[-1], training=training))
        return maps
