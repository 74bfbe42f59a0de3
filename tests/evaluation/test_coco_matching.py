"""COCO metrics of boxes in arrays: pycocotools' numbers to the last digit, in a fraction of its memory."""

import contextlib
import io
import tracemalloc

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from odtk.evaluation.coco import METRIC_NAMES, CocoEvaluator
from odtk.evaluation.coco_matching import BoxTable, accumulate
from odtk.evaluation.pascal import PROTOCOLS, PascalEvaluator

CLASSES = [3, 5, 9, 11]  # the last has no groundtruth


def draw(rng, num_detections):
    """An image: groundtruth (boxes, classes, is_crowd, area), detections (boxes, classes, scores), in float32."""

    def boxes(count):
        corner, size = rng.uniform(0, 300, (count, 2)), rng.exponential(60, (count, 2)) + 1
        return np.concatenate([corner, corner + size], axis=1).astype(np.float32)

    truth = boxes(rng.integers(0, 6))
    classes, crowd = rng.choice(CLASSES[:3], len(truth)), rng.random(len(truth)) < 0.2
    area = np.where(rng.random(len(truth)) < 0.5, rng.uniform(10, 2e4, len(truth)), 0).astype(np.float32)
    near = rng.integers(0, len(truth), num_detections // 2) if len(truth) else np.zeros(0, int)
    found = np.concatenate([truth[near] + rng.normal(0, 5, (len(near), 4)), boxes(num_detections - len(near))])
    found_classes = np.concatenate([classes[near], rng.choice(CLASSES, num_detections - len(near))])
    scores = rng.choice(np.linspace(0.01, 1, 40), num_detections).astype(np.float32)  # with equal ones
    return (truth, classes, crowd, area), (found.astype(np.float32), found_classes, scores)


def evaluate(images, **options):
    evaluator = CocoEvaluator([{"id": number, "name": f"class {number}"} for number in CLASSES], **options)
    for index, image in enumerate(images):
        add(evaluator, index, *image)
    return evaluator, evaluator.evaluate()


def add(evaluator, index, truth, found):
    groundtruth = dict(zip(("boxes", "classes", "is_crowd", "area"), truth, strict=True))
    evaluator.add_image(index, groundtruth, dict(zip(("boxes", "classes", "scores"), found, strict=True)))


def side(images, annotations):
    made = COCO()
    listed = [{"id": number, **entry} for number, entry in enumerate(annotations, 1)]
    categories = [{"id": number} for number in CLASSES]
    made.dataset = {
        "images": [{"id": n} for n in range(1, images + 1)],
        "categories": categories,
        "annotations": listed,
    }
    made.createIndex()
    return made


def box_of(box):
    return [float(box[1]), float(box[0]), float(box[3] - box[1]), float(box[2] - box[0])]


def at_once(images):
    """All boxes given to pycocotools as one set, in its own form."""
    truths, founds = [], []
    for number, ((truth, classes, crowd, area), (found, found_classes, scores)) in enumerate(images, 1):
        for box, category, is_crowd, given in zip(truth, classes, crowd, area, strict=True):
            own = float((box[2] - box[0]) * (box[3] - box[1]))
            keys = {"image_id": number, "category_id": int(category), "iscrowd": int(is_crowd)}
            truths.append({**keys, "bbox": box_of(box), "area": float(given) if given > 0 else own})
        for box, category, score in zip(found, found_classes, scores, strict=True):
            own = float((box[2] - box[0]) * (box[3] - box[1]))
            keys = {"image_id": number, "category_id": int(category), "score": float(score)}
            founds.append({**keys, "bbox": box_of(box), "area": own})
    evaluation = COCOeval(side(len(images), truths), side(len(images), founds), iouType="bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("detections", [3, 130])  # more than the 100 of a class that count
def test_the_numbers_are_those_of_pycocotools(detections):
    rng = np.random.default_rng(detections)
    images = [draw(rng, detections) for _ in range(12)] + [draw(rng, 0)]
    if detections > 100:  # of one class
        images = [(truth, (found, np.full(detections, 3), scores)) if len(found) else (truth, (found, classes, scores))
                  for truth, (found, classes, scores) in images]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        expected = at_once(images)
    evaluator, metrics = evaluate(images)
    assert list(metrics.values()) == expected.stats.tolist()
    assert list(metrics) == list(METRIC_NAMES)
    assert max(metrics.values()) > 0
    precision = expected.eval["precision"][:, :, :, 0, 2]
    per_class = [entry["AP"] for entry in evaluator.classes]
    assert per_class == [np.mean(precision[:, :, k]) for k in range(3)] + [-1]
    assert [entry["boxes"] for entry in evaluator.classes] == [
        sum(((classes == number) & ~crowd).sum() for (_, classes, crowd, _), _ in images) for number in CLASSES
    ]


def tables(images):
    truths, founds = BoxTable("area", "iscrowd"), BoxTable("area", "score")
    for number, ((truth, classes, crowd, given), (found, found_classes, scores)) in enumerate(images, 1):
        area, own = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (truth, found))
        truths.append(number, truth, classes, area=np.where(given > 0, given, area), iscrowd=crowd)
        founds.append(number, found, found_classes, area=own, score=scores)
    return truths, founds


def changed(images, change):
    return [(truth, change(*(column.copy() for column in found))) for truth, found in images]


def every_third(column, value):
    def change(*columns):
        columns[column][::3] = value
        return columns

    return change


def upside_down(boxes, classes, scores):
    boxes[::3] = boxes[::3][:, [2, 3, 0, 1]]
    return boxes, classes, scores


UNUSUAL = {
    "nothing unusual": lambda *columns: columns,
    "one score": lambda boxes, classes, scores: (boxes, classes, np.full_like(scores, 0.5)),
    "NaN as score": every_third(2, np.nan),
    "infinite scores": every_third(2, np.inf),
    "boxes without an area": every_third(0, 7),
    "infinite boxes": every_third(0, [0, 0, np.inf, 9]),
    "boxes upside down": upside_down,
    "no detection": lambda *columns: tuple(column[:0] for column in columns),
}


@pytest.mark.parametrize("unusual", UNUSUAL)
def test_every_value_is_that_of_pycocotools_on_unusual_boxes(unusual):
    rng = np.random.default_rng(7)
    images = changed([draw(rng, 25) for _ in range(8)], UNUSUAL[unusual])
    with contextlib.redirect_stdout(io.StringIO()):
        expected = at_once(images).eval
    found = accumulate(CLASSES, *tables(images))
    np.testing.assert_array_equal(found.precision, expected["precision"])
    np.testing.assert_array_equal(found.recall, expected["recall"])


@pytest.mark.parametrize("name", [None, *PROTOCOLS])
def test_an_image_with_100_detections_keeps_a_few_kilobytes(name):
    categories = [{"id": number, "name": f"class {number}"} for number in CLASSES]
    evaluator = PascalEvaluator(categories, name) if name else CocoEvaluator(categories)
    rng = np.random.default_rng(1)
    images = [draw(rng, 100) for _ in range(60)]
    for index in range(10):
        add(evaluator, index, *images[index])
    tracemalloc.start()
    try:
        for index in range(10, 60):
            add(evaluator, index, *images[index])
        kept, _ = tracemalloc.get_traced_memory()
        evaluator.evaluate()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept / 50 < 6_000
    assert peak / 50 < 60_000, "also while it is computed"
