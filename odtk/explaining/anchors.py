"""Which anchors fired, and which training would match with the groundtruth of a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from odtk.boxes.geometry import iou
from odtk.detectors.candidates import Candidates, Level
from odtk.detectors.detector import Detector
from odtk.explaining.picture_run import PictureRun


@dataclass(frozen=True)
class Fired:
    """The candidates whose best class has at least some score, before suppression, best first."""

    rows: np.ndarray  # int [n], of the candidates
    boxes: np.ndarray  # [n, 4] yxyx, normalized to the picture, as predicted
    anchors: np.ndarray | None  # [n, 4], the anchors that these are predicted from; None for a detector without
    classes: np.ndarray  # int [n], from 1
    scores: np.ndarray  # [n]


@dataclass(frozen=True)
class LevelAnchors:
    """The anchors of one level of the pyramid."""

    level: Level
    fired: int
    best_score: float
    matched: int | None  # with the groundtruth; None without groundtruth


@dataclass(frozen=True)
class MatchedBox:
    """An annotated box, and the anchors that training would match with it."""

    class_id: int  # from 1
    box: np.ndarray  # [4] yxyx, normalized to the picture
    anchors: np.ndarray  # [n, 4] the matched ones
    levels: tuple[str, ...]  # whose they are
    best_iou: float  # of any anchor
    best_score: float | None  # for the box's class (or for any object), of the matched anchors; None if none is
    is_found: bool | None  # whether one of the matched anchors fired for its class


def fired(run: PictureRun, min_score: float) -> Fired | None:
    """The candidates with at least `min_score`; None for a detector that does not show them."""
    candidates = run.candidates
    if candidates is None:
        return None
    scores = candidates.scores[0].numpy()
    best = scores.max(axis=1)
    rows = np.flatnonzero(best >= min_score)
    rows = rows[np.argsort(-best[rows], kind="stable")]
    return Fired(
        rows=rows,
        boxes=run.frame.to_picture(candidates.boxes[0].numpy()[rows]),
        anchors=None if candidates.anchors is None else run.frame.to_picture(_anchors(candidates)[rows]),
        classes=scores[rows].argmax(axis=1) + 1,
        scores=best[rows],
    )


def _anchors(candidates: Candidates) -> np.ndarray:
    """The anchors of the one image, [n, 4]; the boxes themselves for a detector without anchors."""
    found = candidates.boxes if candidates.anchors is None else candidates.anchors
    return found.numpy().reshape(-1, 4)


def match(detector: Detector, run: PictureRun, boxes: np.ndarray, class_ids: Sequence[int]) -> np.ndarray | None:
    """The box that training would match with each anchor, int [anchors], below 0 for none; None without anchors.

    boxes: yxyx [n, 4], normalized to the picture; class_ids from 1.
    """
    groundtruth = {
        "boxes": tf.constant(run.frame.to_padded(boxes))[None],
        "classes": tf.constant(np.asarray(class_ids, np.int32) - 1)[None],
        "weights": tf.ones([1, len(boxes)]),
        "num_boxes": tf.constant([len(boxes)]),
    }
    found = detector.matched_groundtruth(run.predictions, groundtruth)
    return None if found is None else found[0].numpy()


def levels(candidates: Candidates, fired: Fired, matched: np.ndarray | None) -> list[LevelAnchors]:
    """The table by level; `matched` as `match` gives it, None without groundtruth."""
    best = candidates.scores[0].numpy().max(axis=1)
    table, start = [], 0
    for level in candidates.levels:
        inside = slice(start, start + level.size)
        count = int(((fired.rows >= start) & (fired.rows < start + level.size)).sum())
        taken = None if matched is None else int((matched[inside] >= 0).sum())
        table.append(LevelAnchors(level, count, float(best[inside].max()), taken))
        start += level.size
    return table


def matched_boxes(
    run: PictureRun, boxes: np.ndarray, class_ids: Sequence[int], matched: np.ndarray, min_score: float
) -> list[MatchedBox]:
    """What `match` found, by annotated box."""
    candidates = run.candidates
    assert candidates is not None  # a detector that matches anchors has them
    overlaps = iou(tf.constant(run.frame.to_padded(boxes)), tf.constant(_anchors(candidates))).numpy()
    scores, anchors = candidates.scores[0].numpy(), run.frame.to_picture(_anchors(candidates))
    return [
        _matched_box(
            candidates, np.flatnonzero(matched == row), int(class_id), box, overlaps[row], scores, anchors, min_score
        )
        for row, (box, class_id) in enumerate(zip(boxes, class_ids, strict=True))
    ]


def _matched_box(candidates, rows, class_id, box, overlaps, scores, anchors, min_score) -> MatchedBox:
    names = [level.name for row in rows if (level := candidates.level_of(int(row))) is not None]
    column = 0 if candidates.of_any_class else class_id - 1
    best = float(scores[rows, column].max()) if len(rows) else None
    return MatchedBox(
        class_id=class_id,
        box=np.asarray(box),
        anchors=anchors[rows],
        levels=tuple(dict.fromkeys(names)),
        best_iou=float(overlaps.max()),
        best_score=best,
        is_found=None if best is None else best >= min_score,
    )
