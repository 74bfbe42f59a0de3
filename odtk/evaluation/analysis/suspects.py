"""Suspected label errors: where a detector that is mostly right contradicts the groundtruth.

The three kinds are those of Tkachenko et al., "ObjectLab: Automated Diagnosis of Mislabeled Images in Object Detection
Data", 2023 (overlooked, swapped, badly located). What counts as confident is learned from the detections themselves, as
in Northcutt et al., "Confident Learning", 2021: the mean score of the right ones of the class.
"""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from odtk import files
from odtk.evaluation.analysis.matching import Matching, overlaps
from odtk.evaluation.results import ImageResult, Results

NOT_ANNOTATED, OTHER_CLASS, BAD_BOX = "not annotated", "other class", "bad box"
MEANINGS = {
    NOT_ANNOTATED: "a confident detection where there is no groundtruth",
    OTHER_CLASS: "groundtruth that every confident detection there contradicts",
    BAD_BOX: "the class is right, but the groundtruth box fits badly",
}
MIN_RIGHT = 5
"""Right detections of a class that its mean score is taken of; with fewer, the mean of all classes is."""
LOWEST_SCORE = 0.3
"""No detection below is confident."""
APART = 0.1
"""A detection that overlaps every box by less is where there is no groundtruth."""
LEAST_SHARE, FAR_OUT = 0.75, 3.0
"""A box fits badly if its IoU is under this share of the median of right, confident detections, and below their first
quartile by so many interquartile ranges (Tukey's outer fence): a detector with loose boxes says little about it."""


@dataclass(frozen=True)
class Suspect:
    """One box of the groundtruth, or one that is lacking there, for a person to look at."""

    kind: str  # of MEANINGS
    image: int  # index of its image
    source_id: str
    detection: int  # its index in the image: what the detector says
    truth: int | None  # the groundtruth's index in the image; None of NOT_ANNOTATED
    detected_class: int
    annotated_class: int | None
    score: float  # of the detection
    iou: float  # of the two; 0 without groundtruth
    detected_box: tuple[float, ...]  # yxyx in pixels
    annotated_box: tuple[float, ...] | None
    suspicion: float  # 0 to 1, what they are ranked by: the score; for BAD_BOX times 1 - IoU


def find_suspects(results: Results, matching: Matching) -> list[Suspect]:
    """The suspected label errors, the most suspicious first; at most one for each object of an image.

    `matching` is of all detections, whatever their score, at an IoU of 0.5.
    """
    confident = confident_scores(matching)
    least = _least_iou(matching, confident)
    found = [
        suspect for number, image in enumerate(results.images) for suspect in _of_image(number, image, confident, least)
    ]
    return sorted(found, key=lambda suspect: -suspect.suspicion)


def confident_scores(matching: Matching) -> dict[int, float]:
    """For each detected class the score from which on a detection is confident; infinite if no detection is right."""
    detected = matching.detected
    right = detected.right
    overall = _mean(detected.scores[right]) if right.any() else np.inf
    found = {}
    for class_id in np.unique(detected.classes).tolist():
        own = detected.scores[right & (detected.classes == class_id)]
        found[class_id] = max(_mean(own) if len(own) >= MIN_RIGHT else overall, LOWEST_SCORE)
    return found


def _mean(scores: np.ndarray) -> float:
    return float(min(scores.mean(), scores.max()))  # the mean of equal numbers may be rounded up


def _least_iou(matching: Matching, confident: dict[int, float]) -> float:
    """The IoU below which a box fits badly, by those of right detections that are confident; 0 without any."""
    detected = matching.detected
    limits = np.array([confident[class_id] for class_id in detected.classes.tolist()])
    values = detected.iou[detected.right & (detected.scores >= limits)] if len(limits) else limits
    if not len(values):
        return 0.0
    first, median, third = np.quantile(values, (0.25, 0.5, 0.75))
    return float(min(LEAST_SHARE * median, first - FAR_OUT * (third - first)))


