"""Parts of a Faster R-CNN beside the network: samples, proposals, crops, losses."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from odtk import losses, static_shapes, step_random
from odtk.boxes import balanced_sampling, crops
from odtk.boxes.proposals import ProposalParams, Proposals, propose, select
from odtk.detectors.detector import BOX_FIELDS
from odtk.detectors.faster_rcnn.detector import FasterRcnnDetector
from odtk.detectors.faster_rcnn.first_stage import Sampling
from odtk.detectors.faster_rcnn.groundtruth import PixelGroundtruth
from odtk.detectors.faster_rcnn.second_stage import SecondStage


def members(count: int, positives: int, eligible: int, seed: int = 0):
    """(positive, eligible), bool [1, count], in an arbitrary order; the positives are eligible."""
    random = np.random.default_rng(seed)
    order = random.permutation(count)
    positive, may = np.zeros((1, count), bool), np.zeros((1, count), bool)
    positive[0, order[:positives]], may[0, order[:eligible]] = True, True
    return tf.constant(positive), tf.constant(may)


@pytest.mark.parametrize(("positives", "eligible"), itertools.product((0, 3, 30), (30, 40, 100)))
def test_a_balanced_sample_has_as_many_positives_as_it_may_and_negatives_for_the_rest(positives, eligible):
    positive, may = members(100, positives, max(positives, eligible))
    drawn = balanced_sampling.sample(positive, may, 20, 0.25).numpy()
    assert not (drawn & ~may.numpy()).any()
    expected = min(positives, 5)
    assert (drawn & positive.numpy()).sum() == expected
    assert drawn.sum() == min(20, expected + max(positives, eligible) - positives)


@pytest.mark.parametrize(("positives", "eligible"), [(0, 0), (0, 3), (3, 30), (30, 60), (2, 10)])
def test_an_exact_sample_has_its_size_and_takes_the_first_of_the_others(positives, eligible):
    """As TFOD's static sampler, whose shapes are known in advance."""
    positive, may = members(100, positives, eligible)
    drawn = balanced_sampling.sample_exactly(positive, may, 20, 0.25).numpy()
    assert drawn.sum() == 20
    assert (drawn & positive.numpy()).sum() >= min(positives, 5)
    others = np.flatnonzero(~may.numpy())[: max(0, 20 - eligible)]
    assert set(np.flatnonzero(drawn & ~may.numpy())) <= set(others)


def test_an_exact_sample_of_too_many_positives_is_filled_from_both_ends():
    """With fewer negatives than asked for, positives beyond their share are taken, and one arbitrary member."""
    positive, may = members(60, 55, 60)
    drawn = balanced_sampling.sample_exactly(positive, may, 20, 0.25).numpy()
    assert (drawn & ~positive.numpy()).sum() == 5
    assert 18 <= drawn.sum() <= 20


def test_samples_are_the_steps():
    positive, may = members(500, 100, 400)
    seeds = [tf.constant([1, 5], tf.int64), tf.constant([1, 5], tf.int64), tf.constant([1, 6], tf.int64)]
    drawn = []
    for seed in seeds:
        with step_random.seeded(seed):
            drawn.append(balanced_sampling.sample(positive, may, 64, 0.5).numpy())
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any()


def test_proposals_are_suppressed_as_they_are_and_clipped_afterwards():
    """The second box is only alike the first one once both are clipped; the third one is empty then."""
    boxes = tf.constant([[[-50.0, 0, 20, 20], [0, 0, 20, 20], [-30, 0, -10, 20], [40, 40, 60, 60], [1, 1, 21, 21]]])
    scores, windows = tf.constant([[0.9, 0.8, 0.7, 0.6, 0.5]]), tf.constant([[0.0, 0, 50, 50]])
    found = propose(boxes, scores, windows, ProposalParams(max_proposals=6, iou_threshold=0.6))
    np.testing.assert_array_equal(found.count, [3])
    np.testing.assert_array_equal(found.rows, [[0, 1, 3, 0, 0, 0]])
    np.testing.assert_array_equal(found.boxes[0, :3], [[0, 0, 20, 20], [0, 0, 20, 20], [40, 40, 50, 50]])
    assert not found.boxes[0, 3:].numpy().any()
    combined = propose(boxes, scores, windows, ProposalParams(6, 0.6, keeps_empty=True))
    np.testing.assert_array_equal(combined.count, [4])
    least = propose(boxes, scores, windows, ProposalParams(6, 0.6, score_threshold=0.6))
    np.testing.assert_array_equal(least.count, [2])


