"""The confusion matrix by hand, and its sums on random boxes."""

import numpy as np
import pytest
from counted_results import CLASS_IDS, RESULTS
from made_results import CAT, DOG, HORSE, made_image, made_results
from random_images import random_image

from odtk.evaluation.analysis.class_ids import all_class_ids
from odtk.evaluation.analysis.confusion import confusion_matrix
from odtk.evaluation.analysis.matching import match_images
from odtk.evaluation.analysis.outcomes import count_outcomes
from odtk.evaluation.results import Results
from odtk.thresholds import reaches

BOX, SHIFTED = (10, 10, 50, 50), (10, 14, 50, 54)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        # Rows: the objects cat, dog, horse, background; columns: what they are detected as.
        (0.3, [[1, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0]]),
        (0.65, [[1, 1, 0, 0], [0, 0, 0, 2], [0, 0, 0, 0], [1, 0, 0, 0]]),
        (0.95, [[0, 0, 0, 2], [0, 0, 0, 2], [0, 0, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_counts_by_hand(threshold, expected):
    found = confusion_matrix(RESULTS, match_images(RESULTS.images), CLASS_IDS, threshold)
    assert found.counts.tolist() == expected


def test_shares_of_rows_and_columns():
    found = confusion_matrix(RESULTS, match_images(RESULTS.images), CLASS_IDS, 0.65)
    np.testing.assert_allclose(
        found.by_object, [[1 / 2, 1 / 2, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]
    )  # fmt: skip
    np.testing.assert_allclose(
        found.by_detection, [[1 / 2, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [1 / 2, 0, 0, 0]]
    )  # fmt: skip


def test_the_surest_of_several_wrong_classes_gets_the_object_that_it_overlaps_most():
    results = made_results(
        made_image([(BOX, CAT), (SHIFTED, DOG)], [(SHIFTED, HORSE, 0.9), (BOX, HORSE, 0.8), (BOX, HORSE, 0.7)])
    )
    found = confusion_matrix(results, match_images(results.images), CLASS_IDS, 0.1)
    assert found.counts.tolist() == [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0]]


def test_an_object_of_the_right_class_comes_before_one_that_is_overlapped_more():
    # The cat is found, although the dog's box fits better: as the metrics count it.
    results = made_results(made_image([(BOX, CAT), (SHIFTED, DOG)], [(SHIFTED, CAT, 0.9)]))
    found = confusion_matrix(results, match_images(results.images), (CAT, DOG), 0.1)
    assert found.counts.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
def test_each_box_is_counted_once(threshold):
    results = Results([random_image(seed) for seed in range(40)], {1: "a", 2: "b", 3: "c", 7: "never"})
    matching, class_ids = match_images(results.images), all_class_ids(results)
    counts = confusion_matrix(results, matching, class_ids, threshold).counts
    outcomes = count_outcomes(matching, class_ids, threshold)
    detected, truth = matching.detected, matching.truth
    seen = detected.classes[reaches(detected.scores, threshold) & ~detected.ignored]
    assert np.diag(counts)[:-1].tolist() == outcomes.right.tolist()
    assert counts[:-1].sum(axis=1).tolist() == [(truth.classes[~truth.ignored] == each).sum() for each in class_ids]
    assert counts[:, :-1].sum(axis=0).tolist() == [(seen == each).sum() for each in class_ids]
    assert counts[:-1, :-1].sum() > np.trace(counts)  # some classes are confused


def test_classes_without_a_name_have_a_row():
    results = made_results(made_image([(BOX, 9)], [(BOX, 4, 0.9)]), names={1: "cat"})
    assert all_class_ids(results) == (1, 4, 9)
    counts = confusion_matrix(results, match_images(results.images), (1, 4, 9), 0.5).counts
    assert counts[2, 1] == counts.sum() == 1
