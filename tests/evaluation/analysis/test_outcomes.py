"""Counts and rates at a threshold, by hand."""

import numpy as np
from counted_results import CLASS_IDS, RESULTS
from made_results import CAT, DOG, made_image

from odtk.evaluation.analysis.matching import match_images
from odtk.evaluation.analysis.outcomes import Rates, count_outcomes, found_objects

BOX, OTHER = (10, 10, 50, 50), (60, 60, 90, 90)


def test_counts_of_each_class():
    counted = count_outcomes(match_images(RESULTS.images), CLASS_IDS, 0.3)
    assert [counted.right.tolist(), counted.wrong.tolist(), counted.missed.tolist()] == [
        [1, 2, 0],
        [2, 1, 0],
        [1, 0, 0],
    ]
    np.testing.assert_allclose(counted.precision, [1 / 3, 2 / 3, np.nan])
    np.testing.assert_allclose(counted.recall, [1 / 2, 1, np.nan])
    np.testing.assert_allclose(counted.f1, [2 / 5, 4 / 5, np.nan])


def test_an_object_is_missed_if_what_found_it_is_below_the_threshold():
    matching = match_images(RESULTS.images)
    counted = count_outcomes(matching, CLASS_IDS, 0.65)
    assert [counted.right.tolist(), counted.wrong.tolist(), counted.missed.tolist()] == [
        [1, 0, 0],
        [1, 1, 0],
        [1, 2, 0],
    ]
    assert found_objects(matching, 0.65).tolist() == [True, False, False, False, False]
    assert found_objects(matching, 0.3).tolist() == [True, False, True, True, True]


def test_micro_is_of_all_boxes_and_macro_the_mean_of_the_classes():
    counted = count_outcomes(match_images(RESULTS.images), CLASS_IDS, 0.3)
    assert counted.micro == Rates(3 / 6, 3 / 4, 6 / 10)
    assert counted.macro == Rates((1 / 3 + 2 / 3) / 2, (1 / 2 + 1) / 2, (2 / 5 + 4 / 5) / 2)


def test_a_class_that_is_never_detected_lowers_the_macro_precision():
    matching = match_images([made_image([(BOX, CAT), (OTHER, DOG)], [(BOX, CAT, 0.9)])])
    counted = count_outcomes(matching, (CAT, DOG), 0.5)
    assert np.isnan(counted.precision[1])
    assert (counted.macro.precision, counted.micro.precision) == (0.5, 1.0)


def test_nothing_at_all():
    counted = count_outcomes(match_images([]), CLASS_IDS, 0.5)
    rates = (*vars(counted.micro).values(), *vars(counted.macro).values())
    assert np.isnan(rates).all()
