"""Suppression: the order of its operations by hand, and the whole of it against a slow NumPy version."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from drawn_boxes import draw_boxes, slow_iou

from odtk.boxes.suppression import SuppressionParams, class_agnostic_suppression, multiclass_suppression

FRAME = [0.0, 0.0, 1.0, 1.0]
PARAMS = SuppressionParams(score_threshold=0.1, iou_threshold=0.5, max_per_class=10, max_total=6)


def suppress(boxes, scores, window=FRAME, **changes):
    """One image's detections as NumPy arrays: boxes [anchors, 4], scores [anchors, classes] or [anchors]."""
    scores = np.float32(scores)
    scores = scores.reshape(len(boxes), -1)
    kept = multiclass_suppression(
        tf.constant([boxes], tf.float32),
        tf.constant(scores[None]),
        tf.constant([window], tf.float32),
        dataclasses.replace(PARAMS, **changes),
    )
    return type(kept)(*(tensor.numpy()[0] for tensor in kept))


def slow_suppression(boxes, scores, window, params):
    """[(score, class, anchor, box)] best first: suppress unclipped, pool, clip, drop the empty, cut."""
    found = []
    for index in range(scores.shape[1]):
        kept = []
        for anchor in np.argsort(-scores[:, index], kind="stable"):
            apart = all(slow_iou(boxes[anchor], boxes[other]) <= params.iou_threshold for other in kept)
            if scores[anchor, index] > params.score_threshold and apart and len(kept) < params.max_per_class:
                kept.append(anchor)
        found += [(scores[anchor, index], index, anchor) for anchor in kept]
    found.sort(key=lambda candidate: -candidate[0])
    height, width = window[2] - window[0], window[3] - window[1]
    detections = []
    for score, index, anchor in found:
        box = np.clip(boxes[anchor], [window[0], window[1]] * 2, [window[2], window[3]] * 2)
        if box[2] > box[0] and box[3] > box[1]:
            if params.change_coordinate_frame:
                box = (box - [window[0], window[1]] * 2) / [height, width, height, width]
            detections.append((score, index, anchor, box))
    return detections[: params.max_total]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"max_total": 40, "max_per_class": 4},
        {"iou_threshold": 0.2, "max_total": 200},
        {"score_threshold": 0.8, "max_total": 50},
        {"change_coordinate_frame": False, "max_total": 30},
    ],
    ids=str,
)
def test_against_a_slow_version(seed, changes):
    params = dataclasses.replace(PARAMS, **changes)
    boxes = draw_boxes(seed, 2, 60)
    scores = np.random.default_rng(seed).uniform(size=(2, 60, 3)).astype(np.float32)
    windows = np.float32([FRAME, [0, 0, 0.6, 0.8]])
    kept = multiclass_suppression(tf.constant(boxes), tf.constant(scores), tf.constant(windows), params)
    for image in range(2):
        slow = slow_suppression(boxes[image], scores[image], windows[image], params)
        count = len(slow)
        assert kept.count[image] == count
        score, index, anchor, box = (np.array(column) for column in zip(*slow, strict=True))
        np.testing.assert_array_equal(kept.scores[image, :count], score)
        np.testing.assert_array_equal(kept.classes[image, :count], index)
        np.testing.assert_array_equal(kept.anchors[image, :count], anchor)
        np.testing.assert_allclose(kept.boxes[image, :count], box, atol=1e-6)
        for padded in (kept.boxes, kept.scores, kept.classes, kept.anchors):
            assert padded.shape[1] == params.max_total
            assert not padded[image, count:].numpy().any()


def test_the_better_of_two_alike_stays():
    kept = suppress([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.48], [0.6, 0.6, 0.9, 0.9]], [0.7, 0.8, 0.3])
    assert kept.anchors[: kept.count].tolist() == [1, 2]


def test_classes_do_not_suppress_each_other():
    kept = suppress([[0, 0, 0.5, 0.5]], [[0.4, 0.9]])
    assert kept.classes[: kept.count].tolist() == [1, 0]
    assert kept.anchors[: kept.count].tolist() == [0, 0]


