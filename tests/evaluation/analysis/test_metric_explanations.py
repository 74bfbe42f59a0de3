"""What explains a metric of 0, -1 or NaN, and that a good evaluation needs no explanation."""

import math

import pytest
from made_results import CAT, DOG, HORSE, made_image, made_results

from odtk.evaluation.analysis.metric_explanations import explain_metrics

SMALL, MEDIUM, LARGE = (0, 0, 20, 20), (0, 0, 50, 50), (100, 100, 300, 300)
SIZE = (400, 400)
ALL = [(SMALL, CAT), (MEDIUM, DOG), (LARGE, HORSE)]
GOOD = made_image(ALL, [(box, class_id, 0.9) for box, class_id in ALL], size=SIZE)
SMALL_MAP = "DetectionBoxes_Precision/mAP (small)"


def kinds(*images, **options):
    return [finding.kind for finding in explain_metrics(made_results(*images), **options)]


def test_a_good_evaluation_needs_no_explanation():
    assert kinds(GOOD, GOOD) == []
    assert kinds(GOOD, metrics={"DetectionBoxes_Precision/mAP": 1.0}, min_score=0.5) == []


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (made_image([], [(SMALL, CAT, 0.9)]), "no-groundtruth"),
        (made_image([(SMALL, CAT)], [(SMALL, CAT, 0.9)], ignored=[True]), "no-groundtruth"),
        (made_image(ALL, [], size=SIZE), "no-detections"),
        (made_image(ALL, [((350, 350, 390, 390), class_id, 0.9) for class_id in (CAT, DOG, HORSE)], size=SIZE),
         "nothing-met"),
        (made_image(ALL, [(box, class_id + 10, 0.9) for box, class_id in ALL], size=SIZE), "classes-never-meet"),
    ],
)  # fmt: skip
def test_why_all_is_zero(image, expected):
    assert kinds(image) == [expected]


def test_detections_of_other_images():
    with_truth, with_detection = made_image(ALL, [], size=SIZE), made_image([], [(SMALL, CAT, 0.9)], size=SIZE)
    assert kinds(with_truth, with_detection) == ["images-never-meet"]


def test_ignored_groundtruth_is_named():
    image = made_image([(SMALL, CAT), (LARGE, DOG)], [], ignored=[True, True])
    (finding,) = explain_metrics(made_results(image))
    assert "all 2 are crowds, groups or difficult" in finding.text


def test_what_is_below_the_threshold():
    low = made_image(ALL, [(box, class_id, 0.2) for box, class_id in ALL], size=SIZE)
    assert kinds(low, min_score=0.5) == ["all-below-threshold"]
    assert kinds(low, GOOD, min_score=0.5) == []
    assert kinds(low, min_score=0.1) == []


def test_no_groundtruth_of_a_size_or_class():
    medium = made_image([(MEDIUM, CAT)], [(MEDIUM, CAT, 0.9)], size=SIZE)
    found = explain_metrics(made_results(medium))
    assert [finding.kind for finding in found] == [
        "classes-without-groundtruth", "no-groundtruth-of-size", "no-groundtruth-of-size",
    ]  # fmt: skip
    assert {finding.severity for finding in found} == {"note"}
    assert "2 classes have no object in these images: dog, horse." in found[0].text
    # Only what explains one of the metrics is said.
    assert kinds(medium, metrics={SMALL_MAP: 0.5}) == []
    assert kinds(medium, metrics={SMALL_MAP: -1.0}) == ["classes-without-groundtruth", "no-groundtruth-of-size"]
    nan = {"PascalBoxes_PerformanceByCategory/AP@0.5IOU/dog": math.nan}
    assert kinds(medium, metrics=nan) == ["classes-without-groundtruth"]
    assert kinds(medium, metrics={"Loss/total_loss": math.nan}) == []


def test_no_image():
    assert kinds() == ["no-groundtruth"]
