"""Each finding on results in which it must appear, and on such in which it must not."""

import pytest
from made_results import CAT, DOG, HORSE, made_image, made_results

from odtk.evaluation.analysis.average_precision import measure_precision
from odtk.evaluation.analysis.error_kinds import classify_errors
from odtk.evaluation.analysis.matching import match_images
from odtk.evaluation.analysis.metric_explanations import explain_metrics
from odtk.evaluation.analysis.oracle import Oracle
from odtk.evaluation.analysis.suspects import find_suspects
from odtk.evaluation.analysis.top_findings import Commands, Threshold, top_findings
from odtk.findings import WARNING, Finding

BOX, FAR, LOOSE = (10, 10, 50, 50), (60, 60, 95, 95), (10, 10, 50, 26)
SMALL = (80, 5, 90, 15)
ALL = Commands("pets.config", "model", "suspects.csv")


def right(class_id, count, score=0.8, box=BOX):
    return [made_image([(box, class_id)], [(box, class_id, score)], name=f"right{row}.jpg") for row in range(count)]


def wrong(count, truths, found):
    return [made_image(truths, found, name=f"wrong{row}.jpg") for row in range(count)]


GOOD = [*right(CAT, 10), *right(DOG, 10), *right(HORSE, 10)]


def found(*images, **options):
    """All findings but the one that these images are few."""
    results = made_results(*images)
    matching = match_images(images)
    oracle = Oracle(matching, classify_errors(images, matching))
    suspects = find_suspects(results, matching)
    explanations = explain_metrics(results, {}, 0.5)
    everything = top_findings(results, oracle, suspects, explanations, **{"commands": ALL, "most": 10, **options})
    return [finding for finding in everything if finding.kind != "few-objects"]


def kinds(*images, **options):
    return [finding.kind for finding in found(*images, **options)]


def test_nothing_is_wrong():
    assert found(*GOOD, threshold=Threshold(0.5, 0.4, 1.0, 1.0)) == []


def test_label_errors():
    unlabeled = wrong(5, [(BOX, CAT)], [(BOX, CAT, 0.8), (FAR, CAT, 0.9)])
    mislabeled = wrong(2, [(BOX, DOG)], [(BOX, HORSE, 0.9)])
    (finding,) = found(*GOOD, *unlabeled, *mislabeled)
    assert finding.kind == "label-errors"
    assert finding.text.startswith("7 suspected label errors in 7 images: 5 not annotated, 2 of another class.")
    assert "suspects.csv lists them." in finding.fix
    assert [str(example) for example in finding.examples[:2]] == [
        "wrong0.jpg.record, image wrong0.jpg: cat (score 0.90) is not annotated",
        "wrong1.jpg.record, image wrong1.jpg: cat (score 0.90) is not annotated",
    ]
    assert "--export-suspects" in found(*GOOD, *unlabeled, commands=Commands())[0].fix


def test_unsure_detections_and_a_bad_detector_accuse_no_annotation():
    assert kinds(*GOOD, *wrong(20, [(BOX, CAT)], [(FAR, CAT, 0.785), (BOX, CAT, 0.78)])) == [
        "background-errors",
        "weakest-class",
    ]
    # Of its confident detections most are wrong.
    bad = wrong(40, [(BOX, CAT)], [(FAR, CAT, 0.95)])
    assert "label-errors" not in kinds(*right(CAT, 10), *bad)


def test_a_confused_pair():
    images = [*wrong(6, [(BOX, CAT)], [(BOX, DOG, 0.7)]), *wrong(2, [(BOX, DOG)], [(BOX, CAT, 0.7)])]
    finding = found(*GOOD, *images, threshold=Threshold(0.5, 0.6, 0.8, 0.8))[0]
    assert finding.kind == "confused-classes"
    assert finding.text.startswith(
        "cat and dog are confused: 6 detections of dog on cat and 2 detections of cat on dog (scores from 0.6 on). "
    )
    assert "`odtk view pets.config --output drawn --class cat --class dog`" in finding.fix
    assert finding.count == 8
    assert finding.examples[0].text == "dog (score 0.70) on cat"


