"""Results of plain lists, and the same metrics from them as from the evaluation that made them."""

import numpy as np
import pytest

from odtk.errors import DataError
from odtk.evaluation.coco import CocoEvaluator
from odtk.evaluation.pascal import PascalEvaluator
from odtk.evaluation.results import Results, image_result
from odtk.evaluation.scoring import score

NAMES = {1: "cat", 2: "dog"}
CATEGORIES = [{"id": number, "name": name} for number, name in NAMES.items()]
BOX, OTHER = [0, 0, 10, 20], [50, 50, 60, 60]


def test_lists_become_sorted_arrays_with_the_boxes_own_areas():
    image = image_result("a", (80, 90), [BOX, OTHER], [1, 2], [OTHER, BOX, BOX], [2, 1, 2], [0.25, 0.75, 0.75],
                         areas=[0, 33], crowds=[0, 1], place=("x.record", 3))  # fmt: skip
    assert image.areas.tolist() == [200, 33]
    assert image.ignored.tolist() == image.crowds.tolist() == [False, True]
    assert image.detected_boxes.tolist() == [BOX, BOX, OTHER]
    assert image.detected_classes.tolist() == [1, 2, 2], "equal scores stay in their order"
    assert image.scores.tolist() == [0.75, 0.75, 0.25]
    assert (image.size, image.place) == ((80, 90), ("x.record", 3))


def test_float32_stays_and_text_keeps_its_digits():
    written = image_result("a", (9, 9), [BOX], [1], [BOX], [1], [0.1])
    assert (written.scores.dtype, written.boxes.dtype) == (np.float64, np.float64)
    measured = image_result("a", (9, 9), np.float32([BOX]), [1], np.float32([BOX]), [1], np.float32([0.1]))
    assert (measured.scores.dtype, measured.boxes.dtype) == (np.float32, np.float32)


def test_nothing_at_all():
    image = image_result("a", (9, 9), [], [], [], [], [])
    assert image.boxes.shape == image.detected_boxes.shape == (0, 4)
    assert len(image.ignored) == len(image.scores) == 0
    assert score(Results([image], NAMES), [CocoEvaluator(CATEGORIES)]).num_images == 1


def test_lists_that_do_not_fit_are_named_with_their_image():
    with pytest.raises(DataError, match=r"Image a: 2 boxes came with classes of shape \[1\]\. Pass one value"):
        image_result("a", (9, 9), [BOX, OTHER], [1], [], [], [])


def test_what_is_ignored_is_ignored_by_each_metrics_set_in_its_way():
    crowd = image_result("crowd", (99, 99), [BOX, OTHER], [1, 1], [BOX, BOX, OTHER], [1, 1, 1], [0.9, 0.8, 0.7],
                         crowds=[1, 0])  # fmt: skip
    hard = image_result("hard", (99, 99), [BOX, OTHER], [2, 2], [BOX, BOX, OTHER], [2, 2, 2], [0.9, 0.8, 0.7],
                        ignored=[1, 0])  # fmt: skip
    open_images = PascalEvaluator(CATEGORIES, "oid_V2_detection_metrics")
    evaluation = score(Results([crowd, hard], NAMES), [PascalEvaluator(CATEGORIES), CocoEvaluator(CATEGORIES)])
    prefix = "PascalBoxes_PerformanceByCategory/AP@0.5IOU"
    assert evaluation.metrics[f"{prefix}/dog"] == 1, "difficult"
    assert evaluation.metrics[f"{prefix}/cat"] == pytest.approx((1 + 2 / 3) / 2), "VOC knows no crowds"
    coco = {entry["name"]: entry for entry in score(Results([crowd], NAMES), [CocoEvaluator(CATEGORIES)]).classes}
    assert coco["cat"]["AP"] == pytest.approx(1)
    groups = score(Results([crowd, hard], NAMES), [open_images]).metrics
    assert groups["OpenImagesV2_PerformanceByCategory/AP@0.5IOU/cat"] == 1
    assert groups["OpenImagesV2_PerformanceByCategory/AP@0.5IOU/dog"] < 1


def test_a_repeated_image_counts_once():
    image = image_result("a", (99, 99), [BOX], [1], [BOX], [1], [0.9])
    evaluation = score(Results([image, image], NAMES), [CocoEvaluator(CATEGORIES)])
    assert (evaluation.num_images, evaluation.repeated_images) == (1, 1)
    assert evaluation.classes[0]["boxes"] == 1
