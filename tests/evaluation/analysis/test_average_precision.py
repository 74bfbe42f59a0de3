"""Average precision by hand, and against pycocotools' arrays."""

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
from counted_results import CLASS_IDS, RESULTS
from made_results import CAT, made_image, made_results
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from random_images import random_image

from odtk.evaluation.analysis.average_precision import IOUS, RECALLS, SIZES, measure_precision
from odtk.evaluation.results import ImageResult, Results


def test_average_precision_by_hand():
    found = measure_precision(RESULTS, CLASS_IDS)
    # Cats: right, wrong, wrong, and one is never found. Dogs: wrong, right, right.
    cat, dog = np.where(RECALLS <= 0.5, 1, 0), np.full(101, 2 / 3)
    np.testing.assert_allclose(found.curves(0.5), [cat, dog, np.full(101, np.nan)])
    np.testing.assert_allclose(found.mean_curve(0.75), (cat + dog) / 2)  # the boxes fit exactly
    np.testing.assert_allclose(found.of_classes(), [51 / 101, 2 / 3, np.nan])
    np.testing.assert_allclose([found.mean(), found.mean(0.5)], (51 / 101 + 2 / 3) / 2)
    assert found.objects.tolist() == [[2, 2, 0, 0], [2, 2, 0, 0], [0, 0, 0, 0]]
    assert np.isnan(found.mean(size="large"))


def test_sizes_by_hand():
    small, medium, large, far = (0, 0, 20, 20), (0, 30, 50, 80), (0, 100, 100, 200), (150, 0, 160, 10)
    image = made_image(
        [(small, CAT), (medium, CAT), (large, CAT)], [(far, CAT, 0.9), (medium, CAT, 0.8)], size=(200, 200)
    )
    found = measure_precision(made_results(image), [CAT])
    assert found.objects.tolist() == [[3, 1, 1, 1]]
    # The wrong box is a small one: it counts among all and small ones only.
    expected = {"all": 34 / 101 / 2, "small": 0, "medium": 1, "large": 0}
    assert {size: found.mean(0.5, size) for size in SIZES} == pytest.approx(expected)


def test_arrays_are_those_of_pycocotools():
    images = [random_image(seed) for seed in range(60)]
    results = Results([*images, *map(_enlarged, images[:20])], {1: "a", 2: "b", 3: "c"})
    found = measure_precision(results, (1, 2, 3))
    expected = _pycocotools(results)
    np.testing.assert_allclose(np.nan_to_num(found.precision, nan=-1), expected.eval["precision"][..., -1], atol=1e-12)
    for index, (iou, size) in enumerate(
        [(None, "all"), (0.5, "all"), (0.75, "all"), (None, "small"), (None, "medium")]
    ):
        np.testing.assert_allclose(found.mean(iou, size), expected.stats[index], atol=1e-12)
    np.testing.assert_allclose(found.mean_curve(0.75).mean(), found.mean(0.75))
    assert (IOUS, found.mean() > 0) == (tuple(expected.params.iouThrs.round(2).tolist()), True)


def test_no_image_and_no_class():
    assert np.isnan(measure_precision(Results([], {}), ()).mean())
    assert np.isnan(measure_precision(Results([], {1: "a"}), (1,)).of_classes()).all()


def test_an_ignored_object_need_not_be_found_and_only_one_detection_may_be_on_it():
    easy, difficult = (0, 0, 20, 20), (50, 50, 90, 90)
    found = [(difficult, CAT, 0.9), (difficult, CAT, 0.8), (easy, CAT, 0.7)]
    image = made_image([(easy, CAT), (difficult, CAT)], found, ignored=[False, True])
    measured = measure_precision(made_results(image), [CAT])
    assert (measured.objects[0, 0], measured.mean()) == (1, pytest.approx(1 / 2))


def _enlarged(image: ImageResult) -> ImageResult:
    """With boxes of all sizes: three times as large on each side."""
    return replace(image, boxes=3 * image.boxes, areas=9 * image.areas, detected_boxes=3 * image.detected_boxes)


def _pycocotools(results: Results) -> COCOeval:
    truth, found = COCO(), []
    truth.dataset = {"images": [], "annotations": [], "categories": [{"id": each} for each in results.names]}
    for number, image in enumerate(results.images, 1):
        truth.dataset["images"].append({"id": number})
        for box, class_id, area, crowd in zip(image.boxes, image.classes, image.areas, image.crowds, strict=True):
            truth.dataset["annotations"].append(
                {"id": len(truth.dataset["annotations"]) + 1, "image_id": number, "category_id": int(class_id),
                 "bbox": _xywh(box), "area": float(area), "iscrowd": int(crowd)}
            )  # fmt: skip
        found += [
            {"image_id": number, "category_id": int(class_id), "bbox": _xywh(box), "score": float(score)}
            for box, class_id, score in zip(image.detected_boxes, image.detected_classes, image.scores, strict=True)
        ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _xywh(box: np.ndarray) -> list[float]:
    ymin, xmin, ymax, xmax = box.tolist()
    return [xmin, ymin, xmax - xmin, ymax - ymin]
