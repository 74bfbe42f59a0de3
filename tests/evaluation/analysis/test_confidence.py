"""Curves and thresholds by hand, and against counts at every threshold."""

import numpy as np
import pytest
from counted_results import CLASS_IDS, RESULTS
from made_results import CAT, made_image
from random_images import random_image

from odtk.evaluation.analysis.confidence import CONFIDENCES, confidence_curves
from odtk.evaluation.analysis.matching import match_images
from odtk.evaluation.analysis.outcomes import count_outcomes
from odtk.thresholds import reaches

BOX, OTHER = (10, 10, 50, 50), (60, 60, 90, 90)


def test_curves_by_hand():
    curves = confidence_curves(match_images(RESULTS.images), CLASS_IDS)
    at = [int(np.flatnonzero(np.isclose(CONFIDENCES, confidence))[0]) for confidence in (0, 0.3, 0.6, 0.605, 1)]
    overall = curves.overall
    np.testing.assert_allclose(overall.precision[at], [3 / 6, 3 / 6, 2 / 4, 1 / 3, np.nan])
    np.testing.assert_allclose(overall.recall[at], [3 / 4, 3 / 4, 2 / 4, 1 / 4, 0])
    np.testing.assert_allclose(overall.f1[at], [6 / 10, 6 / 10, 4 / 8, 2 / 7, 0])
    assert curves.class_ids == (1, 2)  # no horse counts
    assert [curve.objects for curve in (*curves.classes, overall)] == [2, 2, 4]


def test_the_best_thresholds_by_hand():
    curves = confidence_curves(match_images(RESULTS.images), CLASS_IDS)
    assert (curves.overall.best, curves.chosen) == (0.3, 0.3)
    assert [curve.best for curve in curves.classes] == [0.8, 0.3]
    np.testing.assert_allclose([curve.best_f1 for curve in (*curves.classes, curves.overall)], [2 / 3, 4 / 5, 6 / 10])
    named = curves.thresholds(RESULTS.name_of, fewest=2)
    assert (named.score, named.classes) == (0.3, {"cat": 0.8, "dog": 0.3})
    assert curves.thresholds(RESULTS.name_of, fewest=3).classes == {}


@pytest.mark.parametrize(
    ("score", "below", "expected"),
    [
        (0.83, 0.02, 0.4),
        (0.4231, 0.4187, 0.42),
        (0.9, 0.8999, 0.9),
        (1.0, 0.99, 1.0),
        (0.06, 0.01, 0.03),  # 0.0 would keep both
        (0.83, None, 0.8),
        (0.05, None, 0.05),
        (0.999, None, 0.999),
    ],
)
def test_a_threshold_is_a_short_number_in_the_middle_between_the_scores(score, below, expected):
    wrong = [] if below is None else [(OTHER, CAT, below)]
    curves = confidence_curves(match_images([made_image([(BOX, CAT)], [(BOX, CAT, score), *wrong])]), [CAT])
    assert curves.chosen == expected


def test_neighbors_in_float32_are_told_apart():
    score = np.float32(0.7312345)
    below = np.nextafter(score, np.float32(0))
    image = made_image([(BOX, CAT)], [(BOX, CAT, score), (OTHER, CAT, below)])
    chosen = confidence_curves(match_images([image]), [CAT]).chosen
    assert reaches(np.array([score, below]), chosen).tolist() == [True, False]


def test_equal_scores_are_kept_together():
    image = made_image([(BOX, CAT)], [(BOX, CAT, 0.5), (OTHER, CAT, 0.5), (OTHER, CAT, 0.2)])
    overall = confidence_curves(match_images([image]), [CAT]).overall
    assert (overall.best, overall.best_f1) == (0.4, 2 / 3)


def test_without_objects_or_finds_there_is_no_best_threshold():
    nothing = confidence_curves(match_images([]), CLASS_IDS)
    wrong = confidence_curves(match_images([made_image([(BOX, CAT)], [(OTHER, CAT, 0.9)])]), [CAT])
    for curves in (nothing, wrong):
        assert (curves.overall.best, curves.chosen) == (None, 0.5)
        assert curves.thresholds(str, fewest=0).classes == {}
    assert (wrong.overall.best_f1, np.isnan(nothing.overall.best_f1)) == (0, True)


def test_one_matching_serves_all_thresholds():
    images = [random_image(seed) for seed in range(40)]
    curves = confidence_curves(match_images(images), (1, 2, 3))
    for row in range(0, len(CONFIDENCES), 10):
        counted = count_outcomes(match_images(images, min_score=CONFIDENCES[row]), (1, 2, 3), 0.0)
        overall = curves.overall
        actual = [overall.precision[row], overall.recall[row], overall.f1[row]]
        np.testing.assert_allclose(actual, [counted.micro.precision, counted.micro.recall, counted.micro.f1])
        np.testing.assert_allclose([curve.f1[row] for curve in curves.classes], counted.f1)


def test_no_threshold_is_better_than_the_best():
    images = [random_image(seed) for seed in range(40)]
    matching = match_images(images)
    curves = confidence_curves(matching, (1, 2, 3))
    f1 = [count_outcomes(matching, (1, 2, 3), score).micro.f1 for score in np.unique(matching.detected.scores)]
    assert curves.overall.best_f1 == max(f1) == count_outcomes(matching, (1, 2, 3), curves.chosen).micro.f1 > 0
