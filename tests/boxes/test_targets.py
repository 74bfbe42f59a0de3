"""Target assignment of a batch: by hand, image by image, and against the definition written out slowly."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from drawn_boxes import draw_boxes, slow_iou

from odtk.boxes import geometry, targets
from odtk.boxes.coding import FasterRcnnCoder
from odtk.boxes.matching import IGNORED, UNMATCHED, argmax_match

MATCHED, LOW = 0.6, 0.35
CODER = FasterRcnnCoder()


def assign(boxes, classes, weights, anchors, counts=None, force=True, unmatched_weight=1.0, **matching):
    """Targets as NumPy arrays; the inputs are of a batch, `counts` its real boxes (all of them by default)."""
    thresholds = {"matched_threshold": MATCHED, "unmatched_threshold": LOW}
    match = functools.partial(argmax_match, force_match=force, **(thresholds | matching))
    boxes = tf.constant(boxes, tf.float32)
    counts = tf.fill([boxes.shape[0]], boxes.shape[1]) if counts is None else tf.constant(counts)
    got = targets.assign(
        boxes, tf.constant(classes, tf.int32), tf.constant(weights, tf.float32), counts,
        tf.constant(anchors, tf.float32), geometry.iou, match, CODER.encode, unmatched_weight,
    )  # fmt: skip
    return targets.Targets(*(tensor.numpy() for tensor in got))


def draw_batch(seed, counts, num_classes=5):
    """Lists of (boxes [n, 4], classes [n], weights [n]), one per image."""
    rng = np.random.default_rng(seed)
    return [
        (draw_boxes(seed * 100 + i, n), rng.integers(0, num_classes, n), rng.uniform(0.2, 1, n).astype(np.float32))
        for i, n in enumerate(counts)
    ]


def count(images):
    return [len(boxes) for boxes, _, _ in images]


def pad_batch(images, least=0):
    """Images of different numbers of boxes to arrays [batch, most, ...]."""
    most = max(least, *count(images))
    boxes, classes, weights = zip(*images, strict=True)
    return (
        np.stack([np.pad(b, [(0, most - len(b)), (0, 0)]) for b in boxes]),
        np.stack([np.pad(c, (0, most - len(c))) for c in classes]),
        np.stack([np.pad(w, (0, most - len(w))) for w in weights]),
    )


def draw_anchors(seed, count=400):
    """Anchors, some of them close to the first image's boxes of `draw_batch(seed, ...)`, so that all cases occur."""
    rng = np.random.default_rng(seed)
    near = np.repeat(draw_boxes(seed * 100, 3), 20, axis=0) + rng.normal(0, 0.03, size=(60, 4)).astype(np.float32)
    return np.concatenate([draw_boxes(seed + 7, count - 60), near])


