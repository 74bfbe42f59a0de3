"""Prediction heads of which each feature map has its own."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from odtk import step_random
from odtk.layers.conv import ConvBlock, ConvParams, DepthwiseBlock, convolve_each
from odtk.layers.heads import flat_map


class MapHead(tf_keras.layers.Layer):
    """Box and class predictions from one map: `num_layers` 1x1 convolutions that both share, then a convolution each.

    With `depthwise`, the latter is a depthwise convolution with batch norm and activation, followed by a 1x1
    convolution; as in TFOD, its class bias then starts at 0 whatever `class_bias` is.
    """

    def __init__(
        self,
        params: ConvParams,
        depth: int,
        num_layers: int,
        kernel_size: int,
        num_boxes: int,
        num_outputs: int,
        class_bias: float,
        depthwise: bool = False,
        dropout_rate: float | None = None,
        box_code_size: int = 4,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_outputs, self.box_code_size = num_outputs, box_code_size
        self.tower = [ConvBlock(params, depth, 1, name=f"tower_{index}") for index in range(num_layers)]
        self.dropout = tf_keras.layers.Dropout(dropout_rate) if dropout_rate is not None else None
        self.box_depthwise = DepthwiseBlock(params, kernel_size, name="box_depthwise") if depthwise else None
        self.class_depthwise = DepthwiseBlock(params, kernel_size, name="class_depthwise") if depthwise else None
        if depthwise:
            kernel_size, class_bias = 1, 0.0
        bias = tf_keras.initializers.Constant(class_bias)
        self.box_conv = params.conv(num_boxes * box_code_size, kernel_size, name="box_encodings", use_bias=True)
        self.class_conv = params.conv(
            num_boxes * num_outputs, kernel_size, name="class_logits", use_bias=True, bias_initializer=bias
        )

    def call(self, x, training=None, norm_training=None, convolve=convolve_each):
        """[batch, h, w, c] to ([batch, anchors, codes], [batch, anchors, num_outputs]), by row, column, anchor."""
        for block in self.tower:
            x = block(x, training=norm_training)
        boxes = x if self.box_depthwise is None else self.box_depthwise(x, training=norm_training)
        if self.dropout is not None and training:
            # The layer is what checkpoints hold; it would draw otherwise than by the step's seed.
            x = step_random.dropout(x, self.dropout.rate)
        classes = x if self.class_depthwise is None else self.class_depthwise(x, training=norm_training)
        (boxes,), (classes,) = convolve(self.box_conv, [boxes]), convolve(self.class_conv, [classes])
        return flat_map(boxes, self.box_code_size), flat_map(classes, self.num_outputs)


class MapHeads(tf_keras.layers.Layer):
    """Box and class predictions of TFOD's `convolutional_box_predictor`.

    Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.1. `channels` and `per_location` (the number of
    anchors at a cell) are those of each map. The `num_layers` convolutions ahead of the predictions have as many
    channels as the map, but at most `max_depth` and at least `min_depth`; there are none where that is 0. Other
    arguments are those of `MapHead` and of odtk.layers.heads.SharedHeads.
    """

    def __init__(
        self,
        params: ConvParams,
        channels: Sequence[int],
        per_location: Sequence[int],
        num_layers: int = 0,
        min_depth: int = 0,
        max_depth: int = 0,
        box_clip_range: tuple[float, float] | None = None,
        name: str | None = None,
        **options,
    ):
        super().__init__(name=name)
        self.convolve = convolve_each
        self.box_clip_range = box_clip_range
        depths = [max(min(of_map, max_depth), min_depth) for of_map in channels]
        self.heads = [
            MapHead(params, depth, num_layers if depth else 0, num_boxes=count, name=f"map_{index}", **options)
            for index, (depth, count) in enumerate(zip(depths, per_location, strict=True))
        ]

    def call(self, feature_maps, training=None, norm_training=None):
        """See odtk.layers.heads.SharedHeads.call."""
        found = [
            head(x, training=training, norm_training=norm_training, convolve=self.convolve)
            for head, x in zip(self.heads, feature_maps, strict=True)
        ]
        # What reads them is not computed in low precision.
        boxes, logits = (tf.cast(tf.concat(parts, axis=1), self.variable_dtype) for parts in zip(*found, strict=True))
        return boxes if self.box_clip_range is None else tf.clip_by_value(boxes, *self.box_clip_range), logits
