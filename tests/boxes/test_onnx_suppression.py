"""What is written into ONNX files keeps, crops and orders as TensorFlow's operations do."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from drawn_boxes import draw_boxes

from odtk import onnx_operations
from odtk.boxes import crops, onnx_suppression, proposals, suppression
from odtk.boxes.suppression import SuppressionParams, class_agnostic_suppression, multiclass_suppression
from odtk.errors import ConfigError

PARAMS = SuppressionParams(score_threshold=0.01, iou_threshold=0.5, max_per_class=8, max_total=10)
ANCHORS, CLASSES = 300, 4


def both(function, *inputs):
    """What TensorFlow computes, and what the operations of an ONNX file do."""
    inputs = tuple(map(tf.constant, inputs))
    expected = function(*inputs)
    with onnx_operations.needed():
        return expected, function(*inputs)


def draw(batch: int, kind: str):
    rng = np.random.default_rng(batch)
    boxes = draw_boxes(batch, batch, ANCHORS)
    scores = rng.uniform(size=(batch, ANCHORS, CLASSES)).astype(np.float32)
    match kind:
        case "ties":
            scores = np.round(scores, 1)
        case "few":
            scores *= rng.uniform(size=scores.shape) < 0.01
        case "overlapping":
            boxes = boxes * np.float32(1e-3) + np.float32([0.2, 0.2, 0.7, 0.7])
        case "empty":
            boxes[:, rng.uniform(size=ANCHORS) < 0.9, 2:] = 0.0  # inverted: clipping leaves no area
        case "masked":
            scores[:, 40:] = -np.inf
    return boxes, scores, np.float32([[0, 0, 1, 1], [0, 0, 0.4, 0.5]])[:batch]


@pytest.mark.parametrize(
    ("suppress", "changes"),
    [
        (multiclass_suppression, {}),
        (multiclass_suppression, {"max_total": 80}),
        (multiclass_suppression, {"max_total": 1500, "max_per_class": 500}),
        (class_agnostic_suppression, {}),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_the_same_detections_in_the_same_order(suppress, changes, monkeypatch):
    monkeypatch.setattr(onnx_suppression, "FLOOR_RANKS", (1, 4))
    params = dataclasses.replace(PARAMS, **changes)
    for batch in (1, 2):
        for kind in ("ties", "few", "overlapping", "empty", "masked"):
            usual, ours = both(lambda *inputs: suppress(*inputs, params), *draw(batch, kind))
            for name, one, other in zip(suppression.Kept._fields, ours, usual, strict=True):
                np.testing.assert_array_equal(one, other, err_msg=f"{name}, {kind}, batch of {batch}")


def test_boxes_of_each_class_and_a_batch_of_unknown_size():
    boxes = draw_boxes(3, 2, 50, CLASSES)
    _, scores, windows = draw(2, "uniform")

    shapes = ([None, None, CLASSES, 4], [None, None, CLASSES], [None, 4])

    def suppress(*inputs):
        signature = [tf.TensorSpec(shape) for shape in shapes]
        return tf.function(lambda *free: multiclass_suppression(*free, PARAMS), signature, autograph=False)(*inputs)

    usual, ours = both(suppress, boxes, scores[:, :50], windows)
    assert usual.count.numpy().all()
    for one, other in zip(ours, usual, strict=True):
        np.testing.assert_array_equal(one, other)


def test_lowered_scores_are_refused():
    params = dataclasses.replace(PARAMS, soft_sigma=0.5)
    with onnx_operations.needed(), pytest.raises(ConfigError, match="Set soft_nms_sigma: 0"):
        multiclass_suppression(*map(tf.constant, draw(1, "uniform")), params)
    assert not onnx_operations.are_needed()


@pytest.mark.parametrize(
    "changes", [{}, {"max_proposals": 400}, {"keeps_empty": True, "score_threshold": 0.6}], ids=str
)
def test_the_same_proposals(changes):
    params = dataclasses.replace(proposals.ProposalParams(max_proposals=20), **changes)
    for kind in ("uniform", "ties", "few", "empty"):
        boxes, scores, windows = draw(2, kind)
        usual, ours = both(lambda *inputs: proposals.propose(*inputs, params), boxes, scores[..., 0], windows)
        for name, one, other in zip(proposals.Proposals._fields, ours, usual, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=f"{name}, {kind}")


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("exact_border", [False, True])
@pytest.mark.parametrize("levels", [1, 3])
def test_the_same_crops(size, exact_border, levels):
    rng = np.random.default_rng(size)
    maps = [rng.normal(size=(2, 24 // 2**level, 16 // 2**level, 3)).astype(np.float32) for level in range(levels)]
    # Half of them end at a border, where rounding matters.
    boxes = np.clip(draw_boxes(4, 2, 40) + np.float32([-0.2, -0.2, 0.2, 0.2]), 0, 1)
    if not exact_border:
        boxes[:, ::4] += 0.1  # some reach over it
    of_level = rng.integers(0, levels, (2, 40)).astype(np.int32) if levels > 1 else None

    def crop(*inputs):  # traced, as that rounds otherwise where an expression allows it
        return tf.function(
            lambda boxes, *maps: crops.crop(list(maps), boxes, of_level, size, exact_border), autograph=False
        )(*inputs)

    usual, ours = both(crop, boxes, *maps)
    # With an exact border the two compute the places of samples in another order.
    np.testing.assert_allclose(ours, usual, rtol=0, atol=1e-4 if exact_border else 1e-5)
