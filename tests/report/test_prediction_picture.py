"""Predictions beside groundtruth: which are right, which objects are missed, where they are drawn."""

import numpy as np

from odtk.report import prediction_picture
from odtk.report.drawing import class_color
from odtk.report.prediction_picture import EvaluatedImage, draw_evaluation, draw_pair, match

LEFT, RIGHT = [0.1, 0.1, 0.5, 0.4], [0.1, 0.6, 0.5, 0.9]


def image(truth=(), predictions=(), size=(340, 340), ignored=()):
    """`truth`: (box, class); `predictions`: (box, class, score)."""
    boxes, ids = zip(*truth, strict=True) if truth else ((), ())
    predicted, predicted_ids, scores = zip(*predictions, strict=True) if predictions else ((), (), ())
    return EvaluatedImage(
        pixels=np.full((100, 100, 3), 127, np.uint8),
        size=size,
        boxes=np.float32(boxes).reshape(-1, 4),
        class_ids=np.int32(ids),
        ignored=np.array(ignored or [False] * len(ids), bool),
        predicted_boxes=np.float32(predicted).reshape(-1, 4),
        predicted_ids=np.int32(predicted_ids),
        scores=np.float32(scores),
    )


def drawn(monkeypatch, evaluated):
    """What each half is labeled with, and the caption."""
    labels, captions = [], []
    monkeypatch.setattr(
        prediction_picture,
        "draw_groundtruth",
        lambda picture, boxes, ids, names, marks: labels.append(list(zip(names, marks, strict=True))) or picture,
    )
    monkeypatch.setattr(prediction_picture, "_captioned", lambda pair, text: captions.append(text) or pair)
    draw_pair(evaluated, "class {}".format)
    return *labels, *captions


def test_an_object_is_found_once_by_the_surest_prediction_of_its_class():
    nearly = [0.1, 0.1, 0.5, 0.45]
    evaluated = image(
        [(LEFT, 1), (RIGHT, 2)], [(nearly, 1, 0.9), (LEFT, 1, 0.8), (RIGHT, 1, 0.7), ([0.5, 0.5, 0.9, 0.9], 2, 0.6)]
    )
    assert match(evaluated, range(4)) == [0, None, None, None]


def test_an_ignored_object_takes_any_number_of_predictions_and_none_from_others():
    crowd, inside = [0, 0, 1, 1], [0.2, 0.2, 0.4, 0.4]
    evaluated = image(
        [(crowd, 1), (LEFT, 1)], [(LEFT, 1, 0.9), (inside, 1, 0.8), (inside, 1, 0.7)], ignored=[True, False]
    )
    assert match(evaluated, range(3)) == [1, 0, 0]


def test_labels_say_what_is_wrong_and_what_is_missed(monkeypatch):
    left, right, caption = drawn(
        monkeypatch, image([(LEFT, 1), (RIGHT, 2)], [(LEFT, 1, 0.91), (RIGHT, 1, 0.5), (RIGHT, 2, 0.2)])
    )
    assert left == [("class 1 91%", ""), ("class 1 50%", "wrong")]
    assert right == [("class 1", ""), ("class 2", "missed")]
    assert caption == "1 of 2 found, 1 wrong"


def test_before_anything_is_sure_the_caption_names_the_surest(monkeypatch):
    assert drawn(monkeypatch, image([(LEFT, 1)], [(LEFT, 2, 0.12)]))[-1] == (
        "0 of 1 found, 0 wrong; the surest prediction: class 2 12%"
    )
    assert drawn(monkeypatch, image())[-1] == "no objects, 0 wrong"


def test_predictions_are_left_and_groundtruth_right_in_the_originals_shape():
    pair = np.asarray(draw_pair(image([(LEFT, 1)], [(RIGHT, 3, 0.9)], size=(200, 400)), str))
    halves = {"prediction": (pair[:170, :340], 3, RIGHT), "groundtruth": (pair[:170, 344:684], 1, LEFT)}
    for half, class_id, (_, xmin, ymax, _) in halves.values():
        rows, columns = np.nonzero((half == class_color(class_id)).all(-1)[40:])
        assert abs(rows.max() + 40 - ymax * 170) <= 1
        assert abs(columns.min() - xmin * 340) <= 1
        assert (half[169, :50] == 127).all()  # an image of 340x170 ends here
    assert not (pair[:170, :340] == class_color(1)).all(-1).any()


def test_one_picture_has_a_place_for_each_pair():
    pair = draw_pair(image([(LEFT, 1)]), str)
    one, three, six = (np.asarray(draw_evaluation([pair] * count, "cats")) for count in (1, 3, 6))
    assert one.shape[1] < three.shape[1] == six.shape[1]
    assert one.shape[0] + 100 < three.shape[0] < six.shape[0]
    assert (np.concatenate([one[-5:].reshape(-1), six[-5:].reshape(-1)]) == 255).all()
