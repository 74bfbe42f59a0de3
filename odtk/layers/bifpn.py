"""The bidirectional feature pyramid of EfficientDet, as TFOD builds it.

Tan et al., "EfficientDet: Scalable and Efficient Object Detection", 2020. Nodes combine maps of their own and of the
neighboring level: down from the coarsest level to the finest one, then up again, several times.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from odtk.layers.conv import ConvParams
from odtk.layers.fpn import UpsamplingBy2

_LEAST_SUM = 1e-4  # of weights, by which they are divided


class Node(NamedTuple):
    """A map of the pyramid, and the maps that it is made of: numbered, the backbone's before the nodes'."""

    level: int
    sources: tuple[int, ...]


def pyramid_nodes(finest: int, coarsest: int, num_backbone_maps: int, iterations: int) -> list[Node]:
    """The nodes in TFOD's order; the last ones are the pyramid's levels, finest first.

    The backbone has maps from level `finest` on, the pyramid needs at least one level more. Nodes with one source are
    the maps of these further levels before the first iteration.
    """
    levels, nodes = range(finest, coarsest + 1), []
    newest = {level: index for index, level in enumerate(levels[:num_backbone_maps])}

    def add(level: int, *sources: int) -> int:
        nodes.append(Node(level, sources))
        return num_backbone_maps + len(nodes) - 1

    for level in levels[num_backbone_maps:]:
        newest[level] = add(level, newest[level - 1])
    for _ in range(iterations):
        last, down = newest[coarsest], {}
        for level in reversed(levels[:-1]):
            last = down[level] = add(level, newest[level], last)
        newest[finest] = last
        for level in levels[1:]:
            same_level = (newest[level], down[level]) if level in down else (newest[level],)
            last = newest[level] = add(level, *same_level, last)
    return nodes


class BiFpn(tf_keras.layers.Layer):
    """The nodes of `pyramid_nodes`, all with `depth` channels.

    As TFOD computes it: a map of the backbone is projected once for each node that it is a source of; the first
    further level is a projection of the backbone's last map, too, and the others are pooled from it.
    """

    def __init__(
        self,
        params: ConvParams,
        depth: int,
        levels: tuple[int, int],
        num_backbone_maps: int,
        iterations: int,
        combine: str = "fast_attention",
        **kwargs,
    ):
        """`levels`: the finest and the coarsest; `combine`: of COMBINATIONS."""
        super().__init__(**kwargs)
        finest, coarsest = levels
        self.plan = pyramid_nodes(finest, coarsest, num_backbone_maps, iterations)
        self.num_levels = coarsest - finest + 1
        level_of = [*range(finest, finest + num_backbone_maps), *(node.level for node in self.plan)]
        self.nodes = []
        for number, node in enumerate(self.plan):
            inputs = [(source < num_backbone_maps, node.level - level_of[source]) for source in node.sources]
            self.nodes.append(BiFpnNode(params, depth, inputs, combine, name=f"node_{number}_level_{node.level}"))

    def call(self, backbone_maps, training=None):
        """Maps [batch, h, w, c], finest first, each half the size of the one before, to the list of levels."""
        maps = list(backbone_maps)
        for node, layer in zip(self.plan, self.nodes, strict=True):
            maps.append(layer([maps[source] for source in node.sources], training=training))
        return maps[-self.num_levels :]


class BiFpnNode(tf_keras.layers.Layer):
    """Resamples its inputs, combines them and convolves the result; with one input it only resamples."""

    def __init__(self, params: ConvParams, depth: int, inputs: Sequence[tuple[bool, int]], combine: str, **kwargs):
        """`inputs`: whether each is projected to `depth` channels, and by how many levels it is made coarser."""
        super().__init__(**kwargs)
        self.resampling = [
            Resampling(params, depth if is_projected else None, coarser, name=f"input_{index}")
            for index, (is_projected, coarser) in enumerate(inputs)
        ]
        self.combination = None
        if len(inputs) > 1:
            self.combination = Combination(combine, name="combination")
            self.activation = params.activate(name="activation")
            self.conv = params.separable_conv(depth, 3, pointwise=True, name="conv")
            self.norm = params.norm(name="norm")

    def call(self, maps, training=None):
        """A list of maps [batch, h, w, c] to one [batch, h, w, depth], not activated."""
        maps = [resample(x, training=training) for resample, x in zip(self.resampling, maps, strict=True)]
        if self.combination is None:
            return maps[0]
        return self.norm(self.conv(self.activation(self.combination(maps))), training=training)


class Resampling(tf_keras.layers.Layer):
    """A 1x1 convolution with a batch norm, if `depth` is given, and the step to a coarser (1) or finer (-1) level."""

    def __init__(self, params: ConvParams, depth: int | None, coarser: int, **kwargs):
        super().__init__(**kwargs)
        self.conv = None if depth is None else params.conv(depth, 1, name="conv")
        self.norm = None if depth is None else params.norm(name="norm")
        self.resize = None
        if coarser == 1:
            self.resize = tf_keras.layers.MaxPool2D(3, 2, padding="same", name="pool")
        elif coarser == -1:
            self.resize = UpsamplingBy2(2, interpolation="nearest", name="upsample")

    def call(self, x, training=None):
        """[batch, h, w, c]; of half or twice the size where the level changes."""
        if self.conv is not None and self.norm is not None:
            x = self.norm(self.conv(x), training=training)
        return x if self.resize is None else self.resize(x)


class Combination(tf_keras.layers.Layer):
    """A sum of maps with a trained weight for each, which `method` of COMBINATIONS normalizes."""

    def __init__(self, method: str, **kwargs):
        super().__init__(**kwargs)
        self.normalize, self.per_input_weights = COMBINATIONS[method], None

    def build(self, input_shape):
        """Creates the weights, where the method has any."""
        if self.normalize is not None:
            shape = (len(input_shape), 1)
            self.per_input_weights = self.add_weight("bifpn_combine_weights", shape, initializer="ones")
        super().build(input_shape)

    def call(self, maps):
        """A list of maps of the same shape to their sum."""
        if self.normalize is not None:
            weights = tf.reshape(tf.convert_to_tensor(self.per_input_weights), [len(maps)])
            weights = tf.unstack(self.normalize(weights))
            maps = [weight * x for weight, x in zip(weights, maps, strict=True)]
        return tf.add_n(maps)


def _fast_attention(weights):
    weights = tf.nn.relu(weights)
    return weights / (tf.reduce_sum(weights) + _LEAST_SUM)


def _attention(weights):
    # TFOD's softmax is over an axis of one weight: each is 1, and its gradient 0.
    return tf.reshape(tf.nn.softmax(tf.reshape(weights, [-1, 1])), [-1])


# TFOD's names, and what of the weights [inputs] the maps are multiplied with; None where there are no weights.
COMBINATIONS: dict[str, Callable | None] = {
    "fast_attention": _fast_attention,
    "weighted_sum": tf.identity,
    "attention": _attention,
    "sum": None,
}