def test_chosen_proposals_keep_their_order_and_are_padded():
    proposals = Proposals(
        tf.reshape(tf.range(1.0, 17.0), [1, 4, 4]), tf.constant([[0.9, 0.8, 0.7, 0.6]]), tf.constant([[4, 2, 9, 1]]),
        tf.constant([4]),
    )  # fmt: skip
    chosen = tf.constant([[False, True, False, True]])
    for size, rows in ((3, [2, 1, 0]), (1, [2]), (6, [2, 1, 0, 0, 0, 0])):
        found = select(proposals, chosen, size)
        np.testing.assert_array_equal(found.rows[0], rows)
        assert found.boxes.shape == (1, size, 4)
        np.testing.assert_array_equal(found.count, [min(2, size)])


def test_with_static_shapes_the_best_proposal_stands_in_for_missing_ones():
    proposals = Proposals(
        tf.reshape(tf.range(1.0, 17.0), [1, 4, 4]), tf.constant([[0.9, 0.8, 0.7, 0.6]]), tf.constant([[4, 2, 9, 1]]),
        tf.constant([4]),
    )  # fmt: skip
    found = select(proposals, tf.constant([[False, True, False, True]]), 4, fills_up=True)
    np.testing.assert_array_equal(found.rows, [[2, 1, 4, 4]])
    np.testing.assert_array_equal(found.boxes[0, 2:], [[1, 2, 3, 4]] * 2)
    np.testing.assert_array_equal(found.scores, np.float32([[0.8, 0.6, 0.9, 0.9]]))
    np.testing.assert_array_equal(found.count, [4])


@pytest.mark.parametrize("size", [1, 2, 5])
def test_crops_by_products_are_those_of_tensorflows_operation(size):
    """And their gradients; on one map, and on the map of each box's level."""
    random = np.random.default_rng(3)
    maps = [tf.constant(random.normal(0, 1, (2, side, side + 1, 3)), tf.float32) for side in (12, 6, 3)]
    corners = random.uniform(0, 0.6, (2, 7, 2))
    boxes = tf.constant(np.concatenate([corners, corners + random.uniform(0, 0.39, corners.shape)], -1), tf.float32)
    levels = tf.constant(random.integers(0, 3, (2, 7)), tf.int32)
    for used, of in ((maps[:1], None), (maps, levels)):
        found = []
        for compiled in (False, True):
            with static_shapes.needed(compiled), tf.GradientTape() as tape:
                tape.watch(used)
                crop = crops.crop(used, boxes, of, size)
                total = tf.reduce_sum(crop**2)
            found.append([crop, *tape.gradient(total, used)])
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(tf.convert_to_tensor(ours), tf.convert_to_tensor(theirs), rtol=1e-5, atol=2e-5)


