import numpy as np
import pytest
import tensorflow as tf
from drawn_boxes import draw_boxes, slow_iou

from odtk.boxes import geometry

UNIT = [0.0, 0.0, 1.0, 1.0]


def test_iou_agrees_with_one_pair_at_a_time():
    boxes, others = draw_boxes(1, 2, 5), draw_boxes(2, 2, 7)
    slow = [[[slow_iou(a, b) for b in others[i]] for a in boxes[i]] for i in range(2)]
    assert np.count_nonzero(slow) > 20
    np.testing.assert_allclose(geometry.iou(boxes, others), slow, atol=1e-6)


def test_iou_is_symmetric():
    boxes, others = draw_boxes(3, 6), draw_boxes(4, 9)
    np.testing.assert_array_equal(geometry.iou(boxes, others), np.transpose(geometry.iou(others, boxes)))


def test_iou_and_ioa_of_a_box_with_itself_are_one():
    boxes = draw_boxes(5, 20)
    np.testing.assert_allclose(np.diag(geometry.iou(boxes, boxes)), 1, rtol=1e-6)
    np.testing.assert_allclose(np.diag(geometry.ioa(boxes, boxes)), 1, rtol=1e-6)


@pytest.mark.parametrize("overlap", [geometry.iou, geometry.ioa, geometry.intersection])
@pytest.mark.parametrize(
    "other",
    [[0.0, 2.0, 1.0, 3.0], [2.0, 2.0, 3.0, 3.0], [0.0, 1.0, 1.0, 2.0]],
    ids=["beside", "diagonal", "touching"],
)
def test_boxes_that_do_not_meet_share_nothing(overlap, other):
    assert float(overlap(tf.constant([UNIT]), tf.constant([other]))[0, 0]) == 0


def test_ioa_is_over_the_second_boxes_area():
    small = [0.25, 0.25, 0.75, 0.75]
    np.testing.assert_allclose(
        geometry.ioa(tf.constant([UNIT, small]), tf.constant([UNIT, small])), [[1, 1], [0.25, 1]]
    )


@pytest.mark.parametrize("overlap", [geometry.iou, geometry.ioa])
def test_empty_boxes_overlap_nothing_and_give_no_nan(overlap):
    boxes = tf.constant([[0.5, 0.5, 0.5, 0.5], [0.2, 0.2, 0.2, 0.8], UNIT])
    np.testing.assert_allclose(overlap(boxes, boxes), np.diag([0, 0, 1]))


@pytest.mark.parametrize("overlap", [geometry.iou, geometry.ioa, geometry.intersection])
def test_no_boxes_at_all(overlap):
    assert overlap(tf.zeros([2, 0, 4]), draw_boxes(6, 2, 3)).shape == (2, 0, 3)


def test_area():
    np.testing.assert_allclose(geometry.area(tf.constant([UNIT, [0.0, 0.0, 0.5, 0.2]])), [1, 0.1])


def test_clip_cuts_each_image_to_its_own_window():
    boxes = tf.constant([[[-1.0, 0.2, 0.5, 2.0], [0.6, 0.6, 0.9, 0.9]]] * 2)
    window = tf.constant([UNIT, [0.0, 0.0, 0.5, 0.75]])
    np.testing.assert_allclose(
        geometry.clip(boxes, window),
        np.float32([[[0, 0.2, 0.5, 1], [0.6, 0.6, 0.9, 0.9]], [[0, 0.2, 0.5, 0.75], [0.5, 0.6, 0.5, 0.75]]]),
    )


def test_center_and_size():
    np.testing.assert_allclose(geometry.yxyx_to_cyxhw(tf.constant([0.0, 1.0, 2.0, 5.0])), [1, 3, 2, 4])


def test_corners_and_center_form_round_trip():
    boxes = draw_boxes(7, 3, 8)
    np.testing.assert_allclose(geometry.cyxhw_to_yxyx(*geometry.yxyx_to_cyxhw(boxes)), boxes, atol=1e-6)


def test_thresholded_iou_is_all_or_nothing():
    box, others = (
        tf.constant([[0.0, 0.0, 1.0, 1.0]]),
        tf.constant([[0, 0, 1, 0.5], [0, 0, 1, 0.6], [2, 2, 3, 3]], tf.float32),
    )
    np.testing.assert_array_equal(geometry.thresholded_iou(box, others), [[0, 1, 0]])
    np.testing.assert_array_equal(geometry.thresholded_iou(box, others, iou_threshold=0.4), [[1, 1, 0]])
