"""Detections: filtering, and the way to COCO results and back."""

import json

import numpy as np
import pytest

from odtk import detections
from odtk.detections import DetectedImage, Detections
from odtk.errors import DataError

FOUND = Detections(
    np.float32([[0.1, 0.2, 0.5, 0.6], [0.0, 0.0, 1.0, 1.0], [0.25, 0.5, 0.75, 1.0]]),
    np.int32([1, 3, 2]),
    np.float32([0.9, 0.7, 0.5]),
)
NOTHING = Detections(np.zeros([0, 4], np.float32), np.zeros([0], np.int32), np.zeros([0], np.float32))


def test_outputs_lose_their_padding_and_come_sorted():
    outputs = {
        "detection_boxes": np.float32([[[0, 0, 0, 0]] * 3, [[0, 0, 1, 1], [0, 0, 0.5, 0.5], [0, 0, 0, 0]]]),
        "detection_classes": np.float32([[1, 1, 1], [2, 5, 1]]),
        "detection_scores": np.float32([[0, 0, 0], [0.3, 0.8, 0]]),
        "num_detections": np.float32([0, 2]),
    }
    assert len(Detections.from_outputs(outputs, 0)) == 0
    found = Detections.from_outputs(outputs, 1)
    assert found.classes.tolist() == [5, 2]
    assert found.boxes.tolist() == [[0, 0, 0.5, 0.5], [0, 0, 1, 1]]
    assert (found.boxes.dtype, found.classes.dtype, found.scores.dtype) == (np.float32, np.int32, np.float32)


@pytest.mark.parametrize("background", [True, False])
def test_outputs_have_the_scores_of_all_classes(background):
    columns = np.float32([[0.1, 0.3, 0.2], [0.8, 0.0, 0.6], [0, 0, 0]])
    if background:
        columns = np.concatenate([np.float32([[0.3], [0.6], [0]]), columns], axis=1)
    outputs = {
        "detection_boxes": np.float32([[[0, 0, 1, 1], [0, 0, 0.5, 0.5], [0, 0, 0, 0]]]),
        "detection_classes": np.float32([[2, 1, 1]]),
        "detection_scores": np.float32([[0.3, 0.8, 0]]),
        "num_detections": np.float32([2]),
        "detection_multiclass_scores": columns[None],
    }
    found = Detections.from_outputs(outputs)
    assert found.class_scores.tolist() == np.float32([[0.8, 0.0, 0.6], [0.1, 0.3, 0.2]]).tolist()
    assert [number for number, _ in found.top_classes(1, 2)] == [2, 3]
    assert found.best(max_boxes=1).class_scores.shape == (1, 3)
    logits = {**outputs, "detection_multiclass_scores": columns[None] - 5}
    assert Detections.from_outputs(logits).class_scores is None
    with pytest.raises(ValueError, match="class_scores"):
        Detections.from_outputs(logits).top_classes(0, 1)


def test_take_keeps_what_belongs_together():
    scores = np.float32([[0.9, 0, 0], [0, 0, 0.7], [0, 0.5, 0]])
    everything = Detections(*(getattr(FOUND, name) for name in ("boxes", "classes", "scores")), ("a", "b", "c"), scores,
                            np.array([4, 0, 6]))  # fmt: skip
    for chosen in (everything.take(np.array([2, 0])), everything.take(np.array([True, False, True])).take([1, 0])):
        assert (chosen.names, chosen.track_ids.tolist(), chosen.classes.tolist()) == (("c", "a"), [6, 4], [2, 1])
        assert chosen.class_scores.tolist() == scores[[2, 0]].tolist()
    nothing = everything.best(1.0)
    assert len(nothing) == 0
    assert nothing.class_scores.shape == (0, 3)


@pytest.mark.parametrize(
    ("min_score", "max_boxes", "classes"),
    [
        (0, None, [1, 3, 2]),
        (0.7, None, [1, 3]),
        (0.91, None, []),
        (0.0, 1, [1]),
        (0.6, 5, [1, 3]),
        (0.0, 0, []),
        (0.0, -1, []),
    ],
)
def test_best(min_score, max_boxes, classes):
    assert FOUND.best(min_score, max_boxes).classes.tolist() == classes


def test_best_of_unsorted_takes_the_highest_scores():
    backwards = Detections(FOUND.boxes[::-1], FOUND.classes[::-1], FOUND.scores[::-1])
    assert backwards.best(max_boxes=2).classes.tolist() == [1, 3]


def test_coco_results_form():
    results = detections.to_coco_results([DetectedImage(7, "cat.jpg", 200, 100, FOUND.best(max_boxes=1))])
    assert results == [
        {"image_id": 7, "file_name": "cat.jpg", "category_id": 1, "bbox": [40.0, 10.0, 80.0, 40.0], "score": 0.9}
    ]
    assert [type(results[0][key]) for key in ("image_id", "category_id", "score")] == [int, int, float]


@pytest.mark.parametrize("found", [FOUND, NOTHING])
def test_round_trip_through_a_file(tmp_path, found):
    path = tmp_path / "out/detections.json"
    detections.write(detections.to_coco_results([DetectedImage(1, "Kätzchen.jpg", 333, 500, found)]), path)
    back = detections.from_coco_results(detections.read(path), 333, 500)
    np.testing.assert_allclose(back.boxes, found.boxes, atol=1e-5)
    np.testing.assert_allclose(back.scores, found.scores, atol=1e-7)
    assert back.classes.tolist() == found.classes.tolist()
    assert [item.name for item in path.parent.iterdir()] == ["detections.json"]


def test_pycocotools_reads_the_file(tmp_path, capsys):
    from pycocotools.coco import COCO

    path = tmp_path / "detections.json"
    names = {1: "cat", 2: "dog", 3: "bird"}
    detections.write(detections.to_coco_results([DetectedImage(1, "a.jpg", 200, 100, FOUND)], names.get), path)
    coco = COCO()
    coco.dataset = {"images": [{"id": 1}], "categories": [{"id": number} for number in (1, 2, 3)], "annotations": []}
    coco.createIndex()
    loaded = coco.loadRes(str(path))
    assert [annotation["bbox"] for annotation in loaded.anns.values()][1] == [0, 0, 200, 100]
    assert [annotation["category_name"] for annotation in loaded.anns.values()] == ["cat", "bird", "dog"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "a dict"),
        ("[1, 2", "cannot be read as detections"),
        ("[3]", "entry 1: image_id, file_name"),
        (
            json.dumps([{"image_id": 1, "file_name": "a", "category_id": 1, "bbox": [1, 2], "score": 1}]),
            "entry 1: bbox",
        ),
        (json.dumps([{"image_id": "1", "file_name": "a", "category_id": 1, "bbox": [0] * 4, "score": 1}]), "image_id"),
    ],
)
def test_what_is_no_results_file_is_said(tmp_path, text, said):
    path = tmp_path / "detections.json"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as raised:
        detections.read(path)
    assert str(path) in str(raised.value)
