"""The kinds of errors, on boxes made so that each kind is known."""

import pytest
from made_results import CAT, DOG, made_image

from odtk.evaluation.analysis.error_kinds import (
    BACKGROUND,
    BOTH,
    CLASSIFICATION,
    CORRECT,
    DUPLICATE,
    IGNORED,
    KINDS,
    LOCALIZATION,
    MISSED,
    classify_errors,
)
from odtk.evaluation.analysis.matching import UNMATCHED, match_images

BOX = (10, 10, 50, 50)
LOOSE = (10, 10, 50, 30)  # IoU with BOX: 0.5, exactly
LOOSER = (10, 10, 50, 26)  # 0.4
APART = (10, 49, 50, 89)  # 1 / 79


@pytest.mark.parametrize(
    ("found", "expected", "missed"),
    [
        ([(BOX, CAT, 0.9)], [CORRECT], False),
        ([(LOOSE, CAT, 0.9)], [CORRECT], False),
        ([(BOX, DOG, 0.9)], [CLASSIFICATION], False),
        ([(LOOSE, DOG, 0.9)], [CLASSIFICATION], False),
        ([(LOOSER, CAT, 0.9)], [LOCALIZATION], False),
        ([(LOOSER, DOG, 0.9)], [BOTH], True),
        ([(BOX, CAT, 0.9), (BOX, CAT, 0.8)], [CORRECT, DUPLICATE], False),
        ([(BOX, CAT, 0.9), (LOOSE, CAT, 0.8)], [CORRECT, DUPLICATE], False),
        ([(BOX, CAT, 0.9), (LOOSER, CAT, 0.8)], [CORRECT, LOCALIZATION], False),
        ([(APART, CAT, 0.9)], [BACKGROUND], True),
        ([(APART, DOG, 0.9)], [BACKGROUND], True),
        ([], [], True),
    ],
)
def test_the_kind_of_each_error(found, expected, missed):
    image = made_image([(BOX, CAT)], found)
    matching = match_images([image])
    errors = classify_errors([image], matching)
    assert errors.kinds.tolist() == expected
    assert errors.truth_kinds.tolist() == [MISSED if missed else expected[0]]
    assert errors.targets.tolist() == [UNMATCHED if kind == BACKGROUND else 0 for kind in expected]


def test_without_groundtruth_everything_is_background():
    images = [made_image([], [(BOX, CAT, 0.9)]), made_image([(BOX, CAT)], [(BOX, CAT, 0.5)])]
    errors = classify_errors(images, match_images(images))
    assert errors.kinds.tolist() == [BACKGROUND, CORRECT]


def test_a_target_is_the_row_among_all_images():
    images = [made_image([(BOX, DOG)], []), made_image([(APART, DOG), (BOX, DOG)], [(BOX, CAT, 0.9)])]
    errors = classify_errors(images, match_images(images))
    assert errors.targets.tolist() == [2]
    assert errors.truth_kinds.tolist() == [MISSED, MISSED, CLASSIFICATION]
    assert errors.counts() == dict.fromkeys(KINDS, 0) | {CLASSIFICATION: 1, MISSED: 2}


def test_groundtruth_that_is_ignored_is_neither_missed_nor_a_target():
    image = made_image([(BOX, CAT)], [(BOX, CAT, 0.9), (BOX, CAT, 0.8), (BOX, DOG, 0.7)], ignored=[True])
    errors = classify_errors([image], match_images([image]))
    # The first is matched to it; the others meet no object that counts.
    assert errors.kinds.tolist() == [IGNORED, BACKGROUND, BACKGROUND]
    assert errors.truth_kinds.tolist() == [IGNORED]


def test_images_without_boxes():
    images = [made_image([], [])]
    errors = classify_errors(images, match_images(images))
    assert len(errors.kinds) == len(errors.truth_kinds) == 0
    assert set(errors.counts().values()) == {0}


def test_the_surest_detection_says_what_is_wrong_with_an_object():
    image = made_image([(BOX, CAT)], [(LOOSER, CAT, 0.8), (BOX, DOG, 0.9)])
    errors = classify_errors([image], match_images([image]))
    assert sorted(errors.kinds) == [CLASSIFICATION, LOCALIZATION]
    assert errors.truth_kinds.tolist() == [CLASSIFICATION]
