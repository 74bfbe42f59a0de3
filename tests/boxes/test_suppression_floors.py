"""The floors that make suppression quick change nothing: the same result as one look at every candidate."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from drawn_boxes import draw_boxes

from odtk.boxes import suppression
from odtk.boxes.suppression import SuppressionParams, multiclass_suppression

PARAMS = SuppressionParams(score_threshold=0.01, iou_threshold=0.5, max_per_class=8, max_total=10)
ANCHORS, CLASSES = 300, 4


def draw_scores(kind: str, rng: np.random.Generator) -> np.ndarray:
    scores = rng.uniform(size=(2, ANCHORS, CLASSES))
    match kind:
        case "ties":
            scores = np.round(scores, 1)
        case "all equal":
            scores[:] = 0.5
        case "one class":
            scores[..., 1:] *= 1e-3
        case "few":
            scores *= rng.uniform(size=scores.shape) < 0.01
        case "one image":
            scores[1] *= 1e-6
    return scores.astype(np.float32)


def draw(kind: str, seed: int):
    """Boxes, scores and windows of two images."""
    rng = np.random.default_rng(seed)
    boxes = draw_boxes(seed, 2, ANCHORS)
    if kind == "overlapping":
        boxes = boxes * 1e-3 + np.float32([0.2, 0.2, 0.7, 0.7])
    if kind == "empty":
        boxes[:, rng.uniform(size=ANCHORS) < 0.9, 2:] = 0.0  # inverted, so that clipping leaves no area
    windows = np.float32([[0, 0, 1, 1], [0, 0, 0.4, 0.5]])
    return boxes, draw_scores(kind, rng), windows


def every_candidate(boxes, scores, window, params):
    floor = tf.fill([boxes.shape[0]], params.score_threshold)
    return suppression._suppress_above(floor, boxes, scores, window, params)


@pytest.mark.parametrize("ranks", [(1,), (2, 4), suppression.FLOOR_RANKS], ids=str)
@pytest.mark.parametrize(
    "changes",
    [{}, {"max_per_class": 2}, {"score_threshold": 0.9}, {"soft_sigma": 0.3, "iou_threshold": 1.0}, {"max_total": 80}],
    ids=str,
)
def test_same_as_one_look_at_every_candidate(monkeypatch, ranks, changes):
    monkeypatch.setattr(suppression, "FLOOR_RANKS", ranks)
    params = dataclasses.replace(PARAMS, **changes)
    quick = tf.function(lambda *inputs: multiclass_suppression(*inputs, params))
    whole = tf.function(lambda *inputs: every_candidate(*inputs, params))
    for seed, kind in enumerate(
        ["uniform", "ties", "all equal", "one class", "few", "one image", "overlapping", "empty"]
    ):
        drawn = draw(kind, seed)
        for name, ours, other in zip(suppression.Kept._fields, quick(*drawn), whole(*drawn), strict=True):
            np.testing.assert_array_equal(ours, other, err_msg=f"{name}, {kind}")


def test_a_floor_is_the_best_class_of_the_ranks_anchor(monkeypatch):
    monkeypatch.setattr(suppression, "FLOOR_RANKS", (1, 3))
    scores = np.float32([[[0.1, 0.9], [0.8, 0.0], [0.2, 0.3], [0.05, 0.02]]])
    params = dataclasses.replace(PARAMS, max_total=1, score_threshold=0.25)
    floors = suppression._best_anchors(tf.constant(scores), params).floors
    np.testing.assert_array_equal(floors[:, 0], np.float32([0.9, 0.3, 0.25]))


@pytest.mark.parametrize(
    ("scores", "first"),
    [
        ([[0.9, 0.8, 0.7, 0.6]], 0),
        ([[0.9, 0.9, 0.9, 0.6]], 1),  # none is above the second best
        ([[0.9, 0.9, 0.9, 0.9]], 2),
        ([[0.9, 0.1, 0.1, 0.1]], 0),  # the first floor is the threshold already
        ([[0.9, 0.8, 0.7, 0.6], [0.9, 0.9, 0.9, 0.6]], 1),
    ],
)
def test_tries_at_the_floors_of_equal_scores_are_left_out(monkeypatch, scores, first):
    monkeypatch.setattr(suppression, "FLOOR_RANKS", (2, 4))
    params = dataclasses.replace(PARAMS, max_total=1, score_threshold=0.25)
    best = suppression._best_anchors(tf.constant(scores)[..., None], params)
    assert best.first_try(params) == first
