"""Detections as data: boxes, classes and scores of an image, and their file `detections.json`.

`detections.json` is COCO's results form: a list with one entry per box, each with an integer `image_id`, `file_name`,
1-based `category_id`, `bbox` as [x, y, width, height] in pixels, and `score`. pycocotools' `COCO.loadRes` reads it.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from odtk import atomic
from odtk.errors import DataError

_KEYS: dict[str, type | tuple[type, ...]] = {
    "image_id": int,
    "file_name": str,
    "category_id": int,
    "bbox": list,
    "score": (int, float),
}

MULTICLASS_SCORES = "detection_multiclass_scores"
_SAME_SCORE = 1e-3  # a score may have been rounded on its way, as in a model in low precision

# Decimals kept in detections.json: a thousandth of a pixel, and all the digits of a float32 score.
_PIXEL_DECIMALS, _SCORE_DECIMALS = 3, 7


@dataclass(frozen=True)
class Detections:
    """The detections in one image, best score first."""

    boxes: np.ndarray  # [N, 4] float32 yxyx, normalized to the image
    classes: np.ndarray  # [N] int32, 1-based
    scores: np.ndarray  # [N] float32
    names: tuple[str, ...] = ()  # of the classes of all N; empty if they were not looked up
    class_scores: np.ndarray | None = None  # [N, C] float32 of classes 1 to C; None if the model does not give them
    track_ids: np.ndarray | None = None  # [N] int from 1, 0 for a box without a track; None if nothing was tracked

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, indices: np.ndarray) -> "Detections":
        """The detections at `indices` (int, or bool [N]), in that order, with all that is known of each."""
        indices = np.flatnonzero(indices) if np.asarray(indices).dtype == bool else np.asarray(indices, int)
        return Detections(
            self.boxes[indices],
            self.classes[indices],
            self.scores[indices],
            tuple(self.names[index] for index in indices) if self.names else (),
            None if self.class_scores is None else self.class_scores[indices],
            None if self.track_ids is None else self.track_ids[indices],
        )

    def top_classes(self, index: int, count: int) -> list[tuple[int, float]]:
        """The `count` best classes of detection `index` (from 1) with their scores, best first.

        Raises ValueError without class_scores.
        """
        if self.class_scores is None:
            raise ValueError("these detections have no class_scores")
        scores = self.class_scores[index]
        return [(int(best) + 1, float(scores[best])) for best in np.argsort(-scores, kind="stable")[:count]]

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, np.ndarray], index: int = 0) -> "Detections":
        """The detections of image `index` in a batch of an exported SavedModel's outputs, padding left out.

        Reads TFOD's `detection_boxes` [B, M, 4], `detection_classes` [B, M] (1-based), `detection_scores` [B, M],
        `num_detections` [B] and, where there are any, `detection_multiclass_scores` [B, M, C or C + background].
        """
        count = int(np.asarray(outputs["num_detections"])[index])
        boxes, classes, scores = (
            np.asarray(outputs[f"detection_{name}"])[index][:count] for name in ("boxes", "classes", "scores")
        )
        classes = classes.astype(np.int32)
        everything = cls(
            boxes.astype(np.float32), classes, scores.astype(np.float32), class_scores=_class_scores(outputs, index)
        )
        return everything.take(np.argsort(-scores, kind="stable"))

    def best(self, min_score: float = 0.0, max_boxes: int | None = None) -> "Detections":
        """The detections with at least `min_score`, and of these the best `max_boxes` (None: all, 0 or less: none)."""
        most = None if max_boxes is None else max(max_boxes, 0)
        order = np.argsort(-self.scores, kind="stable")
        return self.take(order[self.scores[order] >= np.float32(min_score)][:most])


@dataclass(frozen=True)
class DetectedImage:
    """An image, its size in pixels, and its detections."""

    image_id: int
    file_name: str
    width: int
    height: int
    detections: Detections


def to_coco_results(
    images: Iterable[DetectedImage], name_of: Callable[[int], str] | None = None, top: int | None = None
) -> list[dict]:
    """COCO results form of the detections of `images`; an image without detections has no entry.

    In addition to COCO's own fields, each entry has its image's file_name and, if `name_of` has a name for the 1-based
    class, its category_name; the track_id of a box that has one; and with `top` that many classes with their scores
    (ValueError if the detections lack class_scores). COCO's tools ignore all of these.
    """
    return [result for image in images for result in _image_results(image, name_of, top)]


def from_coco_results(results: Iterable[dict], width: int, height: int) -> Detections:
    """The detections of one image of `width` x `height` pixels from its entries in COCO results form."""
    results = list(results)
    xywh = np.reshape([result["bbox"] for result in results], [-1, 4])
    boxes = np.stack([xywh[:, 1], xywh[:, 0], xywh[:, 1] + xywh[:, 3], xywh[:, 0] + xywh[:, 2]], axis=1)
    classes = np.array([result["category_id"] for result in results], np.int32)
    scores = np.array([result["score"] for result in results], np.float32)
    return Detections((boxes / [height, width, height, width]).astype(np.float32), classes, scores)


def write(results: list[dict], path: str | os.PathLike) -> None:
    """Writes COCO results to `path` atomically, one box per line."""
    lines = ",\n".join(json.dumps(result, ensure_ascii=False) for result in results)
    atomic.write_text(path, f"[\n{lines}\n]\n" if results else "[]\n")


def read(path: str | os.PathLike) -> list[dict]:
    """The COCO results in `path`. Raises a DataError that names the entry if the file is not in this form."""
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as detections: {error}. Expected the detections.json of `odtk predict`."
        ) from error
    if not isinstance(results, list):
        raise DataError(f"{path} holds a {type(results).__name__}; COCO results are a list with one entry per box.")
    for index, result in enumerate(results):
        _check_result(path, index, result)
    return results


def _image_results(image: DetectedImage, name_of: Callable[[int], str] | None, top: int | None) -> list[dict]:
    found = image.detections
    # In float64, so that only rounding loses precision.
    scale = np.array([image.height, image.width, image.height, image.width], np.float64)
    yxyx = found.boxes.astype(np.float64).reshape(-1, 4) * scale
    return [
        {
            "image_id": image.image_id,
            "file_name": image.file_name,
            "category_id": int(category),
            **({"category_name": name_of(int(category))} if name_of else {}),
            "bbox": [round(float(value), _PIXEL_DECIMALS) for value in (xmin, ymin, xmax - xmin, ymax - ymin)],
            "score": round(float(score), _SCORE_DECIMALS),
            **_track(found, index),
            **({"top": _top(found, index, top, name_of)} if top else {}),
        }
        for index, ((ymin, xmin, ymax, xmax), category, score) in enumerate(
            zip(yxyx, found.classes, found.scores, strict=True)
        )
    ]


def _track(found: Detections, index: int) -> dict:
    number = 0 if found.track_ids is None else int(found.track_ids[index])
    return {"track_id": number} if number else {}


def _top(found: Detections, index: int, count: int, name_of: Callable[[int], str] | None) -> list[dict]:
    return [
        {
            "category_id": number,
            **({"category_name": name_of(number)} if name_of else {}),
            "score": round(score, _SCORE_DECIMALS),
        }
        for number, score in found.top_classes(index, count)
    ]


def _class_scores(outputs: Mapping[str, np.ndarray], index: int) -> np.ndarray | None:
    """The scores of all classes without the background, if the outputs have them.

    Whether column 0 is the background is seen in the columns themselves: a detection's score is that of its class.
    """
    if MULTICLASS_SCORES not in outputs:
        return None
    count = int(np.asarray(outputs["num_detections"])[index])
    columns = np.asarray(outputs[MULTICLASS_SCORES])[index][:count].astype(np.float32)
    classes = np.asarray(outputs["detection_classes"])[index][:count].astype(int)
    scores = np.asarray(outputs["detection_scores"])[index][:count].astype(np.float32)
    errors = {}
    for background in (1, 0):
        places = classes - 1 + background
        if np.all(places < columns.shape[1]):
            errors[background] = np.abs(columns[np.arange(count), places] - scores).max(initial=0)
    background = min(errors, key=errors.__getitem__, default=0)
    # Otherwise they are of another kind, such as logits.
    return columns[:, background:] if errors and errors[background] <= _SAME_SCORE else None


def _check_result(path: str | os.PathLike, index: int, result: Any) -> None:
    wrong = [
        key
        for key, kind in _KEYS.items()
        if not isinstance(result, dict) or not isinstance(result.get(key), kind) or isinstance(result.get(key), bool)
    ]
    if not wrong and len(result["bbox"]) != 4:
        wrong = ["bbox"]
    if wrong:
        raise DataError(
            f"{path}, entry {index + 1}: {', '.join(wrong)} absent or not of the right kind. A COCO result has an "
            "integer image_id and category_id, a file_name, a bbox of 4 numbers [x, y, width, height], and a score."
        )
