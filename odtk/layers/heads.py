"""Prediction heads whose convolutions are shared by all levels of a pyramid, with a batch norm per level."""

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf
import tf_keras

from odtk import step_random
from odtk.layers.conv import ConvParams, convolve_each


class SharedTower(tf_keras.layers.Layer):
    """`num_layers` convolutions with `depth` channels; levels share the kernels, but not batch norms (if any).

    `rule_pointwise`: the parameters' initializer and regularizer also apply to the pointwise kernels of `depthwise`
    convolutions.
    """

    def __init__(
        self,
        params: ConvParams,
        depth: int,
        num_layers: int,
        kernel_size: int,
        num_levels: int,
        depthwise: bool = False,
        rule_pointwise: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        make_conv = functools.partial(params.separable_conv, pointwise=rule_pointwise) if depthwise else params.conv
        use_bias = _needs_bias(params)
        self.convs = [make_conv(depth, kernel_size, name=f"conv_{i}", use_bias=use_bias) for i in range(num_layers)]
        self.norms = [
            [params.norm(name=f"norm_{level}_{i}") for i in range(num_layers)] if params.batch_norm else []
            for level in range(num_levels)
        ]
        self.activation = params.activate(name="activation")

    def call(self, maps, training=None, convolve=convolve_each):
        """The pyramid's levels, finest first, each [batch, h, w, c], to [batch, h, w, depth] each."""
        for index, conv in enumerate(self.convs):
            maps = convolve(conv, maps)
            if self.norms[0]:
                maps = [norms[index](x, training=training) for norms, x in zip(self.norms, maps, strict=True)]
            maps = [self.activation(x) for x in maps]
        return maps


class Projection(tf_keras.layers.Layer):
    """A 1x1 convolution with its batch norm (if any), but no activation; it brings a map to `depth` channels."""

    def __init__(self, params: ConvParams, depth: int, **kwargs):
        super().__init__(**kwargs)
        self.conv = params.conv(depth, 1, name="conv", use_bias=_needs_bias(params))
        self.norm = params.norm(name="norm") if params.batch_norm else None

    def call(self, x, training=None):
        """[batch, h, w, c] to [batch, h, w, depth]."""
        x = self.conv(x)
        return x if self.norm is None else self.norm(x, training=training)


class SharedHeads(tf_keras.layers.Layer):
    """Box and class predictions of TFOD's `weight_shared_convolutional_box_predictor`.

    Lin et al., "Focal Loss for Dense Object Detection", 2017, with per-level batch norm. `channels` are those of each
    level's map; where they differ, each is projected to the most frequent number of them first. `num_outputs` is the
    number of class logits per anchor, including the background's if there is one. With `depthwise`, `rule_pointwise`
    and `rule_predictions` say whether the parameters' initializer and regularizer also apply to the towers' pointwise
    kernels and to the prediction convolutions.
    """

    def __init__(
        self,
        params: ConvParams,
        depth: int,
        num_layers: int,
        kernel_size: int,
        channels: Sequence[int],
        anchors_per_location: int,
        num_outputs: int,
        class_bias: float,
        share_tower: bool = False,
        depthwise: bool = False,
        rule_pointwise: bool = False,
        rule_predictions: bool = False,
        dropout_rate: float | None = None,
        box_code_size: int = 4,
        box_clip_range: tuple[float, float] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_outputs, self.box_code_size = num_outputs, box_code_size
        self.convolve = convolve_each
        self.box_clip_range = box_clip_range
        self.projections = _projections(params, channels)
        tower = (params, depth, num_layers, kernel_size, len(channels), depthwise, rule_pointwise)
        self.box_tower = SharedTower(*tower, name="box_tower")
        self.class_tower = None if share_tower else SharedTower(*tower, name="class_tower")
        self.dropout = tf_keras.layers.Dropout(dropout_rate) if dropout_rate is not None else None
        make_conv: Callable = params.conv
        options: dict = {"use_bias": True}
        if depthwise:
            make_conv = params.separable_conv
            options |= {"depthwise": rule_predictions, "pointwise": rule_predictions}
        self.box_conv = make_conv(anchors_per_location * box_code_size, kernel_size, name="box_encodings", **options)
        options["bias_initializer"] = tf_keras.initializers.Constant(class_bias)
        self.class_conv = make_conv(anchors_per_location * num_outputs, kernel_size, name="class_logits", **options)

    def call(self, feature_maps, training=None, norm_training=None):
        """List of [batch, h, w, c] to (box encodings [batch, anchors, codes], logits [batch, anchors, num_outputs]).

        Anchors are ordered by level, row, column, anchor; both are of the variables' type. `norm_training` is for batch
        norms, `training` for dropout.
        """
        if self.projections:
            pairs = zip(self.projections, feature_maps, strict=True)
            feature_maps = [projection(x, training=norm_training) for projection, x in pairs]
        box_features = class_features = self.box_tower(feature_maps, training=norm_training, convolve=self.convolve)
        if self.class_tower is not None:
            class_features = self.class_tower(feature_maps, training=norm_training, convolve=self.convolve)
        if self.dropout is not None and training:
            # The layer is what checkpoints hold; it would draw otherwise than by the step's seed.
            class_features = [step_random.dropout(features, self.dropout.rate) for features in class_features]
        # What reads them is not computed in low precision.
        boxes = tf.cast(_flat(self.convolve(self.box_conv, box_features), self.box_code_size), self.variable_dtype)
        if self.box_clip_range is not None:
            boxes = tf.clip_by_value(boxes, *self.box_clip_range)
        logits = tf.cast(_flat(self.convolve(self.class_conv, class_features), self.num_outputs), self.variable_dtype)
        return boxes, logits


def _projections(params: ConvParams, channels: Sequence[int]) -> list[Projection]:
    """One for each map, if they do not have the same number of channels."""
    if len(set(channels)) == 1:
        return []
    # Of equally frequent numbers, it is the first in Python's order of a set, as in TFOD.
    depth = max(set(channels), key=list(channels).count)
    return [Projection(params, depth, name=f"projection_{level}") for level in range(len(channels))]


def flat_map(x, code_size: int):
    """[batch, h, w, anchors * code_size] to [batch, h * w * anchors, code_size]."""
    height, width, channels = x.shape[1:]
    anchors = None if None in (height, width) else height * width * channels // code_size
    return tf.reshape(x, [tf.shape(x)[0], -1 if anchors is None else anchors, code_size])


def _needs_bias(params: ConvParams) -> bool:
    """TFOD's rule of these heads: unlike elsewhere, a batch norm without a beta does not call for a bias."""
    return params.force_use_bias or params.batch_norm is None


def _flat(maps, code_size: int):
    """Concatenates maps [batch, h, w, anchors * code_size] to [batch, all anchors, code_size]."""
    return tf.concat([flat_map(x, code_size) for x in maps], axis=1)
