"""What to look at first, on images with known errors."""

import pytest
from made_results import CAT, DOG, HORSE, made_image

from odtk.evaluation.analysis.error_kinds import BACKGROUND, CLASSIFICATION, DUPLICATE, KINDS, MISSED, classify_errors
from odtk.evaluation.analysis.matching import match_images
from odtk.evaluation.analysis.oracle import Oracle
from odtk.evaluation.analysis.rankings import (
    ErrorCase,
    cases_of_image,
    confused_pairs,
    largest_missed,
    surest_false_positives,
    worst_images,
)

BOX, FAR, SMALL = (10, 10, 50, 50), (60, 60, 90, 90), (0, 0, 8, 8)
IMAGES = [
    made_image([(BOX, CAT), (FAR, CAT)], [(BOX, DOG, 0.9), (BOX, DOG, 0.2)]),
    made_image([(BOX, CAT), (SMALL, DOG)], [(BOX, CAT, 0.8), (BOX, CAT, 0.7), (FAR, HORSE, 0.95)]),
    made_image([(BOX, CAT)], [(BOX, CAT, 0.8)]),
]


@pytest.fixture(scope="module")
def matching():
    return match_images(IMAGES)


@pytest.fixture(scope="module")
def errors(matching):
    return classify_errors(IMAGES, matching)


def test_confused_pairs_are_counted_at_the_threshold(matching, errors):
    (pair,) = confused_pairs(Oracle(matching, errors), min_score=0.5)
    assert (pair.annotated, pair.detected, pair.count) == (CAT, DOG, 1)
    assert pair.cost > 0
    (all_scores,) = confused_pairs(Oracle(matching, errors))
    assert (all_scores.count, all_scores.cost) == (2, pair.cost)


def test_the_surest_false_positives(matching, errors):
    found = surest_false_positives(matching, errors)
    assert [each.kind for each in found] == [BACKGROUND, CLASSIFICATION, DUPLICATE, CLASSIFICATION]
    assert found[0] == ErrorCase(BACKGROUND, 1, HORSE, 0, None, pytest.approx(0.95))
    assert (found[1].detection, found[1].truth) == (0, 0)
    assert surest_false_positives(matching, errors, most=1) == found[:1]
    assert surest_false_positives(matching, errors, class_id=CAT) == found[2:3]


def test_the_largest_missed_objects(matching, errors):
    found = largest_missed(matching, errors)
    assert found == [ErrorCase(MISSED, 0, CAT, None, 1, 0.0), ErrorCase(MISSED, 1, DOG, None, 1, 0.0)]
    assert largest_missed(matching, errors, class_id=DOG) == found[1:]


def test_the_worst_images(matching, errors):
    first, second = worst_images(matching, errors, len(IMAGES))
    assert (first.image, second.image) == (0, 1)
    assert first.errors == dict.fromkeys(KINDS, 0) | {CLASSIFICATION: 2, MISSED: 1}
    assert second.errors == dict.fromkeys(KINDS, 0) | {DUPLICATE: 1, BACKGROUND: 1, MISSED: 1}
    assert (second.right, second.badness) == (1, pytest.approx(3 * 3 / 4))
    assert worst_images(matching, errors, len(IMAGES), most=1) == [first]


def test_the_errors_of_one_image(matching, errors):
    assert cases_of_image(matching, errors, 1) == [
        surest_false_positives(matching, errors, class_id=CAT)[0],
        surest_false_positives(matching, errors, class_id=HORSE)[0],
        largest_missed(matching, errors, class_id=DOG)[0],
    ]
    assert cases_of_image(matching, errors, 2) == []


def test_without_images():
    nothing = match_images([])
    errors = classify_errors([], nothing)
    assert confused_pairs(Oracle(nothing, errors)) == []
    assert surest_false_positives(nothing, errors) == largest_missed(nothing, errors) == []
    assert worst_images(nothing, errors, 0) == []
