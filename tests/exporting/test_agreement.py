"""What a certificate says of the detections of two models."""

import math

import numpy as np
import pytest

from odtk.detections import Detections
from odtk.exporting.agreement import Agreement, compare
from odtk.exporting.formats import Tolerance


def detections(*rows):
    """Of (box, score, class), best first."""
    boxes, scores, classes = zip(*rows, strict=True) if rows else ([], [], [])
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, np.int32), np.array(scores, np.float32)
    )


BOX, MOVED, ELSEWHERE = [0.1, 0.1, 0.5, 0.5], [0.1, 0.12, 0.49, 0.5], [0.6, 0.6, 0.9, 0.9]


def test_the_nearest_of_the_same_class_is_compared():
    ours = detections((BOX, 0.9, 1), (ELSEWHERE, 0.8, 2), (BOX, 0.1, 1))
    theirs = detections((MOVED, 0.85, 1), (BOX, 0.8, 2), (ELSEWHERE, 0.78, 2))
    found = compare([ours], [theirs])
    assert (found.objects, found.missing) == (2, 0), "0.1 is no object"
    assert found.extra == 1, "a second class at BOX"
    assert found.boxes == pytest.approx(0.02, abs=1e-6)
    assert found.scores == pytest.approx(0.05, abs=1e-6)
    assert found.in_words() == "2 of 2 objects and 1 more, boxes within 0.02 of the image, scores within 0.05"


def test_what_has_another_class_or_place_is_missing():
    pairs = [
        (detections((BOX, 0.9, 1), (ELSEWHERE, 0.8, 2)), detections((BOX, 0.9, 2))),
        (detections((BOX, 0.1, 1)), detections()),
    ]
    found = compare(*zip(*pairs, strict=True))
    assert (found.objects, found.missing, found.extra, found.boxes) == (3, 3, 1, 0.0)


def test_images_without_objects_agree_by_their_best_detection_and_nothing_with_nothing():
    faint = detections((BOX, 0.1, 1), (ELSEWHERE, 0.09, 2))
    assert compare([faint], [detections((ELSEWHERE, 0.1, 2), (BOX, 0.095, 1))]).missing == 0
    nothing = compare([detections()], [detections()])
    assert nothing == Agreement(0, 0, 0, 0.0, 0.0)
    assert nothing.problems(Tolerance.of(1)) == ["there is no object to find again, so nothing was compared"]


def test_duplicates_are_found_in_addition():
    """What a model without suppression finds: every box is near one of the checkpoint's."""
    exact = detections((BOX, 0.9, 1), (ELSEWHERE, 0.8, 2))
    found = detections((BOX, 0.9, 1), (MOVED, 0.85, 1), (ELSEWHERE, 0.8, 2), (MOVED, 0.6, 1))
    agreement = compare([exact], [found])
    assert agreement == Agreement(2, 0, 2, 0.0, 0.0)
    assert agreement.problems(Tolerance()) == ["2 are found in addition to 2 (accepted: 0%)"]
    assert compare([found], [exact]) == Agreement(4, 2, 0, 0.0, 0.0), "nor is one object found twice"


def test_boxes_that_overlap_are_told_apart_by_place_then_by_score():
    crowd = detections((BOX, 0.9, 1), (BOX, 0.6, 1), (MOVED, 0.3, 1))
    order = [2, 0, 1]
    assert compare([crowd], [crowd.take(np.array(order))]) == Agreement(3, 0, 0, 0.0, 0.0)
    near = detections((BOX, 0.9, 1), (MOVED, 0.85, 1))
    swapped = detections((MOVED, 0.86, 1), (BOX, 0.84, 1))
    assert compare([near], [swapped]).boxes == 0.0
    assert compare([near], [swapped]).scores == pytest.approx(0.06)


def test_a_faint_box_that_the_other_takes_for_an_object_differs_by_its_score():
    exact = detections((BOX, 0.9, 1), (ELSEWHERE, 0.1, 2))
    assert compare([exact], [detections((BOX, 0.9, 1), (ELSEWHERE, 0.85, 2))]).scores == pytest.approx(0.75)
    assert compare([exact], [detections((BOX, 0.9, 1), (ELSEWHERE, 0.02, 2))]).scores == 0.0, "no object to either"


@pytest.mark.parametrize("place", [0, 1])
def test_a_score_that_is_not_a_number_is_a_difference_wherever_it_is(place):
    scores = [0.9, 0.8]
    exact = detections((BOX, scores[0], 1), (ELSEWHERE, scores[1], 2))
    scores[place] = math.nan
    found = compare([exact], [detections((BOX, scores[0], 1), (ELSEWHERE, scores[1], 2))])
    assert math.isnan(found.scores)
    assert found.problems(Tolerance(scores=1.0)) == ["scores differ by up to nan (accepted: 1)"]


def test_where_objects_may_be_missing_one_that_is_too_far_away_is_missing_and_found_in_addition():
    """Such as the neighbour that is left where suppression dropped another one: how many there are is what counts."""
    exact = detections((BOX, 0.9, 1), (ELSEWHERE, 0.8, 2))
    weak, moved = detections((BOX, 0.9, 1), (ELSEWHERE, 0.3, 2)), detections((MOVED, 0.9, 1), (ELSEWHERE, 0.8, 2))
    rounded = Tolerance(boxes=0.01, scores=0.2, missing=0.5)
    assert compare([exact], [weak], rounded) == compare([exact], [moved], rounded) == Agreement(2, 1, 1, 0.0, 0.0)
    assert compare([exact], [weak], rounded).problems(rounded) == []
    assert compare([exact], [weak], rounded).problems(Tolerance(0.01, 0.2, 0.4)) == [
        "1 of 2 objects are not found again with a box within 0.01 of the image and a score within 0.2 (accepted: 40%)",
        "1 are found in addition to 2 (accepted: 40%)",
    ]
    assert compare([exact], [weak], Tolerance()).scores == pytest.approx(0.5), "none may be missing: it is said how far"
    nan = detections((BOX, math.nan, 1), (ELSEWHERE, 0.8, 2))
    assert compare([exact], [nan], rounded).problems(rounded) == ["scores differ by up to nan (accepted: 0.2)"]


def test_what_is_not_a_number_and_was_not_there_is_found_in_addition():
    exact = detections((BOX, 0.9, 1))
    assert compare([exact], [detections((BOX, 0.9, 1), (ELSEWHERE, math.nan, 2))]).extra == 1
    nowhere = [math.nan, 0.6, 0.9, 0.9]
    found = compare([detections((ELSEWHERE, 0.8, 2))], [detections((nowhere, 0.8, 2))])
    assert (found.missing, found.extra) == (1, 1)


def test_every_difference_over_the_tolerance_is_said():
    found = Agreement(10, 1, 2, 0.002, 0.0005)
    assert found.problems(Tolerance(0.002, 0.001, 0.2)) == []
    assert found.problems(Tolerance(0.001, 0.001, 0.1)) == [
        "2 are found in addition to 10 (accepted: 10%)",
        "boxes differ by up to 0.002 of the image (accepted: 0.001)",
    ]
    assert Agreement(10, 0, 0, math.nan, 0.0).problems(Tolerance()), "not a number is no agreement"
