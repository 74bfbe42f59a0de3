"""Thresholds of classes: the file there and back, what it keeps, and what is said of a wrong one."""

import json

import numpy as np
import pytest

from odtk import thresholds
from odtk.detections import Detections
from odtk.errors import DataError
from odtk.thresholds import Thresholds

NAMES = {1: "cat", 2: "dog", 3: "größe"}


def detections(classes, scores, names=()):
    boxes = np.arange(4 * len(scores), dtype=np.float32).reshape(-1, 4)
    return Detections(boxes, np.array(classes, np.int32), np.array(scores, np.float32), names)


@pytest.mark.parametrize("written", [Thresholds(), Thresholds(0.42, {"cat": 0.5, "größe": 0.123456789, "a\nb": 1.0})])
def test_the_file_there_and_back(tmp_path, written):
    thresholds.write(written, tmp_path / "new" / "thresholds.json")
    assert thresholds.read(tmp_path / "new" / "thresholds.json") == written


@pytest.mark.parametrize(
    ("document", "expected"),
    [({}, Thresholds()), ({"score": 1}, Thresholds(1.0)), ({"classes": {"cat": 0}}, Thresholds(0.0, {"cat": 0.0}))],
)
def test_both_keys_may_be_absent(tmp_path, document, expected):
    (tmp_path / "t.json").write_text(json.dumps(document))
    assert thresholds.read(tmp_path / "t.json") == expected


def test_each_class_has_its_own_threshold_or_the_common_one():
    found = detections([1, 2, 1, 3, 2], [0.9, 0.8, 0.5, 0.4, 0.3], ("a", "b", "c", "d", "e"))
    kept = Thresholds(0.4, {"cat": 0.6, "dog": 0.3}).apply(found, NAMES.__getitem__)
    assert kept.classes.tolist() == [1, 2, 3, 2]
    assert kept.scores.tolist() == np.float32([0.9, 0.8, 0.4, 0.3]).tolist()
    assert kept.names == ("a", "b", "d", "e")
    assert kept.boxes[:, 0].tolist() == [0, 4, 12, 16]
    assert len(Thresholds(0.4).apply(detections([], []), NAMES.__getitem__)) == 0


def test_a_score_of_just_the_threshold_is_kept_in_any_precision():
    assert float(np.float32(0.9)) < 0.9
    assert thresholds.reaches(np.float32([0.9, 0.8999]), 0.9).tolist() == [True, False]
    assert thresholds.reaches(np.float64([np.float32(0.9)]), 0.9).tolist() == [True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not valid JSON"),
        ("[0.5]", r"holds \[0.5\]"),
        ('{"cat": 0.5}', "has 'cat', but only .* go inside \"classes\""),
        ('{"classes": 0.5}', '"classes" is 0.5. Expected'),
        ('{"score": "high"}', '"score" is "high", where a number from 0 to 1'),
        ('{"score": true}', '"score" is true'),
        ('{"classes": {"cat": 50}}', "the threshold of 'cat' is 50. Scores are from 0 to 1. Write 0.5 for 50 %"),
        ('{"score": NaN}', '"score" is nan'),
        ('{"score": -0.1}', '"score" is -0.1. Scores are from 0 to 1.$'),
    ],
)
def test_a_file_of_another_form_is_named_with_its_entry(tmp_path, text, said):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DataError, match=f"t.json.*{said}"):
        thresholds.read(tmp_path / "t.json")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"absent\.json cannot be read: No such file"):
        thresholds.read(tmp_path / "absent.json")


def test_classes_that_the_model_does_not_know_are_named():
    Thresholds(0.5, {"cat": 0.1}).check(NAMES.values())
    with pytest.raises(DataError, match=r"t\.json has thresholds for 'cats', 'cow'.* 'dog', .*Did you mean 'cat'\?"):
        Thresholds(0.5, {"cats": 0.1, "cow": 0.2, "dog": 0.3}).check(NAMES.values(), "t.json")