def test_no_part_of_a_crops_gradient_is_lost():
    """TensorFlow's own, on CPUs, loses what its threads add to one cell at once: here in most of ten runs."""
    random = np.random.default_rng(5)
    features = tf.constant(random.normal(0, 1, (1, 6, 5, 128)), tf.float32)
    boxes = tf.constant(np.sort(random.uniform(0, 1, (1, 96, 2, 2)), axis=2).reshape(1, 96, 4), tf.float32)
    weights = tf.constant(random.normal(0, 1, (1, 96, 9, 9, 128)), tf.float32)

    def gradient(compiled: bool):
        with static_shapes.needed(compiled), tf.GradientTape() as tape:
            tape.watch([features, boxes])
            total = tf.reduce_sum(crops.crop([features], boxes, None, 9) * weights)
        return tape.gradient(total, [features, boxes])

    (expected, _), (found, of_boxes) = gradient(True), gradient(False)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    assert of_boxes is None
    for _ in range(10):
        np.testing.assert_array_equal(gradient(False)[0], found)


def test_crops_are_deterministic_on_a_gpu_too(monkeypatch):
    """TensorFlow's operation has no deterministic gradient there; maps may have any size."""
    features = tf.constant(np.random.default_rng(4).normal(0, 1, (2, 9, 7, 3)), tf.float32)
    boxes = tf.constant([[[0.1, 0.2, 0.7, 0.9]], [[0.0, 0.3, 0.5, 0.4]]])
    expected = crops.crop([features], boxes, None, 4)
    monkeypatch.setattr(crops, "are_operations_deterministic", lambda: True)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [kind])
    monkeypatch.setattr(crops, "_sample", None)
    compiled = tf.function(
        lambda *x: crops.crop([x[0]], x[1], None, 4),
        input_signature=[tf.TensorSpec([None, None, None, 3]), tf.TensorSpec([None, None, 4])],
    )
    np.testing.assert_allclose(compiled(features, boxes), expected, rtol=1e-5, atol=1e-5)


def test_a_box_that_ends_at_the_border_has_its_last_row_with_an_exact_border():
    """By rounding, the native operation may take it for one outside of the map."""
    features = tf.ones([1, 10, 10, 1])
    boxes = tf.constant([[[start, start, 1.0 + 1e-7, 1.0 + 1e-7] for start in np.linspace(0, 0.9, 40)]], tf.float32)
    assert (crops.crop([features], boxes, None, 14) == 0).numpy().any()
    assert (crops.crop([features], boxes, None, 14, exact_border=True) == 1).numpy().all()


def test_the_level_of_a_box_is_that_of_its_size():
    sides = np.array([0, 20, 56, 111, 113, 223, 225, 448, 2000]) / 640
    boxes = tf.constant([[[0, 0, side, side] for side in sides]], tf.float32)
    found = crops.levels_of(boxes, 5, tf.constant([640.0, 640.0]))
    np.testing.assert_array_equal(found[0], [0, 0, 1, 1, 2, 2, 3, 4, 4])


def stage(loss, **options) -> SecondStage:
    return SecondStage(2, Sampling(4, 0.5), loss, **options)


BOXES = tf.constant([[[0.0, 0, 10, 10], [20, 20, 40, 40], [0, 0, 0, 0]]])
TRUTH = PixelGroundtruth(
    tf.constant([[[0.0, 0, 10, 9], [0, 0, 0, 0]]]), tf.constant([[1, 0]]), tf.constant([[1.0, 0.0]]), tf.constant([1])
)


def test_the_losses_of_an_image_are_divided_by_its_proposals():
    logits = tf.constant([[[0.5, 1.0, -1.0], [2.0, 0.0, 0.0], [9.0, 9.0, 0.0]]])
    encodings = tf.zeros([1, 3, 2, 4])
    _, found = stage(losses.softmax_cross_entropy).losses(encodings, logits, BOXES, tf.constant([2]), TRUTH)
    expected = tf.nn.softmax_cross_entropy_with_logits([[0.0, 0, 1], [1, 0, 0]], logits[0, :2])
    np.testing.assert_allclose(found, [np.mean(expected)], rtol=1e-6)


def test_training_does_not_read_what_an_image_was_labeled_for():
    """TFOD's losses would, but its record decoder never gives that: `image/class` is another field there."""
    assert FasterRcnnDetector.groundtruth_fields == BOX_FIELDS
