"""COCO metrics: TFOD's numbers on a fixed set of boxes, and the cases around the edge."""

import json
from pathlib import Path

import numpy as np
import pytest

from odtk.errors import DataError
from odtk.evaluation.coco import METRIC_MEANINGS, NO_GROUNDTRUTH, CocoEvaluator

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/coco_metrics.json").read_text())
CATEGORIES = [{"id": number, "name": f"class {number}"} for number in range(1, 6)]
NO_BOXES = (np.zeros([0, 4], np.float32), np.zeros([0], np.int32))
BOX = np.array([[10.0, 20.0, 60.0, 80.0]], np.float32)
MAP, SMALL, LARGE, RECALL = (
    f"DetectionBoxes_{name}"
    for name in ("Precision/mAP", "Precision/mAP (small)", "Precision/mAP (large)", "Recall/AR@100")
)


def add(evaluator, image_id, boxes, classes, is_crowd, area, found, found_classes, scores):
    groundtruth = {"boxes": boxes, "classes": classes, "is_crowd": is_crowd, "area": area}
    return evaluator.add_image(image_id, groundtruth, {"boxes": found, "classes": found_classes, "scores": scores})


def golden_evaluator(image_ids, **options):
    evaluator = CocoEvaluator(CATEGORIES, **options)
    for image_id, image in zip(image_ids, GOLDEN["images"], strict=True):
        groundtruth = np.float32(image["gt_boxes"]), np.int32(image["gt_classes"])
        detections = np.float32(image["det_boxes"]), np.int32(image["det_classes"]), np.float32(image["det_scores"])
        add(evaluator, image_id, *groundtruth, None, None, *detections)
    return evaluator


def one_box(classes=(1,), is_crowd=None, area=None, detected_classes=(1,)):
    evaluator = CocoEvaluator(CATEGORIES)
    add(evaluator, "a", BOX, np.array(classes), is_crowd, area, BOX, np.array(detected_classes), np.array([0.9]))
    return evaluator


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parity(what="the 12 COCO numbers", against="coco_metrics.json", tolerance="1e-9")
def test_metrics_are_tfods_to_the_last_digit(first):
    metrics = golden_evaluator(range(first, first + len(GOLDEN["images"]))).evaluate()
    assert list(metrics.items()) == list(GOLDEN["metrics"].items())


def test_nothing_reaches_the_terminal(capfd):
    golden_evaluator(range(len(GOLDEN["images"]))).evaluate()
    assert capfd.readouterr() == ("", "")


def test_every_metric_has_a_meaning():
    assert list(METRIC_MEANINGS) == list(GOLDEN["metrics"])
    assert all(METRIC_MEANINGS.values())


BY_CATEGORY = "DetectionBoxes_PerformanceByCategory/mAP"
BY_SUPER_CATEGORY = "DetectionBoxes_PerformanceBySuperCategory"


def test_map_is_the_mean_of_the_classes():
    metrics = golden_evaluator(range(len(GOLDEN["images"])), include_metrics_per_category=True).evaluate()
    per_category = {name: value for name, value in metrics.items() if name not in METRIC_MEANINGS}
    assert list(per_category) == [f"{BY_CATEGORY}/class {number}" for number in range(1, 6)]
    assert np.mean(list(per_category.values())) == pytest.approx(metrics[MAP], abs=1e-12)
    assert dict(list(metrics.items())[:12]) == GOLDEN["metrics"]


def only_of(number):
    """The 12 metrics of one class alone, as its boxes would give them."""
    evaluator = CocoEvaluator([CATEGORIES[number - 1]])
    for image_id, image in enumerate(GOLDEN["images"]):
        groundtruth = np.float32(image["gt_boxes"]), np.int32(image["gt_classes"])
        detections = np.float32(image["det_boxes"]), np.int32(image["det_classes"]), np.float32(image["det_scores"])
        add(evaluator, image_id, *groundtruth, None, None, *detections)
    return evaluator.evaluate()


def test_all_metrics_of_a_class_are_those_of_its_boxes_alone():
    metrics = golden_evaluator(range(len(GOLDEN["images"])), all_metrics_per_category=True).evaluate()
    assert len(metrics) == 12 + 5 * 13
    for number in range(1, 6):
        alone = only_of(number)
        assert {name: metrics[f"{name} ByCategory/class {number}"] for name in alone} == pytest.approx(alone, abs=1e-12)
        assert metrics[f"{BY_CATEGORY}/class {number}"] == alone[MAP]


def test_the_classes_have_the_ap_that_their_metrics_say_and_their_images_and_boxes():
    evaluator = golden_evaluator(range(len(GOLDEN["images"])), all_metrics_per_category=True)
    metrics = evaluator.evaluate()
    for found in evaluator.classes:
        boxes = [image["gt_classes"].count(found["id"]) for image in GOLDEN["images"]]
        assert (found["images"], found["boxes"]) == (sum(map(bool, boxes)), sum(boxes))
        assert found["AP"] == metrics[f"{BY_CATEGORY}/{found['name']}"]
        assert found["AP@.50IOU"] == metrics[f"{MAP}@.50IOU ByCategory/{found['name']}"]
    assert sum(found["boxes"] for found in evaluator.classes) > 10


