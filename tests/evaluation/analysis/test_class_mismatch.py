"""Classes that mean something else in detections and groundtruth, and classes that merely are confused."""

import pytest
from made_results import CAT, DOG, HORSE, made_image, made_results

from odtk.evaluation.analysis.class_mismatch import check_classes

PLACES = [(0, 0, 20, 20), (0, 30, 20, 50), (0, 60, 20, 80), (40, 0, 60, 20), (40, 30, 60, 50), (40, 60, 60, 80)]


def checked(annotated, detected):
    """Findings about two images with objects of these classes, each in its place detected as the other class."""
    image = made_image(
        [(place, one) for place, one in zip(PLACES, annotated, strict=True)],
        [(place, other, 0.9) for place, other in zip(PLACES, detected, strict=True) if other is not None],
    )
    return list(check_classes(made_results(image, image)))


@pytest.mark.parametrize(
    ("annotated", "detected", "kind", "text"),
    [
        ([1, 1, 2, 2, 3, 3], [0, 0, 1, 1, 2, 2], "other-class-ids", "are by one smaller"),
        ([1, 1, 2, 2, 3, 3], [2, 2, 3, 3, 4, 4], "other-class-ids", "are by one larger"),
        ([1, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2], "other-class-ids", "are by one larger"),
        ([1, 1, 2, 2, 3, 3], [3, 3, 1, 1, 2, 2], "other-class-ids", "cat as horse, dog as cat, horse as dog"),
        (
            [1, 1, 1, 1, 1, 1],
            [5, 6, 5, 6, 7, 8],
            "classes-never-meet",
            "has cat (id 1), the detections have class 5 (id",
        ),
    ],
)
def test_ids_that_mean_something_else(annotated, detected, kind, text):
    (finding,) = checked(annotated, detected)
    assert (finding.kind, finding.severity) == (kind, "error")
    assert text in finding.text


def test_a_class_that_is_never_detected():
    (finding,) = checked([CAT, CAT, CAT, CAT, DOG, DOG], [CAT, CAT, CAT, CAT, None, None])
    assert (finding.kind, finding.severity, finding.count) == ("classes-never-detected", "warning", 1)
    assert "1 class is annotated but never detected, at any score: dog (4 objects)." in finding.text


@pytest.mark.parametrize(
    "detected",
    [
        [CAT, CAT, DOG, DOG, HORSE, HORSE],
        [CAT, DOG, DOG, CAT, HORSE, CAT],
        [DOG, CAT, CAT, DOG, DOG, HORSE],  # a bad classifier
    ],
)
def test_ids_that_mean_the_same(detected):
    assert checked([CAT, CAT, DOG, DOG, HORSE, HORSE], detected) == []


def test_detections_of_classes_without_groundtruth():
    (finding,) = checked([CAT, CAT, CAT, DOG, DOG, DOG], [CAT, CAT, CAT, DOG, HORSE, HORSE])
    assert (finding.kind, finding.severity, finding.count) == ("classes-never-annotated", "note", 4)
    assert "33% of the detections (4) are of classes that are never annotated" in finding.text
    # One of twelve is no matter, but an id without a name is.
    image = made_image([(place, CAT) for place in PLACES], [(place, CAT, 0.9) for place in PLACES] * 2)
    for class_id, expected in ((HORSE, []), (91, ["classes-never-annotated"])):
        other = made_image([], [(PLACES[0], class_id, 0.5)])
        assert [each.kind for each in check_classes(made_results(image, other))] == expected


def test_too_few_to_tell():
    image = made_image([(PLACES[0], CAT), (PLACES[1], DOG)], [(PLACES[0], DOG, 0.9), (PLACES[1], CAT, 0.9)])
    assert list(check_classes(made_results(*[image] * 4))) == []
    assert [finding.kind for finding in check_classes(made_results(*[image] * 5))] == ["other-class-ids"]


def test_all_taken_for_one_class_are_not_other_ids():
    (finding,) = checked([CAT, DOG, DOG, HORSE, HORSE, HORSE], [CAT] * 6)
    assert finding.kind == "classes-never-detected"


def test_nothing_to_compare():
    assert list(check_classes(made_results())) == []
    assert list(check_classes(made_results(made_image([(PLACES[0], CAT)], [])))) == []
