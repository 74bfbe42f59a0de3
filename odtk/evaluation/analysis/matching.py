"""Detections matched to groundtruth as COCO does it, over all images, in flat tables that all analyses read."""

from collections.abc import Sequence
from dataclasses import dataclass

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
    found = [_match_image(image, iou, min_score) for image in images]
    offsets = np.cumsum([0, *(len(image.boxes) for image in images)])
    firsts = np.cumsum([0, *(len(rows) for rows, _, _ in found)])
    truth_match = np.full(offsets[-1], UNMATCHED)
    matches = [match for _, match, _ in found]
    for number, match in enumerate(matches):
        hit = np.flatnonzero(match != UNMATCHED)[::-1]  # so that of several in a crowd the surest stays
        truth_match[offsets[number] + match[hit]] = firsts[number] + hit
    truth = Truth(
        image=np.repeat(np.arange(len(images)), np.diff(offsets)),
        index=np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets)),
        classes=_joined([image.classes for image in images], int),
        ignored=_joined([image.ignored for image in images], bool),
        areas=_joined([image.areas for image in images], float),
        match=truth_match,
    )
    rows = _joined([rows for rows, _, _ in found], int)
    match = _joined(
        [np.where(own == UNMATCHED, UNMATCHED, own + offset) for own, offset in zip(matches, offsets, strict=False)],
        int,
    )
    detected = Detected(
        image=np.repeat(np.arange(len(images)), np.diff(firsts)),
        index=rows,
        classes=_joined([image.detected_classes[own[0]] for image, own in zip(images, found, strict=True)], int),
        scores=_joined([image.scores[own[0]] for image, own in zip(images, found, strict=True)], float),
        match=match,
        iou=_joined([overlap for _, _, overlap in found], float),
        ignored=(match != UNMATCHED) & truth.ignored[match] if len(truth.ignored) else np.zeros(len(match), bool),
    )
    return Matching(iou, detected, truth)


def overlaps(image: ImageResult, detections: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """IoU [len(detections), len(truths)] of these indices; with a crowd, the share of the detection inside it."""
    from pycocotools import mask

    found, boxes = image.detected_boxes[detections], image.boxes[truths]
    if not len(found) or not len(boxes):
        return np.zeros([len(found), len(boxes)])
    crowds = image.crowds[truths] if len(image.crowds) else np.zeros(len(boxes), bool)
    return np.asarray(mask.iou(_xywh(found), _xywh(boxes), crowds.astype(np.uint8)))


def _match_image(image: ImageResult, iou: float, min_score: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of the detections that count, index of each one's groundtruth or UNMATCHED, and their overlap."""
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for class_id in np.unique(image.detected_classes):
        own = np.flatnonzero((image.detected_classes == class_id) & reaches(image.scores, min_score))
        kept = own[np.argsort(-image.scores[own], kind="mergesort")][:MAX_DETECTIONS]
        truths = np.flatnonzero(image.classes == class_id)
        parts.append((kept, *_match_class(image, kept, truths, iou)))
    rows, match, overlap = ([part[column] for part in parts] for column in range(3))
    return _joined(rows, int), _joined(match, int), _joined(overlap, float)


def _match_class(image: ImageResult, rows: np.ndarray, truths: np.ndarray, iou: float) -> tuple[np.ndarray, np.ndarray]:
    match, overlap = np.full(len(rows), UNMATCHED), np.zeros(len(rows))
    if not len(truths):
        return match, overlap
    shared = overlaps(image, rows, truths)
    ignored = image.ignored[truths]
    many = image.crowds[truths] if len(image.crowds) else np.zeros(len(truths), bool)
    free = np.ones(len(truths), bool)
    least = min(iou, 1 - 1e-10)
    for row in np.flatnonzero(shared.max(axis=1) >= least):
        for group in (~ignored, ignored):
            allowed = np.flatnonzero(group & (free | many) & (shared[row] >= least))
            if len(allowed):
                best = allowed[len(allowed) - 1 - np.argmax(shared[row, allowed][::-1])]
                match[row], overlap[row], free[best] = truths[best], shared[row, best], False
                break
    return match, overlap


def _xywh(boxes: np.ndarray) -> np.ndarray:
    # Subtracted in float32, as the metrics do: an overlap of just the threshold is the same there and here.
    corner, far = boxes[:, [1, 0]], boxes[:, [3, 2]]
    # Contiguous, as pycocotools reads the memory as it lies.
    return np.ascontiguousarray(np.concatenate([corner, far - corner], axis=1), np.float64)


def _joined(parts: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype)