def test_few_mistakes_of_a_pair_are_no_confusion():
    assert kinds(*GOOD, *wrong(4, [(BOX, CAT)], [(BOX, DOG, 0.7)])) == ["classification-errors", "weakest-class"]
    # Those that hardly overlap an object are none, either.
    beside = wrong(9, [(BOX, CAT)], [(BOX, CAT, 0.9), ((20, 30, 60, 70), DOG, 0.85)])
    assert kinds(*GOOD, *beside) == ["both-errors", "weakest-class"]


def test_where_all_classes_are_confused_no_pair_is_to_blame():
    classes = range(1, 5)
    images = [image for class_id in classes for image in right(class_id, 10)]
    for one in classes:
        for other in range(one + 1, 5):
            images += wrong(6, [(BOX, one)], [(BOX, other, 0.7)])
    assert kinds(*images)[0] == "classification-errors"


def test_small_objects():
    images = [*GOOD, *wrong(10, [(SMALL, CAT)], [])]
    finding = found(*images)[0]
    assert finding.kind == "small-objects"
    assert "0% of 10 objects under 32 x 32 pixels, but 100% of larger ones." in finding.text
    assert finding.examples[0].text == "cat of 10 x 10 pixels is missed"
    # The model sees the images at half their size.
    finding = found(*images, input_size=(50, 50))[0]
    assert "under 16 x 16 pixels of the model's input" in finding.text
    assert "`odtk configure pets.config --output larger.config --image-size 128x128`" in finding.fix
    # A larger input would show no more.
    assert "higher resolution" in found(*images, input_size=(200, 200))[0].fix


def test_small_objects_that_are_found_as_well_and_large_ones_that_are_not():
    assert kinds(*GOOD, *right(CAT, 6, box=SMALL), *wrong(4, [(SMALL, CAT)], [])) == ["missed-errors"]
    assert kinds(*right(CAT, 10, box=SMALL), *wrong(10, [(BOX, CAT)], [])) == ["missed-errors"]
    # 1 of 5 and 5 of 10: it may be chance.
    few = [*right(CAT, 1, box=SMALL), *wrong(4, [(SMALL, CAT)], []), *right(CAT, 5), *wrong(5, [(BOX, CAT)], [])]
    assert kinds(*few) == ["missed-errors"]


def test_a_rare_class():
    images = [*right(CAT, 20), *right(DOG, 20), *wrong(4, [(BOX, HORSE)], [(FAR, HORSE, 0.3)]), *right(HORSE, 1)]
    (finding,) = [finding for finding in found(*images) if finding.kind == "rare-classes"]
    assert "1 class has few examples in these images and a low AP: horse (5 boxes, AP 0.21)." in finding.text
    assert "`odtk inspect pets.config`" in finding.fix
    # It was trained on as many as the others.
    as_many = kinds(*images, training_boxes={CAT: 100, DOG: 100, HORSE: 100})
    assert "rare-classes" not in as_many
    assert "weakest-class" in as_many
    few = found(*images, training_boxes={CAT: 100, DOG: 100, HORSE: 2})
    assert "few examples for training" in few[1].text
    assert "horse (2 boxes," in few[1].text


def test_a_rare_class_that_is_found_well():
    assert kinds(*right(CAT, 20), *right(DOG, 20), *right(HORSE, 3)) == []


def test_the_weakest_class():
    images = [*right(CAT, 10), *right(DOG, 10), *right(HORSE, 4), *wrong(6, [(BOX, HORSE)], [])]
    (finding,) = [finding for finding in found(*images) if finding.kind == "weakest-class"]
    assert finding.text.startswith("horse is the weakest class, with an AP of 0.41; the others have 1.00 on average.")
    assert finding.text.endswith("Errors of the kind missed cost it most.")
    assert "`odtk view pets.config --output drawn --class horse`" in finding.fix


def test_boxes_that_fit_loosely():
    images = [made_image([(BOX, CAT)], [((10, 10, 50, 36), CAT, 0.8)]) for _ in range(10)]  # IoU 0.65
    precision = measure_precision(made_results(*images), [CAT])
    (finding,) = found(*images, precision=precision)
    assert finding.kind == "loose-boxes"
    assert "mAP is 1.00 at IoU 0.5, and 0.40 over IoU 0.5 to 0.95" in finding.text
    assert "IoU of 0.65 or less" in finding.text
    assert finding.examples[0].text == "cat (score 0.80) overlaps its object by 0.65"
    assert found(*GOOD, precision=measure_precision(made_results(*GOOD), [CAT, DOG, HORSE])) == []


