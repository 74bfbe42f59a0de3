"""pycocotools on boxes in arrays, class by class.

Fed with the whole set at once, pycocotools needs a dictionary for every box and keeps one for every image, class and
size: 160 kB an image with 100 detections. Here the boxes of one class and image become dictionaries at a time, and what
is kept of their matching is small. Matching, precision and recall are pycocotools' own, so the numbers are the same.
"""

import copy
from collections.abc import Iterator, Sequence

import numpy as np

# Detections times IoU thresholds that pycocotools accumulates at once: 30 bytes each.
_ACCUMULATED = 200_000


class BoxTable:
    """Boxes of all images, in arrays: an image's columns are added together, and read by class."""

    def __init__(self) -> None:
        self._parts: list[dict[str, np.ndarray]] = []

    def append(self, image: int, yxyx: np.ndarray, classes: np.ndarray, **columns: np.ndarray) -> None:
        """Adds the boxes of `image`, whose number is above those before; a column has one value for each box."""
        # Subtracted in the caller's precision: TFOD's numbers come from float32 boxes.
        sides = yxyx[:, 1], yxyx[:, 0], yxyx[:, 3] - yxyx[:, 1], yxyx[:, 2] - yxyx[:, 0]
        images = np.full(len(yxyx), image, np.int32)
        # Copies: a view would keep the array of the whole batch.
        copies = {name: np.array(column) for name, column in columns.items()}
        self._parts.append({"image": images, "class": classes.astype(np.int32), "bbox": np.stack(sides, 1), **copies})

    def by_class(self) -> dict[int, dict[str, np.ndarray]]:
        """Class to its columns: `image`, `bbox` (x, y, width, height) and those that were added; by image."""
        names = self._parts[0] if self._parts else ()
        columns = {name: np.concatenate([part[name] for part in self._parts]) for name in names}
        if not columns or not len(columns["class"]):
            return {}
        classes = columns.pop("class")
        order = np.argsort(classes, kind="stable")
        numbers, starts = np.unique(classes[order], return_index=True)
        rows = np.split(order, starts[1:])
        return {
            int(number): {name: column[own] for name, column in columns.items()}
            for number, own in zip(numbers, rows, strict=True)
        }


def accumulate(class_ids: Sequence[int], groundtruth: dict, detections: dict):
    """The COCOeval after its `summarize`: `eval` has precision and recall, `stats` the 12 numbers.

    `groundtruth` and `detections`: from BoxTable.by_class, with area and iscrowd, and with score. Prints, as
    pycocotools does.
    """
    from pycocotools.cocoeval import COCOeval

    evaluation = COCOeval(iouType="bbox")
    size = (len(evaluation.params.iouThrs), len(evaluation.params.areaRng), len(evaluation.params.maxDets))
    num_ious, num_areas, num_counts = size
    precision = -np.ones([num_ious, len(evaluation.params.recThrs), len(class_ids), num_areas, num_counts])
    recall = -np.ones([num_ious, len(class_ids), num_areas, num_counts])
    for index, number in enumerate(class_ids):
        if number in groundtruth:  # otherwise there is nothing to measure
            found = _accumulate_class(evaluation, groundtruth[number], detections.get(number))
            precision[:, :, index], recall[:, index] = found
    evaluation.eval = {"precision": precision, "recall": recall}
    evaluation.summarize()
    return evaluation


def _accumulate_class(evaluation, groundtruth: dict, detections: dict | None) -> tuple[np.ndarray, np.ndarray]:
    """Precision [IoU, recall, size, detections] and recall [IoU, size, detections] of one class."""
    images = np.unique(np.concatenate([part["image"] for part in (groundtruth, detections) if part])).tolist()
    matched = [[] for _ in evaluation.params.areaRng]  # by size: an entry for each image
    truths, founds = _by_image(groundtruth, images), _by_image(detections, images)
    for truth, found in zip(truths, founds, strict=True):
        for entries, entry in zip(matched, _match(evaluation, truth, found), strict=True):
            entries.append(entry)
    num_ious, num_detections = len(evaluation.params.iouThrs), len(detections["image"]) if detections else 0
    at_once = max(_ACCUMULATED // max(num_detections, 1), 1)
    parts = [
        _accumulate_ious(evaluation.params, images, matched, slice(first, first + at_once))
        for first in range(0, num_ious, at_once)
    ]
    precision, recall = (np.concatenate(part) for part in zip(*parts, strict=True))
    return precision, recall


def _match(evaluation, truth: list[dict], found: list[dict]) -> Iterator[dict]:
    """For each size, the matches of the boxes of one class in one image, as `COCOeval.accumulate` reads them."""
    key = (0, 0)
    evaluation._gts, evaluation._dts = {key: truth}, {key: found}
    evaluation.ious = {key: evaluation.computeIoU(*key)}
    scores: np.ndarray | None = None
    for area in evaluation.params.areaRng:
        entry = evaluation.evaluateImg(*key, area, evaluation.params.maxDets[-1])
        if scores is None:
            scores = np.array(entry["dtScores"])  # the same for each size
        # Only whether they match is read, not what.
        matches, ignored = entry["dtMatches"] != 0, entry["dtIgnore"]
        yield {"dtScores": scores, "dtMatches": matches, "dtIgnore": ignored, "gtIgnore": entry["gtIgnore"]}


def _accumulate_ious(
    params, images: list[int], matched: list[list[dict]], ious: slice
) -> tuple[np.ndarray, np.ndarray]:
    """Like _accumulate_class, for some of the IoU thresholds."""
    from pycocotools.cocoeval import COCOeval

    part = COCOeval(iouType="bbox")
    part.params = copy.copy(params)
    part.params.catIds, part.params.imgIds = [0], images
    part.params.iouThrs = params.iouThrs[ious]
    part._paramsEval = part.params
    part.evalImgs = [
        {**entry, "dtMatches": entry["dtMatches"][ious], "dtIgnore": entry["dtIgnore"][ious]}
        for entries in matched
        for entry in entries
    ]
    part.accumulate()
    return part.eval["precision"][:, :, 0], part.eval["recall"][:, 0]


def _by_image(boxes: dict | None, images: list[int]) -> Iterator[list[dict]]:
    """The boxes of one class in each of `images`, as pycocotools' annotations."""
    if boxes is None:
        yield from ([] for _ in images)
        return
    starts = np.searchsorted(boxes["image"], images)
    ends = np.searchsorted(boxes["image"], images, side="right")
    for start, end in zip(starts, ends, strict=True):
        yield _annotations({name: column[start:end].tolist() for name, column in boxes.items()})


def _annotations(columns: dict[str, list]) -> list[dict]:
    # Ids start at 1: to pycocotools a match with annotation 0 is no match.
    names = [name for name in columns if name != "image"]
    rows = zip(*(columns[name] for name in names), strict=True)
    annotations = [{"id": number, **dict(zip(names, row, strict=True))} for number, row in enumerate(rows, 1)]
    for annotation in annotations:
        annotation["ignore"] = annotation.get("iscrowd", False)
    return annotations