def test_equal_scores_keep_the_order_of_classes():
    kept = suppress([[0, 0, 0.5, 0.5]], [[0.4, 0.9, 0.4, 0.4]])
    assert kept.classes[: kept.count].tolist() == [1, 0, 2, 3]


def test_a_score_must_be_above_the_threshold():
    kept = suppress([[0, 0, 0.2, 0.2], [0.5, 0.5, 0.9, 0.9]], [0.5, 0.50001], score_threshold=0.5)
    assert kept.anchors[: kept.count].tolist() == [1]


def test_suppression_sees_unclipped_boxes():
    # Inside the window the two are the same box; as predicted their overlap is a third, so both stay.
    kept = suppress([[0, 0, 1, 1.0], [0, 0, 1, 3.0]], [0.9, 0.8])
    assert kept.count == 2
    np.testing.assert_allclose(kept.boxes[:2], [FRAME, FRAME])


def test_boxes_outside_the_window_are_dropped_only_after_they_have_suppressed():
    # The best box lies in the padding; it suppresses the second, which would have reached into the image.
    kept = suppress([[0, 0.5, 1, 1.0], [0, 0.3, 1, 1.0], [0, 0, 1, 0.4]], [0.9, 0.8, 0.7], window=[0, 0, 1, 0.5])
    assert kept.anchors[: kept.count].tolist() == [2]


def test_dropped_boxes_do_not_use_up_the_total():
    outside = [[1.1, 0.1 * i, 1.2, 0.1 * i + 0.05] for i in range(5)]
    inside = [[0.1, 0.1 * i, 0.2, 0.1 * i + 0.05] for i in range(4)]
    kept = suppress(outside + inside, [0.9] * 5 + [0.8, 0.7, 0.6, 0.5], max_total=3)
    assert kept.anchors[: kept.count].tolist() == [5, 6, 7]


def test_dropped_boxes_do_use_up_the_class():
    outside = [[1.1, 0.1 * i, 1.2, 0.1 * i + 0.05] for i in range(3)]
    kept = suppress([*outside, [0.1, 0.1, 0.2, 0.2]], [0.9, 0.8, 0.7, 0.6], max_per_class=3)
    assert kept.count == 0


def test_change_coordinate_frame_gives_boxes_relative_to_the_window():
    box, window = [0.1, 0.1, 0.4, 0.9], [0.0, 0.0, 0.8, 0.5]
    relative = suppress([box], [0.9], window=window)
    np.testing.assert_allclose(relative.boxes[0], [0.125, 0.2, 0.5, 1.0], rtol=1e-6)
    in_frame = suppress([box], [0.9], window=window, change_coordinate_frame=False)
    np.testing.assert_allclose(in_frame.boxes[0], [0.1, 0.1, 0.4, 0.5], rtol=1e-6)


def test_windows_need_not_start_at_the_corner():
    kept = suppress([[0.3, 0.1, 0.6, 0.9]], [0.9], window=[0.2, 0.5, 0.7, 1.0])
    np.testing.assert_allclose(kept.boxes[0], [0.2, 0.0, 0.8, 0.8], rtol=1e-5)


def test_padding_is_zero_where_the_window_does_not_start_at_the_corner():
    kept = suppress([[0.3, 0.6, 0.6, 0.9]], [0.9], window=[0.2, 0.5, 0.7, 1.0])
    assert kept.count == 1
    assert not kept.boxes[1:].any()


def test_fewer_anchors_than_the_maxima():
    kept = suppress([[0, 0, 0.2, 0.2], [0.5, 0.5, 0.9, 0.9]], [0.5, 0.9], max_per_class=100, max_total=100)
    assert kept.count == 2
    assert kept.boxes.shape == (100, 4)
    assert kept.anchors[:2].tolist() == [1, 0]


def test_nothing_above_the_threshold():
    kept = suppress([[0, 0, 0.2, 0.2]], [0.05])
    assert kept.count == 0
    assert not any(part.any() for part in kept)