def test_few_objects_are_said_last():
    def last(*images):
        matching = match_images(images)
        oracle = Oracle(matching, classify_errors(images, matching))
        return [finding.text for finding in top_findings(made_results(*images), oracle, [])]

    (text,) = last(*GOOD)
    assert "30 objects in 30 images, 10 of a class in the median." in text
    assert "The recall of such a class is uncertain by up to 0.31" in text
    assert last(*right(CAT, 30)) == []
    assert len(last(*GOOD, *wrong(8, [(BOX, CAT)], []))) == 3


def test_a_better_threshold():
    (finding,) = found(*GOOD, threshold=Threshold(0.9, 0.42, 0.5, 0.75))
    assert finding.kind == "threshold"
    assert "A lower threshold is better: F1 is 0.50" in finding.text
    assert "odtk predict model IMAGES --output found --min-score 0.42" in finding.fix
    assert kinds(*GOOD, threshold=Threshold(0.5, 0.42, 0.74, 0.75)) == []


@pytest.mark.parametrize(
    ("truths", "detections", "kind", "text"),
    [
        ([(BOX, CAT)], [(LOOSE, CAT, 0.7)], "localization-errors", "8 detections fit their objects badly"),
        ([(BOX, CAT), (FAR, CAT)], [(BOX, CAT, 0.8), (BOX, CAT, 0.79), (FAR, CAT, 0.7)],
         "duplicate-errors", "8 detections repeat a surer one of the same object"),
        ([(BOX, CAT)], [(FAR, CAT, 0.79), (BOX, CAT, 0.78)], "background-errors",
         "8 detections are where there is no object, mostly cat"),
        ([(BOX, CAT)], [], "missed-errors", "8 objects are missed at any score, mostly cat."),
    ],
)  # fmt: skip
def test_what_no_cause_explains(truths, detections, kind, text):
    finding = found(*GOOD, *wrong(8, truths, detections))[0]
    assert finding.kind == kind
    assert finding.text.startswith(text)


def test_the_costliest_come_first_and_only_three():
    images = [
        *GOOD,
        *wrong(10, [(BOX, HORSE)], []),
        *wrong(6, [(BOX, CAT)], [(BOX, DOG, 0.7)]),
        *wrong(3, [(BOX, CAT)], [(LOOSE, CAT, 0.7)]),
    ]
    everything = found(*images, threshold=Threshold(0.5, 0.7, 0.5, 0.9))
    assert [finding.kind for finding in everything] == [
        "threshold", "missed-errors", "confused-classes", "weakest-class", "localization-errors",
    ]  # fmt: skip
    assert found(*images, threshold=Threshold(0.5, 0.7, 0.5, 0.9), most=3) == everything[:3]


def test_a_broken_evaluation_is_all_that_is_said():
    shifted = [
        made_image([(BOX, class_id)], [(BOX, class_id + 1, 0.9), (FAR, CAT, 0.8)])
        for class_id in (CAT, DOG, HORSE)
        for _ in range(4)
    ]
    assert kinds(*shifted) == ["other-class-ids"]


def test_a_class_that_is_never_detected_comes_first_if_it_costs_most():
    images = [*right(CAT, 10), *right(DOG, 10), *wrong(10, [(BOX, HORSE)], [])]
    assert kinds(*images)[0] == "classes-never-detected"


def test_annotations_that_no_detector_gets_right_rank_by_what_they_cost():
    images = [*right(CAT, 10), *wrong(10, [(BOX, CAT)], [])]
    results = made_results(*images)
    oracle = Oracle(matching := match_images(images), classify_errors(images, matching))
    flawed = Finding(WARNING, "The groundtruth itself gets 0.999 instead of 1.", kind="self-check")

    def first(shortfall):
        return top_findings(results, oracle, [], [flawed], shortfall=shortfall)[0].kind

    assert (first(0.001), first(0.9)) == ("missed-errors", "self-check")