def test_crowds_are_no_boxes_of_a_class():
    evaluator = one_box(is_crowd=np.array([True]))
    evaluator.evaluate()
    assert evaluator.classes[0] == {"id": 1, "name": "class 1", "images": 0, "boxes": 0, "AP": -1, "AP@.50IOU": -1}


def test_super_categories_are_means_of_their_classes():
    groups = {"few": ["class 2", "class 5"], "one": ["class 1"]}
    metrics = golden_evaluator(
        range(len(GOLDEN["images"])), all_metrics_per_category=True, super_categories=groups
    ).evaluate()
    parts = [metrics[f"{BY_CATEGORY}/class {number}"] for number in (2, 5)]
    assert metrics[f"{BY_SUPER_CATEGORY}/few"] == pytest.approx(np.mean(parts))
    assert metrics[f"{RECALL} BySuperCategory/one"] == metrics[f"{RECALL} ByCategory/class 1"]
    # A class without groundtruth is left out of the mean, and of a group of them there is nothing to say.
    evaluator = CocoEvaluator(CATEGORIES, super_categories={"known": ["class 1", "class 2"], "none": ["class 3"]})
    add(evaluator, "a", BOX, np.array([1]), None, None, BOX, np.array([1]), np.array([0.9]))
    metrics = evaluator.evaluate()
    assert metrics[f"{BY_SUPER_CATEGORY}/known"] == pytest.approx(1.0)
    assert metrics[f"{BY_SUPER_CATEGORY}/none"] == NO_GROUNDTRUTH


def test_super_category_of_unknown_classes_is_refused_before_anything_is_measured():
    with pytest.raises(
        DataError, match=r"Super-category pets .* names cat, dog; the classes of the label map are class"
    ):
        CocoEvaluator(CATEGORIES, super_categories={"pets": ["cat", "class 1", "dog"]})


def test_class_without_groundtruth_is_minus_one():
    evaluator = CocoEvaluator(CATEGORIES, include_metrics_per_category=True)
    add(evaluator, "a", BOX, np.array([1]), None, None, BOX, np.array([1]), np.array([0.9]))
    values = [value for name, value in evaluator.evaluate().items() if name.startswith(BY_CATEGORY)]
    assert values == [pytest.approx(1.0)] + [NO_GROUNDTRUTH] * 4


def test_images_without_groundtruth_or_detections():
    evaluator = CocoEvaluator(CATEGORIES)
    add(evaluator, "neither", *NO_BOXES, None, None, *NO_BOXES, np.zeros([0]))
    assert set(evaluator.evaluate().values()) == {NO_GROUNDTRUTH}
    add(evaluator, "missed", BOX, np.array([1]), None, None, *NO_BOXES, np.zeros([0]))
    assert evaluator.evaluate()[MAP] == 0
    add(evaluator, "found", BOX, np.array([1]), None, None, BOX, np.array([1]), np.array([0.5]))
    assert evaluator.evaluate()[RECALL] == 0.5
    # A better-scored false detection on an empty image halves what precision can be.
    add(evaluator, "false", *NO_BOXES, None, None, BOX, np.array([1]), np.array([0.9]))
    assert evaluator.evaluate()[MAP] == pytest.approx(0.5 * 51 / 101)


def test_no_image_at_all():
    assert set(CocoEvaluator(CATEGORIES).evaluate().values()) == {NO_GROUNDTRUTH}


def test_detections_count_only_against_their_own_image():
    evaluator = CocoEvaluator(CATEGORIES)
    add(evaluator, 1, BOX, np.array([1]), None, None, *NO_BOXES, np.zeros([0]))
    add(evaluator, 2, *NO_BOXES, None, None, BOX, np.array([1]), np.array([0.9]))
    assert evaluator.evaluate()[MAP] == 0


def test_repeated_image_is_ignored_with_a_warning(caplog):
    evaluator = one_box()
    assert not add(evaluator, "a", BOX, np.array([1]), None, None, *NO_BOXES, np.zeros([0]))
    assert "Image a was already evaluated" in caplog.text
    assert (evaluator.num_images, evaluator.repeated_images) == (1, ["a"])
    assert evaluator.evaluate()[MAP] == pytest.approx(1.0)


def test_classes_outside_the_categories_are_dropped():
    assert one_box(detected_classes=(9,)).evaluate()[MAP] == 0
    assert one_box(classes=(9,)).evaluate()[MAP] == NO_GROUNDTRUTH


@pytest.mark.parametrize(("area", "size"), [([100.0], SMALL), ([20000.0], LARGE), ([0.0], None), ([-1.0], None)])
def test_area_decides_the_size_only_where_given(area, size):
    metrics = one_box(area=np.array(area)).evaluate()
    medium = "DetectionBoxes_Precision/mAP (medium)"  # the box has 3000 pixels
    assert metrics[size or medium] == pytest.approx(1.0)
    assert {metrics[name] for name in (SMALL, medium, LARGE) if name != (size or medium)} == {NO_GROUNDTRUTH}


def test_crowd_is_neither_right_nor_wrong():
    assert set(one_box(is_crowd=np.array([True])).evaluate().values()) == {NO_GROUNDTRUTH}


def test_arrays_that_do_not_fit_name_the_image():
    with pytest.raises(DataError, match=r"Image a: 1 groundtruth boxes came with 2 classes, 1 is_crowd, 1 area"):
        one_box(classes=(1, 2))
