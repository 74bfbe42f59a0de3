"""What errors cost: by hand, as the authors of TIDE measure it, and the mAP as pycocotools does."""

import numpy as np
import pytest
from made_results import CAT, DOG, HORSE, made_image, made_results
from random_images import random_image

from odtk.evaluation.analysis.average_precision import measure_precision
from odtk.evaluation.analysis.error_kinds import (
    BACKGROUND,
    BOTH,
    CLASSIFICATION,
    DUPLICATE,
    KINDS,
    LOCALIZATION,
    MISSED,
    classify_errors,
)
from odtk.evaluation.analysis.matching import match_images
from odtk.evaluation.analysis.oracle import Oracle

BOX, FAR, LOOSE = (10, 10, 50, 50), (60, 60, 90, 90), (10, 10, 50, 26)


def oracle_of(*images):
    matching = match_images(images)
    return Oracle(matching, classify_errors(images, matching))


# The recalls at which the precision of the first of two objects counts: 0, 0.01 ... 0.50.
_HALF = 51 / 101


@pytest.mark.parametrize(
    ("truths", "found", "mean", "expected"),
    [
        # DOG has precision 1/2 at each recall, CAT has no detection.
        ([(BOX, CAT), (FAR, DOG)], [(BOX, DOG, 0.9), (FAR, DOG, 0.8)], 0.25, {CLASSIFICATION: 0.75}),
        ([(BOX, CAT)], [(LOOSE, CAT, 0.9)], 0, {LOCALIZATION: 1}),
        # The second about the same object is removed.
        ([(BOX, CAT)], [(LOOSE, CAT, 0.9), (LOOSE, CAT, 0.8)], 0, {LOCALIZATION: 1}),
        # The object is found, so that only precision rises; after the last true positive it would not.
        ([(BOX, CAT)], [(LOOSE, CAT, 0.9), (BOX, CAT, 0.8)], 0.5, {LOCALIZATION: 0.5}),
        ([(BOX, CAT)], [(BOX, CAT, 0.9), (LOOSE, CAT, 0.8)], 1, {}),
        ([(BOX, CAT), (FAR, CAT)], [(BOX, CAT, 0.9), (BOX, CAT, 0.8), (FAR, CAT, 0.7)],
         _HALF + (1 - _HALF) * 2 / 3, {DUPLICATE: (1 - _HALF) / 3}),
        ([(BOX, CAT)], [(FAR, CAT, 0.9), (BOX, CAT, 0.8)], 0.5, {BACKGROUND: 0.5}),
        ([(BOX, CAT), (FAR, CAT)], [(BOX, CAT, 0.9)], _HALF, {MISSED: 1 - _HALF}),
        # A class that is not found at all has a cost, too.
        ([(BOX, CAT), (FAR, DOG)], [(BOX, CAT, 0.9)], 0.5, {MISSED: 0.5}),
        # Its horse is about the cat, whose own precision it does not touch; horses have no groundtruth.
        ([(BOX, CAT)], [(LOOSE, HORSE, 0.9), (BOX, CAT, 0.8)], 1, {}),
        ([(BOX, CAT), (FAR, HORSE)], [(LOOSE, HORSE, 0.9), (FAR, HORSE, 0.8), (BOX, CAT, 0.8)], 0.75, {BOTH: 0.25}),
    ],
)  # fmt: skip
def test_the_cost_of_each_kind_by_hand(truths, found, mean, expected):
    oracle = oracle_of(made_image(truths, found))
    assert oracle.mean == pytest.approx(mean)
    assert oracle.costs() == pytest.approx(dict.fromkeys(KINDS, 0) | expected)


def test_the_costs_are_those_of_the_authors():
    """Counts and costs from tidecv 1.0.1, TIDERun on these boxes (bg_thresh 0.1, at most 100 detections)."""
    oracle = oracle_of(
        made_image([(BOX, CAT), (FAR, DOG)],
                   [(BOX, DOG, .95), ((62, 61, 91, 92), DOG, .7), ((60, 60, 90, 92), DOG, .75),
                    ((10, 12, 50, 28), HORSE, .4)]),
        made_image([((5, 5, 45, 45), DOG), ((50, 10, 90, 40), CAT), ((55, 55, 95, 95), HORSE)],
                   [((5, 5, 45, 20), DOG, .9), ((5, 5, 45, 45), DOG, .6), ((50, 10, 90, 24), CAT, .8),
                    ((58, 52, 93, 91), HORSE, .65), ((0, 60, 30, 99), HORSE, .85)]),
        made_image([((20, 20, 60, 60), HORSE), ((0, 70, 20, 95), CAT)],
                   [((20, 20, 60, 38), HORSE, .99), ((20, 22, 60, 62), HORSE, .72), ((0, 70, 20, 95), CAT, .35),
                    ((0, 80, 14, 95), HORSE, .78), ((70, 0, 95, 30), CAT, .55)]),
        made_image([((0, 0, 30, 30), CAT), ((50, 50, 90, 90), DOG)],
                   [((0, 0, 30, 12), CAT, .45), ((0, 0, 29, 31), CAT, .88), ((0, 0, 30, 30), CAT, .86)]),
    )  # fmt: skip
    assert oracle.errors.counts() == {
        CLASSIFICATION: 1, LOCALIZATION: 4, BOTH: 2, DUPLICATE: 2, BACKGROUND: 2, MISSED: 1,
    }  # fmt: skip
    assert oracle.mean == pytest.approx(0.3350935093509347, abs=1e-12)
    assert oracle.costs() == pytest.approx(
        {CLASSIFICATION: 0.112478391, LOCALIZATION: 0.132453245, BOTH: 0.033333333,
         DUPLICATE: 0.027612761, BACKGROUND: 0.038833883, MISSED: 0.044884488},
        abs=1e-9,
    )  # fmt: skip


def test_the_mean_is_that_of_pycocotools():
    images = [random_image(seed) for seed in range(60)]
    expected = measure_precision(made_results(*images), [1, 2, 3])
    oracle = oracle_of(*images)
    assert list(oracle.precisions.values()) == pytest.approx(expected.of_classes(0.5).tolist(), abs=1e-9)
    assert oracle.mean == pytest.approx(expected.mean(0.5), abs=1e-9)


def test_a_selection_costs_what_its_classes_lose():
    images = [random_image(seed) for seed in range(40)]
    oracle = oracle_of(*images)
    detected = oracle.matching.detected
    nothing = oracle.gains()
    assert set(nothing.values()) == {0}
    selected = oracle.errors.wrong & (detected.classes == DOG) & (oracle.errors.kinds != CLASSIFICATION)
    gains = oracle.gains(selected)
    assert gains[DOG] > 0
    assert gains[CAT] == gains[HORSE] == 0
    assert oracle.cost(selected) == pytest.approx(gains[DOG] / 3)
    # What is right or already found cannot be corrected.
    everything = oracle.gains(np.ones(len(detected.scores), bool), np.ones(len(oracle.errors.missed), bool))
    assert [value + oracle.precisions[class_id] for class_id, value in everything.items()] == pytest.approx([1] * 3)


def test_without_groundtruth_there_is_no_mean_and_no_cost():
    oracle = oracle_of(made_image([], [(BOX, CAT, 0.9)]))
    assert np.isnan(oracle.mean)
    assert set(oracle.costs().values()) == {0}
    assert oracle.cost(np.array([True])) == 0
