"""TFOD's Pascal VOC, pooled and Open Images numbers on boxes that are drawn here.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/pascal_metrics.py

No two detections of a set have one score: the order of equal ones is NumPy's secret, and differs from CPU to CPU.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

# TFOD asks whether a dtype is one of these, by names that NumPy dropped in 1.24; without them no metric comes out.
np.float, np.bool = float, bool

from object_detection import eval_util  # noqa: E402

METRICS_SETS = [
    "pascal_voc_detection_metrics",
    "weighted_pascal_voc_detection_metrics",
    "oid_V2_detection_metrics",
]
# 4 is never detected, 5 has only difficult groups, 6 no groundtruth; 7 is beyond the last class.
CATEGORIES = {1: "cat", 2: "café", 3: "dog", 4: "bird", 5: "sheep", 6: "cow"}
NEVER_DETECTED, ONLY_FLAGGED, WITHOUT_GROUNDTRUTH = 4, 5, 6


def main() -> None:
    """Writes pascal_metrics.json beside this file."""
    images = drawn_images(40)
    cases = {
        "everything": (CATEGORIES, images),
        "no flags": (CATEGORIES, [{**image, "difficult": None, "group_of": None} for image in images[:12]]),
        "no detections": (CATEGORIES, [without(image, "detections") for image in images[:3]]),
        "no groundtruth": (CATEGORIES, [without(image, "groundtruth") for image in images[:3]]),
        "an image twice": (CATEGORIES, [*images[:6], {**images[6], "id": images[0]["id"]}]),
        "a class without a name": ({number: CATEGORIES[number] for number in (1, 2, 6)}, images[:20]),
    }
    written = {
        name: {
            "categories": [{"id": number, "name": category} for number, category in categories.items()],
            "images": own,
            "metrics": {metrics_set: measured(metrics_set, categories, own) for metrics_set in METRICS_SETS},
        }
        for name, (categories, own) in cases.items()
    }
    # Every image stands in the file once; the cases name those that they took as they are, and hold the others.
    places = {id(image): place for place, image in enumerate(images)}
    for case in written.values():
        case["images"] = [places.get(id(image), image) for image in case["images"]]
    text = json.dumps({"images": images, "cases": written}, ensure_ascii=False, separators=(",", ":"))
    Path(__file__).with_suffix(".json").write_text(text.replace('},{"id"', '},\n{"id"') + "\n")


def drawn_images(count: int) -> list[dict]:
    """Images whose detections are shaken groundtruth, doubled and confused, and noise."""
    rng = np.random.default_rng(20)
    scores = iter(rng.permutation(9999) + 1)
    images = []
    for index in range(count):
        num_boxes = 0 if index % 8 == 5 else int(rng.integers(1, 7))
        boxes, classes = drawn_boxes(rng, num_boxes), rng.choice([1, 1, 1, 2, 3, 4, 5], num_boxes)
        difficult, group_of = rng.random((2, num_boxes)) < 0.2
        group_of |= classes == ONLY_FLAGGED
        difficult |= classes == ONLY_FLAGGED
        boxes[group_of, 2:] += 40
        found, found_classes = drawn_detections(rng, boxes, classes) if index % 8 != 6 else ([], [])
        images.append(
            {
                "id": f"image {index}",
                "gt_boxes": rounded(boxes),
                "gt_classes": [int(number) for number in classes],
                "difficult": [int(flag) for flag in difficult],
                "group_of": [int(flag) for flag in group_of],
                "det_boxes": rounded(found),
                "det_classes": [int(number) for number in found_classes],
                "det_scores": [float(next(scores)) / 1e4 for _ in found],
            }
        )
    return images


def drawn_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """[count, 4] ymin, xmin, ymax, xmax in pixels."""
    corners = rng.uniform(0, 150, [count, 2])
    return np.concatenate([corners, corners + rng.uniform(8, 60, [count, 2])], axis=1)


def drawn_detections(rng: np.random.Generator, boxes: np.ndarray, classes: np.ndarray) -> tuple:
    """Up to twice as many as `boxes`, some noise, and now and then a box without area or upside down."""
    copies = np.flatnonzero(rng.random(2 * len(boxes)) < 0.8) // 2
    shaken = boxes[copies] + rng.normal(0, 4, [len(copies), 4])
    first = boxes[copies[:1]]
    # The upper left quarter of a box lies in it altogether, and so counts as found where the box is a group.
    quarter = np.concatenate([first[:, :2], (first[:, :2] + first[:, 2:]) / 2], axis=1)
    noise = drawn_boxes(rng, int(rng.integers(0, 4)))
    without_area = boxes[copies[:2]][:, [[2, 1, 0, 3], [0, 1, 0, 3]][int(rng.integers(2))]]
    found = np.concatenate([shaken, quarter, noise, without_area])
    like = np.concatenate([classes[copies], classes[copies[:1]]])
    confused = np.where(rng.random(len(like)) < 0.1, 3, like)
    others = rng.choice([1, 2, 3, 5, WITHOUT_GROUNDTRUTH, 7], len(found) - len(like))
    found_classes = np.concatenate([confused, others])
    kept = found_classes != NEVER_DETECTED
    return found[kept], found_classes[kept]


def rounded(boxes) -> list[list[float]]:
    """To hundredths of a pixel, so that the file is small."""
    return np.round(np.asarray(boxes, float), 2).tolist()


def without(image: dict, what: str) -> dict:
    """The image with no "groundtruth", or with no "detections"."""
    columns = {
        "groundtruth": ("gt_boxes", "gt_classes", "difficult", "group_of"),
        "detections": ("det_boxes", "det_classes", "det_scores"),
    }
    return image | {column: [] for column in columns[what]}


def measured(metrics_set: str, categories: dict[int, str], images: list[dict]) -> dict | None:
    """TFOD's name to value, None for NaN; None altogether where TFOD ends in an exception."""
    named = [{"id": number, "name": name} for number, name in categories.items()]
    evaluator = eval_util.EVAL_METRICS_CLASS_DICT[metrics_set](named)
    for image in images:
        groundtruth = {
            "groundtruth_boxes": np.reshape(np.float32(image["gt_boxes"]), [-1, 4]),
            "groundtruth_classes": np.int64(image["gt_classes"]),
        }
        for flag in ("difficult", "group_of"):
            if image[flag] is not None:
                groundtruth[f"groundtruth_{flag}"] = np.array(image[flag], bool)
        detections = {
            "detection_boxes": np.reshape(np.float32(image["det_boxes"]), [-1, 4]),
            "detection_classes": np.int64(image["det_classes"]),
            "detection_scores": np.float32(image["det_scores"]),
        }
        evaluator.add_single_ground_truth_image_info(image["id"], groundtruth)
        evaluator.add_single_detected_image_info(image["id"], detections)
    try:
        metrics = evaluator.evaluate()
    except TypeError:
        # The pooled precision of no groundtruth is None there, and then it is looped over.
        if any(image["gt_boxes"] for image in images):
            raise
        return None
    return {name: None if np.isnan(value) else float(value) for name, value in metrics.items()}


if __name__ == "__main__":
    main()
