import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from odtk.layers.conv import BatchNormParams, ConvParams
from odtk.layers.heads import SharedHeads

NORM = BatchNormParams(momentum=0.5, scale=True)
SIZES = [(4, 6), (2, 3)]


def normal():
    return tf_keras.initializers.RandomNormal(0.0, 0.3)


def make_heads(batch_norm=NORM, **changes) -> SharedHeads:
    options = {
        "depth": 5,
        "num_layers": 2,
        "kernel_size": 3,
        "channels": (5, 5),
        "anchors_per_location": 3,
        "num_outputs": 4,
        "class_bias": -4.6,
    }
    return SharedHeads(ConvParams(normal, batch_norm=batch_norm), **(options | changes))


@pytest.fixture(autouse=True)
def seeded():
    """Some weights switch all of a cell's channels off, which then decides nothing."""
    tf_keras.utils.set_random_seed(1)


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    return [tf.constant(rng.normal(size=(2, *size, 5)), tf.float32) for size in SIZES]


def test_an_anchors_index_runs_level_row_column_anchor(maps):
    """With 1x1 kernels, cell (row, column) of a level decides its own anchors and no others."""
    heads = make_heads(kernel_size=1)
    boxes, logits = heads(maps)
    assert boxes.shape == (2, 3 * (24 + 6), 4)
    assert logits.shape == (2, 3 * (24 + 6), 4)
    for level, row, column, first in [(0, 2, 5, (2 * 6 + 5) * 3), (1, 1, 0, (24 + 3) * 3)]:
        touched = [tf.identity(m) for m in maps]
        cell = np.zeros([1, *SIZES[level], 1], np.float32)
        cell[0, row, column] = 1
        touched[level] += cell
        for before, after in zip((boxes, logits), heads(touched), strict=True):
            changed = np.flatnonzero((before != after).numpy().any(axis=(0, 2)))
            assert changed.tolist() == [first, first + 1, first + 2]


def test_kernels_are_shared_by_the_levels_and_batch_norms_are_not(maps):
    heads = make_heads()
    heads(maps)
    kernels = [w for w in heads.trainable_weights if "kernel" in w.name]
    gammas = [w for w in heads.trainable_weights if "gamma" in w.name]
    assert len(kernels) == 2 * 2 + 2  # two towers of two, two predictions
    assert len(gammas) == 2 * 2 * 2  # towers, levels, layers


def test_training_moves_each_levels_statistics_by_its_own_map(maps):
    heads = make_heads()
    heads([maps[0], maps[1] + 3], norm_training=True)
    means = [norms[0].moving_mean.numpy() for norms in heads.box_tower.norms]
    assert np.abs(means[0] - means[1]).max() > 0.1


def test_norm_training_alone_rules_the_batch_norms(maps):
    heads = make_heads()
    inference, _ = heads(maps)
    frozen, _ = heads(maps, training=True, norm_training=False)
    np.testing.assert_array_equal(frozen, inference)
    trained, _ = heads(maps, norm_training=True)
    assert np.abs(trained - inference).max() > 1e-3


def test_only_the_class_bias_starts_elsewhere(maps):
    heads = make_heads()
    heads(maps)
    np.testing.assert_allclose(heads.class_conv.bias, np.full(12, -4.6), rtol=1e-6)
    np.testing.assert_array_equal(heads.box_conv.bias, np.zeros(12))


@pytest.mark.parametrize(
    ("norm", "tower_bias"), [(NORM, False), (BatchNormParams(center=False, scale=True), False), (None, True)]
)
def test_a_tower_has_a_bias_where_it_has_no_batch_norm(maps, norm, tower_bias):
    heads = make_heads(norm)
    heads(maps)
    assert {conv.use_bias for tower in (heads.box_tower, heads.class_tower) for conv in tower.convs} == {tower_bias}
    assert heads.box_conv.use_bias
    assert heads.class_conv.use_bias


def test_a_shared_tower_feeds_both_predictions(maps):
    heads = make_heads(share_tower=True)
    heads(maps)
    assert heads.class_tower is None
    assert len([w for w in heads.trainable_weights if "kernel" in w.name]) == 2 + 2


def test_no_tower_at_all(maps):
    heads = make_heads(num_layers=0)
    boxes, _ = heads(maps)
    expected = tf.concat([tf.reshape(heads.box_conv(m), [2, -1, 4]) for m in maps], axis=1)
    np.testing.assert_array_equal(boxes, expected)


def test_dropout_is_on_class_features_in_training_alone(maps):
    heads = make_heads(dropout_rate=0.5)
    boxes, logits = heads(maps)
    dropped_boxes, dropped_logits = heads(maps, training=True, norm_training=False)
    np.testing.assert_array_equal(dropped_boxes, boxes)
    assert np.abs(dropped_logits - logits).max() > 0.01
    np.testing.assert_array_equal(heads(maps, training=False)[1], logits)


def test_box_encodings_are_clipped(maps):
    free, _ = make_heads()(maps)
    assert np.abs(free).max() > 0.1
    clipped, logits = make_heads(box_clip_range=(-0.1, 0.05))(maps)
    assert (clipped.numpy().min(), clipped.numpy().max()) == pytest.approx((-0.1, 0.05))
    assert logits.numpy().min() < -0.1


def test_sizes_may_be_unknown_when_the_graph_is_built(maps):
    heads = make_heads()
    eager = heads(maps)
    graph = tf.function(lambda *inputs: heads(list(inputs)), input_signature=[tf.TensorSpec([None, None, None, 5])] * 2)
    for ours, other in zip(graph(*maps), eager, strict=True):
        np.testing.assert_allclose(ours, other, atol=1e-5)


def test_square_boxes_have_three_codes(maps):
    boxes, logits = make_heads(box_code_size=3)(maps)
    assert boxes.shape == (2, 3 * (24 + 6), 3)
    assert logits.shape == (2, 3 * (24 + 6), 4)


@pytest.mark.parametrize("pointwise", [False, True])
@pytest.mark.parametrize("predictions", [False, True])
def test_what_the_config_rules_of_separable_convolutions(maps, pointwise, predictions):
    """Its initializer makes kernels of ones here; what it does not rule is Glorot's, and without penalty."""
    params = ConvParams(tf_keras.initializers.Ones, tf_keras.regularizers.L2(0.5), batch_norm=NORM)
    heads = SharedHeads(
        params, depth=5, num_layers=1, kernel_size=3, channels=(5, 5), anchors_per_location=3, num_outputs=4,
        class_bias=0, depthwise=True, rule_pointwise=pointwise, rule_predictions=predictions,
    )  # fmt: skip
    heads(maps)
    towers = [heads.box_tower.convs[0], heads.class_tower.convs[0]]
    ruled = [conv.depthwise_kernel for conv in towers]
    free = []
    (ruled if pointwise else free).extend(conv.pointwise_kernel for conv in towers)
    for conv in (heads.box_conv, heads.class_conv):
        (ruled if predictions else free).extend([conv.depthwise_kernel, conv.pointwise_kernel])
    assert all((kernel.numpy() == 1).all() for kernel in ruled)
    assert all(np.ptp(kernel) > 0.1 for kernel in free)
    assert float(tf.add_n(heads.losses)) == pytest.approx(sum(0.5 * kernel.shape.num_elements() for kernel in ruled))
