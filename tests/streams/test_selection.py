"""Which detections are shown: by class, threshold and number."""

from dataclasses import replace

import numpy as np
import pytest

from odtk import thresholds
from odtk.detections import Detections
from odtk.errors import DataError, OdtkError
from odtk.streams.selection import build_selection, class_ids

NAMES = {1: "cat", 2: "Guinea Pig", 4: "dog", 7: "1"}
FOUND = Detections(
    np.zeros([5, 4], np.float32), np.int32([1, 2, 4, 1, 2]), np.float32([0.9, 0.8, 0.6, 0.5, 0.2])
)  # fmt: skip


def _scores(selection):
    return selection.apply(FOUND, NAMES.get).scores.round(1).tolist()


def test_score_classes_and_number():
    assert _scores(build_selection(NAMES)) == pytest.approx([0.9, 0.8, 0.6, 0.5])
    assert _scores(build_selection(NAMES, 0.0, classes=["cat", 2], max_boxes=3)) == pytest.approx([0.9, 0.8, 0.5])
    assert _scores(build_selection(NAMES, 0.95)) == []


def test_a_file_has_a_threshold_per_class(tmp_path):
    path = tmp_path / "thresholds.json"
    thresholds.write(thresholds.Thresholds(0.7, {"Guinea Pig": 0.1, "cat": 0.9}), path)
    assert _scores(build_selection(NAMES, thresholds_file=path)) == pytest.approx([0.9, 0.8, 0.2])
    assert build_selection(NAMES, thresholds_file=path).least_score == 0.1
    with pytest.raises(OdtkError, match="Give one of them") as caught:
        build_selection(NAMES, 0.5, path)
    assert caught.value.argument == "min_score"
    with pytest.raises(DataError, match="Guinea Pig"):
        build_selection({1: "cat"}, thresholds_file=path)


def test_other_classes_of_a_box_need_a_model_that_rates_them():
    with pytest.raises(OdtkError, match="its best 3 are not known") as caught:
        build_selection(NAMES, top=3).apply(FOUND, NAMES.get)
    assert caught.value.argument == "top"
    rated = replace(FOUND, class_scores=np.zeros([5, 4], np.float32))
    assert len(build_selection(NAMES, top=3).apply(rated, NAMES.get)) == 4


def test_classes_are_named_or_numbered():
    assert class_ids(["guinea-pig", "4", "1"], NAMES) == {2, 4, 7}  # a name goes before a number
    assert class_ids(["3", 1], {}) == {1, 3}
    with pytest.raises(OdtkError, match=r"'cta'. Did you mean 'cat'\? Its classes are cat, Guinea") as caught:
        class_ids(["cta"], NAMES)
    assert caught.value.argument == "classes"
    for wrong, names in (("3", NAMES), ("0", {}), ("cat", {})):
        with pytest.raises(OdtkError, match=r"no class '3'|numbers from 1"):
            class_ids([wrong], names)
