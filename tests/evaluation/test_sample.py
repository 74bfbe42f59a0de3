"""The handful of evaluated images for pictures: spread over the records, with objects, the same each time."""

import numpy as np
import pytest
import tensorflow as tf

from odtk.evaluation.sample import ImageSample

SIDE = 10


def batch(numbers, has_object=lambda number: True):
    """Images of `number`, in the lower half padding; an object in the upper left and a prediction of it."""
    count = len(numbers)
    images = tf.constant(np.float32(numbers)[:, None, None, None] * np.ones((1, SIDE, SIDE, 3), np.float32))
    features = {
        "true_image_shape": np.int32([[SIDE // 2, SIDE, 3]] * count),
        "original_image_size": np.int32([[50, 100]] * count),
    }
    flags = {name: np.zeros((count, 2), bool) for name in ("is_crowd", "difficult", "group_of")}
    groundtruth = {
        "boxes": np.float32([[[0, 0, 0.25, 0.5], [0] * 4]] * count),
        "classes": np.int32([[3, 0]] * count),
        "num_boxes": np.int32([has_object(number) for number in numbers]),
        **flags,
    }
    detections = {
        "boxes": np.float32([[[0, 0, 0.4, 0.4], [0, 0, 0.5, 0.5], [0] * 4]] * count),
        "classes": np.float32([[1, 3, 0]] * count),
        "scores": np.float32([[0.2, 0.9, 0]] * count),
        "count": np.int32([2] * count),
    }
    return images, features, groundtruth, detections


def taken(num_images, wanted=6, size=4, **settings):
    sample = ImageSample(wanted)
    for start in range(0, num_images, size):
        sample.add(*batch(range(start, min(start + size, num_images)), **settings))
    return [int(image.pixels[0, 0, 0]) for image in sample.take()]


@pytest.mark.parametrize("num_images", [0, 1, 5, 6, 7, 12, 13, 14, 60, 97, 255])
def test_the_images_are_spread_whatever_their_number(num_images):
    chosen = taken(num_images)
    assert len(set(chosen)) == len(chosen) == min(num_images, 6)
    assert chosen == sorted(chosen)
    assert chosen == taken(num_images, size=7)
    if num_images >= 6:
        edges = np.array([-1, *chosen, num_images])
        assert np.diff(edges).max() <= 2.5 * num_images / 6 + 1


def test_images_with_objects_are_preferred():
    assert all(number % 3 == 0 for number in taken(60, has_object=lambda number: number % 3 == 0))
    assert taken(60, has_object=lambda number: number in (30, 31))[:2] == [30, 31]
    assert len(taken(60, has_object=lambda number: number in (30, 31))) == 6


def test_every_evaluation_begins_anew():
    sample = ImageSample(2)
    for _ in range(3):
        sample.add(*batch(range(4)))
        assert [int(image.pixels[0, 0, 0]) for image in sample.take()] == [0, 3]
    assert sample.take() == []


def test_boxes_are_relative_to_the_image_without_its_padding():
    sample = ImageSample(1)
    sample.add(*batch([7]))
    (image,) = sample.take()
    assert image.pixels.shape == (SIDE // 2, SIDE, 3)
    assert image.size == (50, 100)
    assert image.boxes.tolist() == [[0, 0, 0.5, 0.5]]
    assert image.class_ids.tolist() == [4]
    assert image.predicted_boxes.tolist() == [[0, 0, 0.5, 0.5], pytest.approx([0, 0, 0.4, 0.4])]
    assert image.predicted_ids.tolist() == [4, 2]


@pytest.mark.parametrize("flag", ["is_crowd", "difficult", "group_of"])
def test_what_need_not_be_found_is_ignored(flag):
    images, features, groundtruth, detections = batch([1])
    groundtruth[flag][0, 0] = True
    sample = ImageSample(1)
    sample.add(images, features, groundtruth, detections)
    assert sample.take()[0].ignored.tolist() == [True]