def _of_image(number: int, image: ImageResult, confident: dict[int, float], least: float) -> Iterator[Suspect]:
    limits = np.array([confident.get(class_id, np.inf) for class_id in image.detected_classes.tolist()])
    sure = np.flatnonzero(image.scores >= limits) if len(limits) else np.zeros(0, int)
    if not len(sure):
        return
    counted = np.flatnonzero(~image.ignored)
    shared = overlaps(image, sure, counted)
    same = image.detected_classes[sure, None] == image.classes[None, counted]
    yield from _not_annotated(number, image, sure, shared)
    for column, truth in enumerate(counted.tolist()):
        about = np.flatnonzero(shared[:, column] >= APART)
        # A detection that another box explains better says nothing about this one.
        about = about[shared[about].argmax(axis=1) == column]
        if not len(about):
            continue
        own = about[same[about, column]]
        if len(own):
            best = own[shared[own, column].argmax()]
            if shared[best, column] < least:
                yield _suspect(
                    BAD_BOX, number, image, sure[best], truth, shared[best, column], 1 - shared[best, column]
                )
        else:
            close = about[shared[about, column] >= 0.5]
            if len(close):
                best = close[image.scores[sure[close]].argmax()]
                yield _suspect(OTHER_CLASS, number, image, sure[best], truth, shared[best, column])


def _not_annotated(number: int, image: ImageResult, sure: np.ndarray, shared: np.ndarray) -> Iterator[Suspect]:
    apart = sure[shared.max(axis=1, initial=0) < APART]
    ignored = np.flatnonzero(image.ignored)
    if len(ignored):
        # What is in a crowd or on a difficult object need not be annotated.
        apart = apart[overlaps(image, apart, ignored).max(axis=1, initial=0) < APART]
    seen: list[int] = []
    for detection in apart.tolist():  # of falling score
        if not seen or _iou(image.detected_boxes[detection], image.detected_boxes[seen]).max() < 0.5:
            seen.append(detection)
            yield _suspect(NOT_ANNOTATED, number, image, detection, None, 0.0)


def _suspect(
    kind: str, number: int, image: ImageResult, detection: int, truth: int | None, iou: float, weight: float = 1.0
) -> Suspect:
    return Suspect(
        kind=kind,
        image=number,
        source_id=image.source_id,
        detection=int(detection),
        truth=truth,
        detected_class=int(image.detected_classes[detection]),
        annotated_class=None if truth is None else int(image.classes[truth]),
        score=float(image.scores[detection]),
        iou=float(iou),
        detected_box=tuple(image.detected_boxes[detection].tolist()),
        annotated_box=None if truth is None else tuple(image.boxes[truth].tolist()),
        suspicion=float(image.scores[detection] * weight),
    )


def _iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU of a box yxyx with others [N, 4]."""
    corner, far = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(far - corner, 0), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) - shared
    return shared / np.where(union > 0, union, 1)


COLUMNS = (
    *("rank", "image", "kind", "suspicion", "annotated_class", "detected_class", "score", "iou"),
    *(f"{which}_{side}" for which in ("annotated", "detected") for side in ("ymin", "xmin", "ymax", "xmax")),
    *("file", "record"),
)


def suspect_rows(suspects: Sequence[Suspect], results: Results) -> list[list]:
    """A row of COLUMNS for each, in the given order; boxes are in pixels, empty where there is no groundtruth."""
    rows = []
    for rank, suspect in enumerate(suspects, 1):
        annotated = "" if suspect.annotated_class is None else results.name_of(suspect.annotated_class)
        rows.append([
            *(rank, suspect.source_id, suspect.kind, round(suspect.suspicion, 4)),
            *(annotated, results.name_of(suspect.detected_class), round(suspect.score, 4), round(suspect.iou, 4)),
            *(round(side, 1) for side in suspect.annotated_box or ()), *[""] * (0 if suspect.annotated_box else 4),
            *(round(side, 1) for side in suspect.detected_box),
            *(results.images[suspect.image].place or ("", "")),
        ])  # fmt: skip
    return rows


def write_suspects(path: str | os.PathLike, suspects: Sequence[Suspect], results: Results) -> None:
    """Writes them as CSV, for whoever corrects the annotations."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *suspect_rows(suspects, results)])
    files.write_bytes(path, text.getvalue().encode("utf-8", "replace"))  # a file name may be no UTF-8
