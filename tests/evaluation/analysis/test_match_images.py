"""The tables of matches against pycocotools' own matching, on random boxes with equal overlaps and crowds."""

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from random_images import random_boxes, random_image

from odtk.evaluation.analysis.matching import UNMATCHED, match_at, match_images
from odtk.evaluation.results import ImageResult


@pytest.mark.parametrize("iou", [0.1, 0.5, 0.75])
def test_matches_are_those_of_pycocotools(iou):
    images = [random_image(seed) for seed in range(60)]
    matching = match_images(images, iou)
    expected = _pycocotools(images, iou)
    detected = matching.detected
    found = {
        (int(image), int(index)): (
            None if match == UNMATCHED else int(matching.truth.index[match]), bool(ignored)
        )
        for image, index, match, ignored in zip(
            detected.image, detected.index, detected.match, detected.ignored, strict=True
        )
    }  # fmt: skip
    assert found == expected
    assert sum(truth is not None for truth, _ in expected.values()) > 20


def test_each_object_knows_the_detection_that_found_it():
    matching = match_images([random_image(seed) for seed in range(60)])
    detected, truth = matching.detected, matching.truth
    rows = np.flatnonzero(truth.match != UNMATCHED)
    assert (detected.match[truth.match[rows]] == rows).all()
    counted = np.flatnonzero(detected.right)
    assert (truth.match[detected.match[counted]] == counted).all()
    assert detected.right.sum() + detected.wrong.sum() + detected.ignored.sum() == len(detected.scores)


def test_at_several_ious_the_rows_are_the_same():
    images = [random_image(seed) for seed in range(60)]
    for matching, iou in zip(match_at([0.3, 0.75], images), [0.3, 0.75], strict=True):
        alone = match_images(images, iou)
        np.testing.assert_array_equal(matching.detected.match, alone.detected.match)
        np.testing.assert_array_equal(matching.truth.match, alone.truth.match)


def test_of_one_class_in_an_image_only_the_surest_hundred_count():
    image = random_image(1)
    found = replace(image, detected_boxes=random_boxes(np.random.default_rng(2), 150),
                    detected_classes=np.repeat([2, 1], [130, 20]), scores=np.linspace(1, 0, 150))  # fmt: skip
    detected = match_images([image, found]).detected
    own = detected.image == 1
    assert detected.index[own].tolist() == [*range(130, 150), *range(100)], "by class"


def test_no_image_and_no_box():
    empty = match_images([])
    assert len(empty.detected.scores) == len(empty.truth.classes) == 0
    nothing = np.zeros([0, 4], np.float32)
    image = ImageResult("a", (5, 5), nothing, np.zeros(0, int), np.zeros(0), np.zeros(0, bool),
                        np.float32([[0, 0, 2, 2]]), np.array([1]), np.float32([0.5]))  # fmt: skip
    matching = match_images([image])
    assert matching.detected.wrong.tolist() == [True]
    assert match_images([image], min_score=0.6).detected.scores.tolist() == []


def _pycocotools(images: list[ImageResult], iou: float) -> dict:
    """(image, detection) to (index of the groundtruth or None, whether that is ignored)."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = COCO(), COCO()
        numbers = [{"id": number} for number in range(len(images))]
        classes = [{"id": number} for number in (1, 2, 3)]
        truth.dataset = {"images": numbers, "categories": classes, "annotations": []}
        found.dataset = {"images": numbers, "categories": classes, "annotations": []}
        places = {}
        for number, image in enumerate(images):
            for index, box in enumerate(image.boxes):
                places["truth", len(places) + 1] = (number, index)
                truth.dataset["annotations"].append(
                    _annotation(len(places), number, box, image.classes[index])
                    | {"iscrowd": int(image.crowds[index]), "ignore": int(image.ignored[index])}
                )
            for index, box in enumerate(image.detected_boxes):
                places["found", len(places) + 1] = (number, index)
                found.dataset["annotations"].append(
                    _annotation(len(places), number, box, image.detected_classes[index])
                    | {"score": float(image.scores[index])}
                )
        truth.createIndex()
        found.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.iouThrs = np.array([iou])
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
    matches = {}
    for entry in evaluation.evalImgs:
        for number, match, ignored in zip(
            (entry or {}).get("dtIds", ()), *([] if entry is None else (entry["dtMatches"][0], entry["dtIgnore"][0])),
            strict=False,
        ):  # fmt: skip
            place = places["truth", int(match)] if match else None
            matches[places["found", number]] = (place and place[1], bool(ignored))
    return matches


def _annotation(number: int, image: int, box: np.ndarray, category: int) -> dict:
    ymin, xmin, ymax, xmax = map(float, box)
    return {"id": number, "image_id": image, "category_id": int(category),
            "bbox": [xmin, ymin, xmax - xmin, ymax - ymin], "area": (xmax - xmin) * (ymax - ymin)}  # fmt: skip
