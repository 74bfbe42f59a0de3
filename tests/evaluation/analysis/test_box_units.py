"""Boxes in other units or another order are found, and boxes that are read as they are meant are left alone."""

import dataclasses

import numpy as np
import pytest
from made_results import CAT, NAMES

from odtk.evaluation.analysis.box_units import check_units
from odtk.evaluation.results import ImageResult, Results

SIZE = (240, 400)


def found_well(seed: int, noise: float = 2) -> ImageResult:
    """Three objects in an image that is not square, detected a little off, and a few false positives."""
    random = np.random.default_rng(seed)
    boxes, others = _boxes(random, 3), _boxes(random, 4)
    return ImageResult(
        source_id=f"{seed}.jpg",
        size=SIZE,
        boxes=boxes,
        classes=np.full(3, CAT),
        areas=np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        ignored=np.zeros(3, bool),
        detected_boxes=np.concatenate([boxes + random.normal(0, noise, [3, 4]).astype(np.float32), others]),
        detected_classes=np.full(7, CAT),
        scores=np.linspace(0.9, 0.3, 7),
    )


def _boxes(random, count: int) -> np.ndarray:
    corner, size = random.uniform(0, [100, 250], [count, 2]), random.uniform(30, 120, [count, 2])
    return np.concatenate([corner, corner + size], axis=1).astype(np.float32)


IMAGES = [found_well(seed) for seed in range(8)]
SIDES = np.float32([*SIZE, *SIZE])


def checked(side: str, change) -> list:
    column = "detected_boxes" if side == "detections" else "boxes"
    images = [dataclasses.replace(image, **{column: change(getattr(image, column))}) for image in IMAGES]
    return list(check_units(Results(images, NAMES)))


def to_corner_and_size(boxes):
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def to_center_and_size(boxes):
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    # As a reader of corner and size has them.
    return np.concatenate([boxes[:, :2] + half, boxes[:, 2:] + half], axis=1)


@pytest.mark.parametrize("side", ["detections", "groundtruth"])
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda boxes: boxes / SIDES, "are normalized to 0..1 instead of in pixels"),
        (lambda boxes: boxes[:, [1, 0, 3, 2]], "have x and y swapped"),
        (lambda boxes: boxes[:, [1, 0, 3, 2]] / SIDES[[1, 0, 3, 2]],
         "have x and y swapped and are normalized to 0..1 instead of in pixels"),
        (to_corner_and_size, "have width and height where the lower right corner is read"),
        (lambda boxes: np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
         "have their lower right corner where width and height are read"),
        (lambda boxes: to_center_and_size(boxes / SIDES),
         "have their center where the upper left corner is read and are normalized to 0..1 instead of in pixels"),
        (lambda boxes: boxes / SIDES * 640, "are in pixels of an input of 640 x 640"),
        (lambda boxes: boxes / 400 * 1024, "are in pixels of an input whose longer side is 1024"),
    ],
)  # fmt: skip
def test_boxes_that_mean_something_else(side, change, text):
    (finding,) = checked(side, change)
    assert f"boxes of the {side} {text}:" in finding.text
    assert finding.severity == "error"


def test_boxes_that_mean_what_is_read():
    assert checked("detections", lambda boxes: boxes) == []


def test_a_detector_that_finds_nothing_has_no_other_units():
    def elsewhere(boxes):
        return _boxes(np.random.default_rng(len(boxes) + 99), len(boxes))

    assert checked("detections", elsewhere) == []


def test_nothing_to_compare():
    assert list(check_units(Results([], NAMES))) == []


def test_of_a_weak_detector_the_side_whose_boxes_leave_the_images_is_wrong():
    # Boxes that are all larger overlap more: with the groundtruth read so, too, more objects are met.
    def too_large(boxes):
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)

    images = [found_well(seed, noise=12) for seed in range(8)]
    images = [dataclasses.replace(image, detected_boxes=too_large(image.detected_boxes)) for image in images]
    (finding,) = check_units(Results(images, NAMES))
    assert "boxes of the detections have their lower right corner where width and height are read:" in finding.text