def slow_targets(boxes, classes, weights, anchors, unmatched_weight):
    """One image's targets as TFOD defines them: (match, classes, class weights, box weights) per anchor, by loops."""
    overlaps = np.array([[slow_iou(box, anchor) for anchor in anchors] for box in boxes]).reshape(-1, len(anchors))
    match = []
    for column in overlaps.T:
        best = max(column, default=-1)
        row = int(np.argmax(column)) if len(column) else UNMATCHED
        match.append(row if best >= MATCHED else IGNORED if best >= LOW else UNMATCHED)
    for row in reversed(range(len(boxes))):  # backwards, so that the lower row has the last word
        if weights[row] > 0:
            match[int(np.argmax(overlaps[row]))] = row
    return (
        match,
        [classes[row] if row >= 0 else targets.BACKGROUND for row in match],
        [weights[row] if row >= 0 else unmatched_weight if row == UNMATCHED else 0 for row in match],
        [weights[row] if row >= 0 else 0 for row in match],
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("unmatched_weight", [1.0, 0.25])
def test_against_the_definition(seed, unmatched_weight):
    images = draw_batch(seed, [3, 6, 0])
    images[1][2][2] = 0  # a real box of weight 0
    anchors = draw_anchors(seed)
    got = assign(*pad_batch(images), anchors, count(images), unmatched_weight=unmatched_weight)
    for index, image in enumerate(images):
        match, classes, class_weights, box_weights = slow_targets(*image, anchors, unmatched_weight)
        np.testing.assert_array_equal(got.match[index], match)
        np.testing.assert_array_equal(got.classes[index], classes)
        np.testing.assert_allclose(got.class_weights[index], class_weights)
        np.testing.assert_allclose(got.box_weights[index], box_weights)
        for anchor, row in enumerate(match):
            expected = CODER.encode(image[0][row], anchors[anchor]) if row >= 0 else np.zeros(4)
            np.testing.assert_allclose(got.box_encodings[index, anchor], expected, rtol=1e-5, atol=1e-5)
    assert {UNMATCHED, IGNORED, 0} <= set(got.match[0].tolist())


@pytest.mark.parametrize(
    "matching",
    [
        {},
        {"force": False},
        {"negatives_lower_than_unmatched": False},
        {"matched_threshold": float("-inf"), "unmatched_threshold": float("-inf")},  # `ignore_thresholds`
    ],
    ids=str,
)
def test_a_batch_is_its_images_one_by_one(matching):
    images = draw_batch(11, [3, 0, 7, 1])
    anchors = draw_anchors(11)
    together = assign(*pad_batch(images, least=9), anchors, count(images), **matching)
    for index, (boxes, classes, weights) in enumerate(images):
        alone = assign(boxes[None], classes[None], weights[None], anchors, **matching)
        for name, whole, part in zip(targets.Targets._fields, together, alone, strict=True):
            np.testing.assert_array_equal(whole[index], part[0], err_msg=name)


def test_trim_changes_no_target():
    images = draw_batch(12, [3, 2])
    anchors = draw_anchors(12)
    padded = pad_batch(images, least=100)
    trimmed = targets.trim(*padded, tf.constant([3, 2]))
    assert [tensor.shape[1] for tensor in trimmed] == [3, 3, 3]
    trimmed = assign(*map(np.asarray, trimmed), anchors, [3, 2])
    for whole, part in zip(assign(*padded, anchors, [3, 2]), trimmed, strict=True):
        np.testing.assert_array_equal(whole, part)


def test_trim_of_a_batch_without_boxes():
    padded = pad_batch(draw_batch(13, [0, 0]), least=5)
    assert [tensor.shape[1] for tensor in targets.trim(*padded, tf.constant([0, 0]))] == [0, 0, 0]


def test_an_image_without_boxes_is_all_background():
    got = assign(np.zeros([1, 0, 4]), np.zeros([1, 0]), np.zeros([1, 0]), draw_anchors(1))
    assert (got.match == UNMATCHED).all()
    assert (got.classes == targets.BACKGROUND).all()
    assert (got.class_weights == 1).all()
    assert not got.box_weights.any()
    assert not got.box_encodings.any()


def test_padding_does_not_force_match_anchor_0():
    anchors = [[0.0, 0.0, 0.1, 0.1], [0.5, 0.5, 1.0, 1.0]]
    got = assign([[[0.5, 0.5, 0.9, 0.9], [0, 0, 0, 0]]], [[2, 0]], [[1, 0]], anchors, counts=[1])
    assert got.match.tolist() == [[UNMATCHED, 0]]
    assert got.class_weights.tolist() == [[1, 1]]


def test_a_real_box_of_weight_0_gives_weight_0_and_no_negative():
    anchors = [[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]]
    got = assign([[[0.0, 0.0, 0.5, 0.5]]], [[3]], [[0]], anchors)
    assert got.match.tolist() == [[0, UNMATCHED]]
    assert got.class_weights.tolist() == [[0, 1]]
    assert got.box_weights.tolist() == [[0, 0]]


def test_a_box_of_weight_0_does_not_force_match():
    anchors = [[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]]
    got = assign([[[0.0, 0.0, 0.2, 0.2]]], [[3]], [[0]], anchors)
    assert got.match.tolist() == [[UNMATCHED, UNMATCHED]]


def test_an_ignored_anchor_counts_for_nothing():
    anchors = [[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 1.0]]
    got = assign([[[0.0, 0.0, 0.5, 0.5]]], [[3]], [[1]], anchors, force=False)  # IoU 1 and 0.5
    assert got.match.tolist() == [[0, IGNORED]]
    assert got.classes.tolist() == [[3, targets.BACKGROUND]]
    assert got.class_weights.tolist() == [[1, 0]]
    assert got.box_weights.tolist() == [[1, 0]]


def test_two_boxes_on_one_anchor_leave_it_to_the_lower_row():
    anchors = [[0.0, 0.0, 0.5, 0.5], [0.9, 0.9, 1.0, 1.0]]
    got = assign([[[0.0, 0.0, 0.4, 0.4], [0.0, 0.0, 0.5, 0.5]]], [[1, 2]], [[1, 1]], anchors)
    assert got.match.tolist() == [[0, UNMATCHED]]
    assert got.classes.tolist() == [[1, targets.BACKGROUND]]


def test_fractional_weights_are_passed_on():
    anchors = [[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]]
    got = assign([[[0.0, 0.0, 0.5, 0.5]]], [[3]], [[0.5]], anchors, unmatched_weight=0.1)
    np.testing.assert_allclose(got.class_weights, [[0.5, 0.1]])
    np.testing.assert_allclose(got.box_weights, [[0.5, 0]])
