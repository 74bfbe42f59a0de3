import numpy as np
import pytest
import tensorflow as tf
from drawn_boxes import draw_boxes

from odtk.boxes.coding import FasterRcnnCoder, MeanStddevCoder, SquareCoder

CODERS = [FasterRcnnCoder(), FasterRcnnCoder(1.0, 2.0, 3.0, 4.0), MeanStddevCoder(), MeanStddevCoder(0.1)]


@pytest.mark.parametrize("coder", CODERS, ids=repr)
class TestBoth:
    def test_round_trip_from_boxes(self, coder):
        boxes, anchors = draw_boxes(1, 3, 50), draw_boxes(2, 50)
        np.testing.assert_allclose(coder.decode(coder.encode(boxes, anchors), anchors), boxes, atol=1e-5)

    def test_round_trip_from_encodings(self, coder):
        encodings, anchors = np.random.default_rng(3).normal(size=(2, 40, 4)).astype(np.float32), draw_boxes(4, 40)
        back = coder.encode(coder.decode(encodings, anchors), anchors)
        np.testing.assert_allclose(back, encodings, atol=1e-3)

    def test_an_anchor_is_zero_seen_from_itself(self, coder):
        anchors = draw_boxes(5, 30)
        np.testing.assert_allclose(coder.encode(anchors, anchors), np.zeros([30, 4]), atol=1e-5)
        np.testing.assert_allclose(coder.decode(tf.zeros([30, 4]), anchors), anchors, atol=1e-6)

    def test_no_boxes(self, coder):
        none = tf.zeros([2, 0, 4])
        assert coder.encode(none, none).shape == (2, 0, 4)
        assert coder.decode(none, none).shape == (2, 0, 4)

    def test_an_empty_box_has_finite_encodings(self, coder):
        point = tf.constant([[0.5, 0.5, 0.5, 0.5]])
        for box, anchor in [(point, draw_boxes(6, 1)), (draw_boxes(7, 1), point), (point, point)]:
            assert np.isfinite(coder.encode(box, anchor)).all()


def test_faster_rcnn_by_hand():
    # Anchor 2 x 4 around (1, 2); box 4 x 4 around (2, 4): shifted by half its height and half its width, twice as high.
    encoding = FasterRcnnCoder(10, 10, 5, 5).encode(
        tf.constant([[0.0, 2.0, 4.0, 6.0]]), tf.constant([[0.0, 0.0, 2.0, 4.0]])
    )
    np.testing.assert_allclose(encoding, [[5, 5, 5 * np.log(2), 0]], rtol=1e-6, atol=1e-6)


def test_each_scale_rules_its_own_code():
    box, anchor = draw_boxes(8, 1), draw_boxes(9, 1)
    plain = FasterRcnnCoder(1, 1, 1, 1).encode(box, anchor).numpy()
    np.testing.assert_allclose(FasterRcnnCoder(2, 3, 5, 7).encode(box, anchor), plain * [2, 3, 5, 7], rtol=1e-5)


def test_mean_stddev_by_hand():
    encoding = MeanStddevCoder(0.1).encode(tf.constant([[0.1, 0.2, 0.3, 0.4]]), tf.constant([[0.0, 0.0, 0.5, 0.4]]))
    np.testing.assert_allclose(encoding, [[1, 2, -2, 0]], rtol=1e-6)


class TestSquare:
    SQUARES = np.float32([[0.1, 0.2, 0.4, 0.5], [0.0, 0.0, 1.0, 1.0], [0.3, 0.3, 0.35, 0.35]])

    def test_by_hand(self):
        # Anchor 2 x 8, as long as a square of 4, around (1, 4); box 4 x 16 around (2, 8).
        encoding = SquareCoder(10, 20, 5).encode(
            tf.constant([[0.0, 0.0, 4.0, 16.0]]), tf.constant([[0.0, 0.0, 2.0, 8.0]])
        )
        np.testing.assert_allclose(encoding, [[10 / 4, 20 * 4 / 4, 5 * np.log(2)]], rtol=1e-5)

    def test_round_trip_of_squares(self):
        coder, anchors = SquareCoder(), draw_boxes(8, 3)
        encodings = coder.encode(self.SQUARES, anchors)
        assert encodings.shape == (3, SquareCoder.code_size)
        np.testing.assert_allclose(coder.decode(encodings, anchors), self.SQUARES, atol=1e-5)

    def test_any_other_box_comes_back_as_the_square_of_its_area(self):
        coder, anchors = SquareCoder(), draw_boxes(9, 1)
        back = coder.decode(coder.encode(tf.constant([[0.2, 0.1, 0.3, 0.5]]), anchors), anchors)
        np.testing.assert_allclose(back, [[0.15, 0.2, 0.35, 0.4]], atol=1e-5)

    def test_no_boxes_and_empty_boxes(self):
        assert SquareCoder().encode(tf.zeros([2, 0, 4]), tf.zeros([2, 0, 4])).shape == (2, 0, 3)
        assert SquareCoder().decode(tf.zeros([2, 0, 3]), tf.zeros([2, 0, 4])).shape == (2, 0, 4)
        assert np.isfinite(SquareCoder().encode(tf.fill([1, 4], 0.5), draw_boxes(6, 1))).all()
