"""A COCO groundtruth and the results of a detector on it, as files."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CATEGORIES = {3: "cat", 17: "dog", 90: "zebra"}


def write_coco(folder: Path) -> tuple[Path, Path]:
    """A random groundtruth with crowds, areas of masks and gaps in its ids, and detections near its boxes."""
    random = np.random.default_rng(7)
    images = [{"id": 100 + 7 * n, "file_name": f"{n:03d}.jpg", "width": 640, "height": 480} for n in range(12)]
    annotations, results = [], []
    for image in images:
        for _ in range(random.integers(0, 9)):
            x, y, width, height = (random.random(4) * [400, 300, 200, 150] + [0, 0, 4, 4]).round(2).tolist()
            category = int(random.choice(list(CATEGORIES)))
            box, crowd = [x, y, width, height], int(random.random() < 0.15)
            area = width * height * float(random.uniform(0.4, 1))
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image["id"], "category_id": category, "bbox": box,
                 "area": area, "iscrowd": crowd, "segmentation": []}
            )  # fmt: skip
            for _ in range(random.integers(0, 3)):
                near = (np.array(box) + random.normal(0, 6, 4)).clip(1).round(2).tolist()
                found = int(random.choice([category, category, 17]))
                results.append(
                    {"image_id": image["id"], "category_id": found, "bbox": near, "score": round(random.random(), 2)}
                )
    groundtruth = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in CATEGORIES.items()],
    }
    paths = folder / "instances.json", folder / "found.json"
    for path, content in zip(paths, (groundtruth, results), strict=True):
        path.write_text(json.dumps(content))
    return paths


def referee(groundtruth: Path, results: Path) -> list[float]:
    """pycocotools' 12 numbers."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(groundtruth))
        evaluation = COCOeval(truth, truth.loadRes(str(results)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist()
