"""Suspected label errors: each kind where it must be found, and where it must not."""

import csv

from made_results import CAT, DOG, made_image, made_results

from odtk.evaluation.analysis.matching import match_images
from odtk.evaluation.analysis.suspects import BAD_BOX, NOT_ANNOTATED, OTHER_CLASS, find_suspects, write_suspects

BOX, FAR = (10, 10, 50, 50), (60, 60, 90, 90)
# Right detections with scores of 0.8 on average, which say what is confident.
RIGHT = [made_image([(BOX, c)], [(BOX, c, score)]) for c in (CAT, DOG) for score in (0.9, 0.9, 0.8, 0.7, 0.7)]


def suspects_of(*images):
    results = made_results(*RIGHT, *images)
    return [
        (each.kind, each.image - len(RIGHT), each.truth, each.detection)
        for each in find_suspects(results, match_images(results.images))
    ]


def test_nothing_is_suspected_where_all_is_right():
    assert suspects_of() == []


def test_a_confident_detection_without_groundtruth():
    boxes = [(BOX, CAT)]
    assert suspects_of(made_image(boxes, [(BOX, CAT, 0.9), (FAR, DOG, 0.85)])) == [(NOT_ANNOTATED, 0, None, 1)]
    assert suspects_of(made_image(boxes, [(BOX, CAT, 0.9), (FAR, DOG, 0.75)])) == []  # not confident
    # Two on the same place are one suspect, the surer.
    assert suspects_of(made_image([], [(FAR, CAT, 0.85), (FAR, DOG, 0.95)])) == [(NOT_ANNOTATED, 0, None, 0)]


def test_a_detection_in_a_group_is_not_suspected():
    assert suspects_of(made_image([(FAR, DOG)], [(FAR, CAT, 0.95)], ignored=[True])) == []


def test_groundtruth_that_confident_detections_contradict():
    boxes = [(BOX, CAT)]
    assert suspects_of(made_image(boxes, [(BOX, DOG, 0.9)])) == [(OTHER_CLASS, 0, 0, 0)]
    assert suspects_of(made_image(boxes, [(BOX, DOG, 0.9), (BOX, CAT, 0.3)])) == [(OTHER_CLASS, 0, 0, 0)]
    # One confident detection says what the groundtruth says.
    assert suspects_of(made_image(boxes, [(BOX, DOG, 0.9), (BOX, CAT, 0.85)])) == []
    assert suspects_of(made_image(boxes, [(BOX, DOG, 0.6)])) == []


def test_groundtruth_that_fits_badly():
    boxes = [(BOX, CAT)]
    assert suspects_of(made_image(boxes, [((10, 10, 50, 26), CAT, 0.9)])) == [(BAD_BOX, 0, 0, 0)]
    assert suspects_of(made_image(boxes, [((10, 10, 50, 38), CAT, 0.9)])) == [(BAD_BOX, 0, 0, 0)]  # IoU 0.7
    assert suspects_of(made_image(boxes, [((10, 10, 50, 44), CAT, 0.9)])) == []  # 0.85
    # Another confident detection fits.
    assert suspects_of(made_image(boxes, [((10, 10, 50, 26), CAT, 0.95), (BOX, CAT, 0.9)])) == []


def test_a_detector_with_loose_boxes_says_little_about_them():
    loose = [made_image([(BOX, CAT)], [((10, 10, 50, far), CAT, 0.9)]) for far in (50, 46, 42, 38, 34)]
    images = [*loose, made_image([(BOX, CAT)], [((10, 10, 50, 26), CAT, 0.9)])]
    assert find_suspects(made_results(*images), match_images(images)) == []


def test_a_detector_that_is_never_right_accuses_no_annotation():
    images = [made_image([(BOX, CAT)], [(FAR, CAT, 0.99)])] * 10
    assert find_suspects(made_results(*images), match_images(images)) == []


def test_they_are_ranked_and_written(tmp_path):
    images = [
        *RIGHT,
        made_image([(BOX, CAT)], [(BOX, CAT, 0.9), (FAR, DOG, 0.85)], name="b\udce9.jpg"),
        made_image([(BOX, CAT)], [(BOX, DOG, 0.95)], name="c.jpg"),
    ]
    results = made_results(*images)
    write_suspects(tmp_path / "s.csv", find_suspects(results, match_images(images)), results)
    with open(tmp_path / "s.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {
        "rank": "1", "image": "c.jpg", "kind": OTHER_CLASS, "suspicion": "0.95", "annotated_class": "cat",
        "detected_class": "dog", "score": "0.95", "iou": "1.0", "annotated_ymin": "10.0", "annotated_xmin": "10.0",
        "annotated_ymax": "50.0", "annotated_xmax": "50.0", "detected_ymin": "10.0", "detected_xmin": "10.0",
        "detected_ymax": "50.0", "detected_xmax": "50.0", "file": "c.jpg.record", "record": "0",
    }  # fmt: skip
    assert (second["image"], second["annotated_class"], second["annotated_ymin"]) == ("b?.jpg", "", "")
    assert (second["detected_class"], second["detected_xmax"]) == ("dog", "90.0")
