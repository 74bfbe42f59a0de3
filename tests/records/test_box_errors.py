"""What is wrong with a box, in words; tests/inputs/test_bad_boxes.py holds the tensors against it."""

import math

import pytest

from odtk.records import box_errors
from odtk.records.box_errors import IN_PIXELS, INVERTED, NOT_A_NUMBER, OUTSIDE, ImageWithBadBoxes, bad_boxes


@pytest.mark.parametrize(
    ("box", "fault"),
    [
        ((0.1, 0.2, 0.3, 0.4), None),
        ((0.0, 0.0, 1.0, 1.0), None),
        ((-0.05, 0.2, 1.04, 1.08), None),  # what TFOD trains
        ((-0.6, 0.2, 1.5, 0.4), None),  # an object drawn on beyond the edge
        ((0.3, 0.2, 0.3, 0.4), None),  # without area, which TFOD keeps
        ((1.0, 0.2, 1.0, 0.4), None),
        ((0.3, 0.2, 0.1, 0.4), INVERTED),
        ((0.1, 0.4, 0.3, 0.2), INVERTED),
        ((0.1, math.nan, 0.3, 0.4), NOT_A_NUMBER),
        ((0.1, 0.2, math.inf, 0.4), NOT_A_NUMBER),
        ((10.0, 20.0, 64.0, 90.0), IN_PIXELS),
        ((90.0, 20.0, 64.0, 10.0), IN_PIXELS),
        ((1.2, 0.2, 1.6, 0.4), OUTSIDE),
        ((0.1, -0.4, 0.3, -0.1), OUTSIDE),
        ((-1.5, 0.2, 0.3, 0.4), OUTSIDE),
    ],
)
def test_the_fault_of_a_box(box, fault):
    assert box_errors.fault(box) == fault


def test_an_image_says_where_it_is_and_which_of_its_boxes_is_wrong():
    boxes = [(0.1, 0.2, 0.3, 0.4), (0.3, 0.2, 0.1, 0.4), (10.0, 20.0, 64.0, 90.0)]
    image = ImageWithBadBoxes("a.record", 3, "x.jpg", len(boxes), bad_boxes(boxes))
    assert str(image) == (
        "a.record, record 3 (image x.jpg): box 1 is inverted (ymin 0.3, xmin 0.2, ymax 0.1, xmax 0.4), "
        "and 1 more of its 3 boxes"
    )
    assert box_errors.count_in_words([image, image]) == "4 boxes in 2 images (2 inverted, 2 in pixels)"
    assert "divide coordinates in pixels" in box_errors.advice([image])
