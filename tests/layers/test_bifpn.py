"""The bidirectional pyramid's nodes, and how they combine maps."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from odtk.layers.bifpn import BiFpn, Combination, Node, pyramid_nodes
from odtk.layers.conv import ConvParams


def test_the_nodes_of_two_iterations():
    """Two maps of the backbone (0 and 1), one further level, down and up; numbers are those of earlier maps."""
    assert pyramid_nodes(4, 6, 2, 2) == [
        Node(6, (1,)),  # 2: the further level
        Node(5, (1, 2)),  # 3: down
        Node(4, (0, 3)),  # 4: down to the finest
        Node(5, (1, 3, 4)),  # 5: up, from the backbone's map and the node of the way down
        Node(6, (2, 5)),  # 6: up to the coarsest
        Node(5, (5, 6)),
        Node(4, (4, 7)),  # the finest level has no node of the way up: its own of the iteration before
        Node(5, (5, 7, 8)),
        Node(6, (6, 9)),
    ]


def test_every_node_is_a_level_from_its_sources():
    finest, coarsest, backbone = 3, 7, 3
    nodes = pyramid_nodes(finest, coarsest, backbone, 3)
    level_of = [*range(finest, finest + backbone), *(node.level for node in nodes)]
    for number, node in enumerate(nodes):
        assert all(source < backbone + number for source in node.sources)
        assert all(abs(level_of[source] - node.level) <= 1 for source in node.sources)
    assert [node.level for node in nodes[-5:]] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("method", "weights", "factors"),
    [
        ("fast_attention", [2.0, -1.0, 1.0], np.array([2, 0, 1]) / 3.0001),
        ("weighted_sum", [2.0, -1.0, 1.0], [2, -1, 1]),
        ("attention", [2.0, -1.0, 1.0], [1, 1, 1]),
        ("sum", None, [1, 1, 1]),
    ],
)
def test_maps_are_combined(method, weights, factors):
    maps = [tf.random.stateless_normal([1, 2, 2, 4], [0, seed]) for seed in range(3)]
    layer = Combination(method)
    layer(maps)
    assert len(layer.weights) == (weights is not None)
    if weights is not None:
        layer.per_input_weights.assign(np.reshape(weights, [3, 1]))
    with tf.GradientTape() as tape:
        combined = layer(maps)
        loss = tf.reduce_sum(combined**2)
    expected = sum(factor * x for factor, x in zip(factors, maps, strict=True))
    np.testing.assert_allclose(combined, expected, atol=1e-6)
    if method == "attention":
        np.testing.assert_array_equal(tape.gradient(loss, layer.per_input_weights), np.zeros([3, 1]))


def test_maps_of_the_backbone_are_projected_for_each_of_their_nodes():
    params = ConvParams(tf_keras.initializers.GlorotUniform, batch_norm=None)
    pyramid = BiFpn(params, depth=4, levels=(4, 6), num_backbone_maps=2, iterations=2)
    # 4 channels, as the pyramid's: projected all the same.
    levels = pyramid([tf.ones([1, 8, 12, 4]), tf.ones([1, 4, 6, 7])])
    assert [tuple(level.shape) for level in levels] == [(1, 8, 12, 4), (1, 4, 6, 4), (1, 2, 3, 4)]
    projected = [[resampling.conv is not None for resampling in node.resampling] for node in pyramid.nodes]
    assert projected[:5] == [[True], [True, False], [True, False], [True, False, False], [False, False]]
    assert not any(any(each) for each in projected[5:])