def test_soft_suppression_lowers_scores_instead():
    boxes = [[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.4], [0.6, 0.6, 0.9, 0.9]]
    kept = suppress(boxes, [0.9, 0.8, 0.5], soft_sigma=0.5, iou_threshold=1.0)
    # Bodla et al., "Soft-NMS", 2017, with TensorFlow's sigma: the score times exp(-iou^2 / (2 sigma)).
    lowered = 0.8 * np.exp(-(0.8**2) / (2 * 0.5))
    np.testing.assert_allclose(kept.scores[:3], sorted([0.9, lowered, 0.5], reverse=True), rtol=1e-5)


def test_inside_a_graph_that_knows_no_sizes():
    boxes = draw_boxes(9, 2, 40)
    scores = np.random.default_rng(9).uniform(size=(2, 40, 3)).astype(np.float32)
    window = np.float32([FRAME, [0, 0, 0.5, 1]])
    graph = tf.function(
        lambda *inputs: multiclass_suppression(*inputs, PARAMS),
        input_signature=[tf.TensorSpec([None, None, 4]), tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, 4])],
    )
    eager = multiclass_suppression(tf.constant(boxes), tf.constant(scores), tf.constant(window), PARAMS)
    for name, ours, other in zip(eager._fields, graph(boxes, scores, window), eager, strict=True):
        np.testing.assert_array_equal(ours, other, err_msg=name)


class TestClassAgnostic:
    def test_boxes_of_other_classes_suppress_too_and_the_count_per_class_plays_no_part(self):
        boxes = np.float32([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.51], [0.5, 0.5, 1, 1], [0, 0.6, 0.2, 1]])
        scores = np.float32([[0.2, 0.9, 0.3], [0.8, 0.1, 0.0], [0.5, 0.4, 0.7], [0.6, 0.0, 0.0]])
        params = dataclasses.replace(PARAMS, max_per_class=1)
        kept = class_agnostic_suppression(boxes[None], scores[None], tf.constant([FRAME]), params)
        assert kept.count.numpy().tolist() == [3]
        assert kept.anchors.numpy()[0].tolist() == [0, 2, 3, 0, 0, 0]
        assert kept.classes.numpy()[0].tolist() == [1, 2, 0, 0, 0, 0]
        np.testing.assert_allclose(kept.scores[0], [0.9, 0.7, 0.6, 0, 0, 0])

    def test_with_one_class_it_is_the_same_as_the_other(self):
        boxes, scores = draw_boxes(3, 2, 80), np.random.default_rng(1).uniform(size=(2, 80, 1)).astype(np.float32)
        window, params = tf.constant([FRAME] * 2), dataclasses.replace(PARAMS, max_per_class=6)
        ours, other = (f(boxes, scores, window, params) for f in (class_agnostic_suppression, multiclass_suppression))
        for part, expected in zip(ours, other, strict=True):
            np.testing.assert_array_equal(part, expected)


def test_each_class_may_have_boxes_of_its_own():
    """Two classes, whose boxes are suppressed as if each were alone."""
    random = np.random.default_rng(5)
    corners = random.uniform(0, 0.7, (2, 12, 2, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0.05, 0.3, corners.shape)], -1).astype(np.float32)
    scores, window = random.uniform(0.1, 1, (2, 12, 2)).astype(np.float32), tf.constant([[0.0, 0.0, 0.9, 1.0]] * 2)
    params = SuppressionParams(score_threshold=0.2, iou_threshold=0.3, max_per_class=6, max_total=20)
    scores[0, 3] = -np.inf
    both = multiclass_suppression(boxes, scores, window, params)
    for image in range(2):
        alone = set()
        for label in range(2):
            one = multiclass_suppression(boxes[:, :, label], scores[..., label : label + 1], window, params)
            rows = [part[image, : one.count[image]].numpy().tolist() for part in (one.scores, one.anchors)]
            alone |= {(float(label), *row) for row in zip(*rows, strict=True)}
        count = int(both.count[image])
        listed = (part[image, :count].numpy().tolist() for part in (both.classes, both.scores, both.anchors))
        found = set(zip(*listed, strict=True))
        assert found == alone
    best = class_agnostic_suppression(boxes, scores, window, params)
    own = np.take_along_axis(boxes, scores.argmax(-1)[..., None, None], 2)[:, :, 0]
    expected = class_agnostic_suppression(own, scores, window, params)
    for ours, theirs in zip(best, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
