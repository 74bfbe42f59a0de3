"""COCO evaluation of 5,000 images with 100 detections each, compared with pycocotools on ready-made annotations.

Run as `python -m bench.coco`; prints one JSON object. Only one round, as pycocotools alone takes half a minute.
"""

import contextlib
import io
import json
import time

import numpy as np

from odtk.evaluation.coco import METRIC_NAMES, CocoEvaluator

IMAGES, DETECTIONS, CLASSES, SIDE = 5000, 100, 37, 640


def measure() -> dict:
    """Seconds of both; their twelve metrics must agree to 1e-9."""
    drawn = [_draw(np.random.default_rng((3, index))) for index in range(IMAGES)]
    ready = _as_annotations(drawn)
    began = time.perf_counter()
    stats = _pycocotools(*ready)
    between = time.perf_counter()
    metrics = _evaluate(drawn)
    ended = time.perf_counter()
    np.testing.assert_allclose([metrics[name] for name in METRIC_NAMES], stats, rtol=0, atol=1e-9)
    return {"seconds": ended - between, "pycocotools_seconds": between - began}


def _draw(rng: np.random.Generator):
    """One image: 1 to 7 boxes; half of the detections near them, half anywhere. float32 yxyx pixels, 1-based."""

    def boxes(count: int):
        corner, size = rng.uniform(0, 0.7, (count, 2)), rng.uniform(0.03, 0.3, (count, 2))
        return (np.concatenate([corner, corner + size], axis=1) * SIDE).astype(np.float32)

    groundtruth = boxes(rng.integers(1, 8))
    classes = rng.integers(1, CLASSES + 1, len(groundtruth))
    near = rng.integers(0, len(groundtruth), DETECTIONS // 2)
    detected = np.concatenate([groundtruth[near] + rng.normal(0, 8, (len(near), 4)), boxes(DETECTIONS - len(near))])
    found = np.concatenate([classes[near], rng.integers(1, CLASSES + 1, DETECTIONS - len(near))])
    return groundtruth, classes, detected.astype(np.float32), found, rng.uniform(size=DETECTIONS).astype(np.float32)


def _evaluate(drawn) -> dict[str, float]:
    evaluator = CocoEvaluator([{"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)])
    for index, (boxes, classes, detected, found, scores) in enumerate(drawn):
        groundtruth = {"boxes": boxes, "classes": classes}
        evaluator.add_image(f"{index}", groundtruth, {"boxes": detected, "classes": found, "scores": scores})
    return evaluator.evaluate()


def _as_annotations(drawn) -> tuple[list[dict], list[dict]]:
    groundtruth, detections = [], []
    for index, (boxes, classes, detected, found, scores) in enumerate(drawn, start=1):
        for box, category in zip(boxes, classes, strict=True):
            groundtruth.append(_annotation(len(groundtruth) + 1, index, box, category))
        for box, category, score in zip(detected, found, scores, strict=True):
            detections.append({**_annotation(len(detections) + 1, index, box, category), "score": float(score)})
    return groundtruth, detections


def _annotation(number: int, image: int, box, category) -> dict:
    height, width = float(box[2] - box[0]), float(box[3] - box[1])
    keys = {"id": number, "image_id": image, "category_id": int(category), "iscrowd": 0}
    return {**keys, "bbox": [float(box[1]), float(box[0]), width, height], "area": height * width}


def _pycocotools(groundtruth: list[dict], detections: list[dict]) -> np.ndarray:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        sides = []
        for annotations in (groundtruth, detections):
            side = COCO()
            side.dataset = {
                "images": [{"id": number} for number in range(1, IMAGES + 1)],
                "categories": [{"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)],
                "annotations": annotations,
            }
            side.createIndex()
            sides.append(side)
        evaluation = COCOeval(*sides, iouType="bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


if __name__ == "__main__":
    print(json.dumps(measure()))
