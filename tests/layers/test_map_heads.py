import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from odtk.layers.conv import BatchNormParams, ConvParams
from odtk.layers.map_heads import MapHeads

NORM = BatchNormParams(momentum=0.5, scale=True)
SIZES, CHANNELS = [(4, 6), (2, 3)], (5, 8)


def normal():
    return tf_keras.initializers.RandomNormal(0.0, 0.3)


def make_heads(**changes) -> MapHeads:
    options = {"kernel_size": 1, "num_outputs": 4, "class_bias": -4.6, "channels": CHANNELS, "per_location": (2, 3)}
    params = ConvParams(normal, tf_keras.regularizers.L2(1.0), NORM)
    return MapHeads(params, **(options | changes))


@pytest.fixture(autouse=True)
def seeded():
    """Some weights switch all of a cell's channels off, which then decides nothing."""
    tf_keras.utils.set_random_seed(1)


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    return [
        tf.constant(rng.normal(size=(2, *size, channels)), tf.float32)
        for size, channels in zip(SIZES, CHANNELS, strict=True)
    ]


def test_an_anchors_index_runs_map_row_column_anchor(maps):
    """A cell decides its own anchors and no others; maps have different numbers of them."""
    heads = make_heads()
    boxes, logits = heads(maps)
    assert boxes.shape == logits.shape == (2, 2 * 24 + 3 * 6, 4)
    for index, row, column, first, count in [(0, 2, 5, (2 * 6 + 5) * 2, 2), (1, 1, 0, 48 + 3 * 3, 3)]:
        touched = list(maps)
        cell = np.zeros([1, *SIZES[index], 1], np.float32)
        cell[0, row, column] = 1
        touched[index] = touched[index] + cell
        for before, after in zip((boxes, logits), heads(touched), strict=True):
            changed = np.flatnonzero((before != after).numpy().any(axis=(0, 2)))
            assert changed.tolist() == list(range(first, first + count))


@pytest.mark.parametrize(
    ("limits", "depths"), [((0, 6), [5, 6]), ((7, 7), [7, 7]), ((6, 9), [6, 8]), ((0, 0), [])], ids=str
)
def test_layers_before_the_predictions_are_as_wide_as_the_map_within_limits(maps, limits, depths):
    heads = make_heads(num_layers=2, min_depth=limits[0], max_depth=limits[1])
    heads(maps)
    assert [block.conv.filters for head in heads.heads for block in head.tower] == [
        each for each in depths for _ in "12"
    ]


def test_a_depthwise_head_is_not_penalized_but_for_its_pointwise_convolution(maps):
    heads = make_heads(kernel_size=3, depthwise=True)
    heads(maps)
    convs = [conv for head in heads.heads for conv in (head.box_conv, head.class_conv)]
    penalty = sum(float(tf.reduce_sum(conv.kernel**2)) for conv in convs)
    assert float(tf.add_n(heads.losses)) == pytest.approx(penalty, rel=1e-5)


@pytest.mark.parametrize(("depthwise", "bias"), [(False, -4.6), (True, 0.0)])
def test_a_depthwise_heads_class_bias_starts_at_0(maps, depthwise, bias):
    heads = make_heads(kernel_size=3, depthwise=depthwise)
    heads(maps)
    for head in heads.heads:
        np.testing.assert_allclose(head.class_conv.bias, np.full(head.class_conv.filters, bias), rtol=1e-6)
        np.testing.assert_array_equal(head.box_conv.bias, np.zeros(head.box_conv.filters))


def test_dropout_is_on_class_features_in_training_alone(maps):
    heads = make_heads(dropout_rate=0.5)
    boxes, logits = heads(maps)
    dropped_boxes, dropped_logits = heads(maps, training=True, norm_training=False)
    np.testing.assert_array_equal(dropped_boxes, boxes)
    assert np.abs(dropped_logits - logits).max() > 0.01
    np.testing.assert_array_equal(heads(maps, training=False)[1], logits)


def test_norm_training_alone_rules_the_batch_norms(maps):
    heads = make_heads(kernel_size=3, depthwise=True, num_layers=1, max_depth=8)
    inference, _ = heads(maps)
    frozen, _ = heads(maps, training=True, norm_training=False)
    np.testing.assert_array_equal(frozen, inference)
    trained, _ = heads(maps, norm_training=True)
    assert np.abs(trained - inference).max() > 1e-3


def test_box_encodings_are_clipped_and_logits_are_not(maps):
    free, _ = make_heads()(maps)
    assert np.abs(free).max() > 0.1
    clipped, logits = make_heads(box_clip_range=(-0.1, 0.05))(maps)
    assert (clipped.numpy().min(), clipped.numpy().max()) == pytest.approx((-0.1, 0.05))
    assert logits.numpy().min() < -0.1


def test_sizes_may_be_unknown_when_the_graph_is_built(maps):
    heads = make_heads(kernel_size=3)
    specs = [tf.TensorSpec([None, None, None, channels]) for channels in CHANNELS]
    graph = tf.function(lambda *inputs: heads(list(inputs)), input_signature=specs)
    for ours, other in zip(graph(*maps), heads(maps), strict=True):
        np.testing.assert_allclose(ours, other, atol=1e-5)
