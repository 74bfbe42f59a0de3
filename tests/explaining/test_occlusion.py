"""Heat maps by hiding parts of a picture. No TensorFlow."""

import numpy as np
import pytest

from odtk.detections import Detections
from odtk.explaining import occlusion
from odtk.explaining.map_frame import MapFrame, stride

BOX = np.array([[0.5, 0.125, 0.75, 0.375]], np.float32)  # rows 40 to 60, columns 15 to 45


def found(boxes=BOX, classes=(1,), scores=(1.0,), class_scores=None):
    return Detections(
        np.asarray(boxes, np.float32), np.array(classes, np.int32), np.array(scores, np.float32), (), class_scores
    )


def detect_the_white_square(pictures):
    """As certain as the square is white, with a distraction that is always there."""
    return [
        found(np.concatenate([BOX, [[0, 0.6, 0.3, 0.9]]]), (1, 1), (p[40:60, 15:45].mean() / 255, 0.9))
        for p in pictures
    ]


@pytest.fixture(scope="module")
def picture():
    pixels = np.full((80, 120, 3), 40, np.uint8)
    pixels[40:60, 15:45] = 255
    return pixels


def test_heat_is_highest_where_the_object_is(picture):
    (heat,) = occlusion.occlusion_maps(detect_the_white_square, picture, found(), num_masks=300, seed=3)
    row, column = np.unravel_index(heat.values.argmax(), heat.values.shape)
    assert heat.values.shape == (80, 120)
    assert 40 <= row < 60
    assert 15 <= column < 45
    # A third of all heat where there is a sixteenth of the picture; the rest is soft edges and noise.
    assert heat.share_inside(BOX[0]) > 1 / 3
    assert heat.on_picture((40, 60)).max() == pytest.approx(1, abs=0.05)


def test_the_map_is_the_covariance_of_similarity_and_visibility(picture):
    masks = np.array(list(occlusion.random_masks(20, (80, 120), 5)), np.float64)
    hidden = [picture * mask[..., None] + picture.mean((0, 1)) * (1 - mask[..., None]) for mask in masks]
    seen = np.array([each.scores[0] for each in detect_the_white_square(map(np.rint, hidden))])
    expected = ((seen - seen.mean())[:, None, None] * (masks - masks.mean(0))).mean(0)
    (heat,) = occlusion.occlusion_maps(detect_the_white_square, picture, found(), 20, seed=5, batch_size=7)
    np.testing.assert_allclose(heat.values, np.maximum(expected, 0), atol=1e-4)


def test_large_pictures_are_scaled_down():
    shapes = set()

    def detect(pictures):
        shapes.update(picture.shape for picture in pictures)
        return [found()] * len(pictures)

    (heat,) = occlusion.occlusion_maps(detect, np.zeros((100, 2048, 3), np.uint8), found(), 2)
    assert shapes == {(50, 1024, 3)}
    assert heat.values.max() == 0  # whatever is hidden, the same is found
    assert heat.share_inside(BOX[0]) is None


def test_similarity_is_iou_times_cosine_times_score():
    half = BOX.copy()
    half[0, 3] = 0.25  # the left half of the box
    both = found(np.concatenate([half, BOX]), (1, 2), (0.8, 0.9))
    np.testing.assert_allclose(occlusion.similarity(found(), both), [0.5 * 0.8], rtol=1e-6)
    np.testing.assert_array_equal(occlusion.similarity(found(), found(np.zeros((0, 4)), (), ())), [0])
    target = found(class_scores=np.array([[1.0, 0.0]]))
    others = found(BOX, (2,), (0.5,), np.array([[0.3, 0.4]]))
    np.testing.assert_allclose(occlusion.similarity(target, others), [0.6 * 0.5], rtol=1e-6)


def test_masks_are_seeded_soft_and_hide_half():
    first, again, other = (np.array(list(occlusion.random_masks(200, (64, 50), seed))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.shape == (200, 64, 50)
    assert first.mean() == pytest.approx(0.5, abs=0.03)
    assert 0 <= first.min() <= first.max() <= 1


def test_cells_lie_where_the_network_sees_them():
    # 100 x 80 pixels, resized to 50 x 40, padded to 64 x 64: a stride of 16, and the last column is all padding.
    frame = MapFrame((100, 80), (50, 40), (64, 64))
    values = np.zeros((4, 4), np.float32)
    values[2, 1] = 1
    on_picture = frame.on_picture(values, smooth=False)
    rows, columns = np.nonzero(on_picture)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (64, 95, 32, 63)
    np.testing.assert_allclose(frame.to_padded([[0, 0.5, 1, 1]]), [[0, 20 / 64, 50 / 64, 40 / 64]])
    np.testing.assert_allclose(frame.to_picture(frame.to_padded([[0.1, 0.2, 0.3, 0.4]])), [[0.1, 0.2, 0.3, 0.4]], 1e-6)
    smooth = frame.on_picture(values)
    assert np.unravel_index(smooth.argmax(), smooth.shape) == pytest.approx((79.5, 47.5), abs=1)


@pytest.mark.parametrize(("side", "cells", "pixels"), [(300, 38, 8), (300, 3, 128), (320, 10, 32), (20, 20, 1)])
def test_networks_halve_and_round_up(side, cells, pixels):
    assert stride(side, cells) == pixels
