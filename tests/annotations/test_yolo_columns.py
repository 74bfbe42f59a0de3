"""What numbers mean by chance and by the kind of their data set; the lines are drawn as tools and people write them."""

import math
import random
import re

import pytest

from odtk.annotations.yolo_columns import survey

DICE = random.Random()


@pytest.fixture(autouse=True)
def _the_same_dice_for_each_test():
    DICE.seed(4)


def box():
    width, height = DICE.uniform(0.05, 0.6), DICE.uniform(0.05, 0.6)
    return [DICE.uniform(width / 2, 1 - width / 2), DICE.uniform(height / 2, 1 - height / 2), width, height]


def outline(corners):
    x, y, width, height = box()
    angles = sorted(DICE.uniform(0, 2 * math.pi) for _ in range(corners))
    return [value for a in angles for value in (x + width / 2 * math.cos(a), y + height / 2 * math.sin(a))]


def pose(keypoints, dimensions):
    x, y, width, height = found = box()
    for _ in range(keypoints):
        found = [*found, x + DICE.uniform(-0.5, 0.5) * width, y + DICE.uniform(-0.5, 0.5) * height]
        found += [float(DICE.randrange(3))] * (dimensions - 2)
    return found


def judged(lines):
    """For each line whether it is an outline, or why it is refused."""
    columns, found = survey(lines), set()
    for line in lines:
        try:
            found.add("box" if columns.is_box(line) else "outline")
        except ValueError as error:
            found.add(str(error))
    return found


@pytest.mark.parametrize("count", [1, 3, 12, 60])
@pytest.mark.parametrize("corners", [(3,), (4,), (6,), (3, 5), (3, 4, 5, 6, 7, 8, 9)])
def test_outlines_of_any_number_of_corners(corners, count):
    assert judged([outline(DICE.choice(corners)) for _ in range(count)]) == {"outline"}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda n: [*box(), DICE.random()], "seem to be `class cx cy w h confidence`"),
        (lambda n: [*box(), n + 1.0], "track's number|`class cx cy w h confidence`"),
        (lambda n: [*box(), DICE.random(), n + 1.0], "track's number|confidence track"),
        (lambda n: [*outline(5), DICE.random(), n + 2.0], "track's number"),
        (lambda n: pose(17, 3), "a box with keypoints"),
        (lambda n: pose(2, 3), "a box with keypoints"),
    ],
)
@pytest.mark.parametrize("count", [1, 3, 30])
def test_what_predictions_and_poses_have_is_refused_in_a_single_line_too(make, said, count):
    assert all(re.search(said, found) for found in judged([make(n) for n in range(count)]))


@pytest.mark.parametrize(
    "make", [lambda: pose(2, 2), lambda: pose(17, 2), lambda: [*box(), DICE.random(), DICE.random()]]
)
def test_what_a_line_does_not_show_many_do(make):
    assert all(found.startswith("they seem to be") for found in judged([make() for _ in range(30)]))


def test_boxes_and_outlines_may_be_mixed():
    assert judged([box(), outline(3), outline(7), outline(9), box()]) == {"box", "outline"}


def test_a_triangle_among_outlines_may_touch_the_edge():
    at_edge = [0.3, 0.5, 0.5, 0.5, 0.4, 1.0]
    assert judged([outline(5), outline(8), at_edge]) == {"outline"}
    assert "confidence track" in judged([at_edge]).pop()


def test_corners_of_an_oriented_box_are_an_outline():
    lines = []
    for _ in range(30):
        x, y, width, height = box()
        turn, half = DICE.uniform(0, 0.3), (width / 4, height / 4)
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        turned = [
            (a * half[0] * math.cos(turn) - b * half[1] * math.sin(turn), a * half[0] * math.sin(turn) + b * half[1])
            for a, b in corners
        ]
        lines.append([value for dx, dy in turned for value in (x + dx, y + dy)])
    assert judged(lines) == {"outline"}


@pytest.mark.parametrize("count", [4, 10])
def test_with_a_kpt_shape_boxes_and_its_keypoints_alone_are_taken(count):
    columns = survey([], keypoint_values=6, kpt_shape="[2, 3]")
    assert columns.is_box([0.5] * count)
    for other in (3, 5, 6, 8, 9, 11, 12):
        with pytest.raises(ValueError, match=r"5 or, with kpt_shape \[2, 3\], 11 are expected. Correct kpt_shape"):
            columns.is_box([0.5] * other)


def test_a_count_that_the_sample_had_not_is_judged_by_itself():
    columns = survey([box(), box()])
    assert not columns.is_box(outline(5))
    with pytest.raises(ValueError, match="confidence track"):
        columns.is_box([*box(), 0.9, 1.0])
