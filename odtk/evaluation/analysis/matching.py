"""Detections matched to groundtruth as COCO does it, over all images, in flat tables that all analyses read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from odtk.evaluation.results import ImageResult
from odtk.thresholds import reaches

UNMATCHED = -1
MAX_DETECTIONS = 100
"""Of one class in one image, the surest; COCO counts no more."""


@dataclass(frozen=True)
class Detected:
    """A row for each detection that counts, image by image, in an image by class and falling score."""

    image: np.ndarray  # int [D]: index of its image
    index: np.ndarray  # int [D]: its index in the image
    classes: np.ndarray  # int [D], from 1
    scores: np.ndarray  # [D]
    match: np.ndarray  # int [D]: row of its groundtruth, or UNMATCHED
    iou: np.ndarray  # [D]: with that groundtruth (for a crowd: the share of the detection inside it), else 0
    ignored: np.ndarray  # bool [D]: matched to groundtruth that is ignored, so neither right nor wrong

    @property
    def right(self) -> np.ndarray:
        """bool [D]: the true positives."""
        return (self.match != UNMATCHED) & ~self.ignored

    @property
    def wrong(self) -> np.ndarray:
        """bool [D]: the false positives."""
        return self.match == UNMATCHED


@dataclass(frozen=True)
class Truth:
    """A row for each groundtruth box, image by image."""

    image: np.ndarray  # int [G]: index of its image
    index: np.ndarray  # int [G]: its index in the image
    classes: np.ndarray  # int [G], from 1
    ignored: np.ndarray  # bool [G]
    areas: np.ndarray  # [G] in pixels
    match: np.ndarray  # int [G]: row of its detection (of a crowd: of one of them), or UNMATCHED


@dataclass(frozen=True)
class Matching:
    """Which detection found which object, at one IoU."""

    iou: float
    detected: Detected
    truth: Truth


def match_images(images: Sequence[ImageResult], iou: float = 0.5, min_score: float = 0.0) -> Matching:
    """Matches the detections of at least `min_score` to the groundtruth of their class, at an `iou` or more.

    As pycocotools does (COCOeval.evaluateImg): the surest first, each to the free box that it overlaps most, where a
    box that counts goes before any that is ignored; crowds may be matched many times. Of equal overlaps the later box
    is taken, as there.
    """
    (matching,) = match_at([iou], images, min_score)
    return matching


def match_at(ious: Sequence[float], images: Sequence[ImageResult], min_score: float = 0.0) -> list[Matching]:
    """`match_images` at each of some IoUs; all have the same rows, and overlaps are computed once."""
    return list(each_match(ious, images, min_score))


def each_match(ious: Sequence[float], images: Sequence[ImageResult], min_score: float = 0.0) -> Iterator[Matching]:
    """`match_at`, one after the other."""
    detected, truth = _detected_table(images, min_score), _truth_table(images)
    pairs = _pairs(images, detected, truth)
    for iou in ious:
        yield _match(iou, detected, truth, pairs)


def overlaps(image: ImageResult, detections: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """IoU [len(detections), len(truths)] of these indices; with a crowd, the share of the detection inside it."""
    from pycocotools import mask

    found, boxes = image.detected_boxes[detections], image.boxes[truths]
    if not len(found) or not len(boxes):
        return np.zeros([len(found), len(boxes)])
    crowds = image.crowds[truths] if len(image.crowds) else np.zeros(len(boxes), bool)
    return np.asarray(mask.iou(_xywh(found), _xywh(boxes), crowds.astype(np.uint8)))


class _Pairs(NamedTuple):
    """Detections and groundtruth of one image and class that overlap, in the order in which COCO matches them.

    By detection, then what counts before what is ignored, then by falling overlap, of equal ones the later box.
    """

    detection: np.ndarray  # int [P]: row
    truth: np.ndarray  # int [P]: row
    iou: np.ndarray  # [P]
    many: np.ndarray  # bool [P]: the groundtruth is a crowd


def _detected_table(images: Sequence[ImageResult], min_score: float) -> Detected:
    """Every detection that counts, without matches."""
    image, index = _numbered([len(each.scores) for each in images])
    classes = _joined([each.detected_classes for each in images], int)
    scores = _joined([each.scores for each in images], float)
    order = np.lexsort((-scores, classes, image))
    order = order[reaches(scores[order], min_score)]
    starts = np.flatnonzero(_begins(image[order], classes[order]))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    order = order[rank < MAX_DETECTIONS]
    count = len(order)
    nothing = np.full(count, UNMATCHED), np.zeros(count), np.zeros(count, bool)
    return Detected(image[order], index[order], classes[order], scores[order], *nothing)


def _truth_table(images: Sequence[ImageResult]) -> Truth:
    image, index = _numbered([len(each.classes) for each in images])
    return Truth(
        image=image,
        index=index,
        classes=_joined([each.classes for each in images], int),
        ignored=_joined([each.ignored for each in images], bool),
        areas=_joined([each.areas for each in images], float),
        match=np.full(len(image), UNMATCHED),
    )


def _pairs(images: Sequence[ImageResult], detected: Detected, truth: Truth) -> _Pairs:
    detection, row = _same_image_and_class(detected, truth)
    boxes = _joined_boxes([each.detected_boxes for each in images])
    offsets = np.cumsum([0, *(len(each.scores) for each in images)])
    found = _xywh(boxes)[offsets[detected.image] + detected.index]
    crowds = _joined([each.crowds if len(each.crowds) else each.ignored & False for each in images], bool)
    shared = _paired_iou(found[detection], _xywh(_joined_boxes([each.boxes for each in images]))[row], crowds[row])
    order = np.lexsort((-row, -shared, truth.ignored[row], detection))
    order = order[shared[order] > 0]
    return _Pairs(detection[order], row[order], shared[order], crowds[row[order]])


def _same_image_and_class(detected: Detected, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """Rows of detections and of groundtruth, for all pairs that could match."""
    width = max(detected.classes.max(initial=0), truth.classes.max(initial=0)) + 1
    of_truth, of_detected = truth.image * width + truth.classes, detected.image * width + detected.classes
    by_key = np.argsort(of_truth, kind="stable")
    first, last = (np.searchsorted(of_truth[by_key], of_detected, side=side) for side in ("left", "right"))
    pairs, position = _numbered(last - first)
    return pairs, by_key[first[pairs] + position]


def _paired_iou(found: np.ndarray, boxes: np.ndarray, crowds: np.ndarray) -> np.ndarray:
    """IoU of each row's two boxes (x, y, width, height), to the last digit as bbIou of pycocotools' maskApi.c."""
    corner = np.fmax(found[:, :2], boxes[:, :2])
    sides = np.fmin(found[:, 2:] + found[:, :2], boxes[:, 2:] + boxes[:, :2]) - corner
    area, own, other = (each[:, 0] * each[:, 1] for each in (sides, found[:, 2:], boxes[:, 2:]))
    shared = (sides > 0).all(axis=1)
    union = np.where(crowds, own, own + other - area)
    return np.divide(area, union, out=np.zeros(len(area)), where=shared)


def _match(iou: float, detected: Detected, truth: Truth, pairs: _Pairs) -> Matching:
    enough = np.flatnonzero(pairs.iou >= min(iou, 1 - 1e-10))
    match, found_by = detected.match.tolist(), truth.match.tolist()
    overlap = np.zeros(len(match))
    rows = zip(*(column[enough].tolist() for column in pairs), strict=True)
    for detection, row, shared, many in rows:
        if match[detection] == UNMATCHED and (many or found_by[row] == UNMATCHED):
            match[detection], overlap[detection] = row, shared
            if found_by[row] == UNMATCHED:  # of several in a crowd the surest stays
                found_by[row] = detection
    matched = np.array(match, int)
    ignored = (matched != UNMATCHED) & truth.ignored[matched] if len(truth.ignored) else np.zeros(len(match), bool)
    return Matching(
        iou,
        replace(detected, match=matched, iou=overlap, ignored=ignored),
        replace(truth, match=np.array(found_by, int)),
    )


def _numbered(counts: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For groups of so many rows, each row's group and its index there."""
    group = np.repeat(np.arange(len(counts)), counts)
    offsets = np.cumsum([0, *counts])[:-1]
    return group, np.arange(len(group)) - offsets[group] if len(group) else np.zeros(0, int)


def _begins(*columns: np.ndarray) -> np.ndarray:
    """bool: the rows that differ from the one before."""
    differs = [np.diff(column, prepend=column[:1] - 1) != 0 for column in columns]
    return np.any(differs, axis=0)


def _joined_boxes(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros([0, 4], np.float32), *parts])


def _xywh(boxes: np.ndarray) -> np.ndarray:
    # Subtracted in float32, as the metrics do: an overlap of just the threshold is the same there and here.
    corner, far = boxes[:, [1, 0]], boxes[:, [3, 2]]
    # Contiguous, as pycocotools reads the memory as it lies.
    return np.ascontiguousarray(np.concatenate([corner, far - corner], axis=1), np.float64)


def _joined(parts: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype)
