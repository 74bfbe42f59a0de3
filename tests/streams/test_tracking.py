"""Boxes of a video get ids, those of hidden objects as well; supervision is an extra."""

import builtins
import sys

import numpy as np
import pytest

from odtk.detections import Detections
from odtk.errors import OdtkError
from odtk.streams.frame import Frame
from odtk.streams.tracking import Tracker

PIXELS = np.zeros([100, 200, 3], np.uint8)


def _found(*boxes):
    """Detections of (xmin, score) pairs: squares in two rows."""
    corners = [[0.1 + 0.5 * row, xmin, 0.3 + 0.5 * row, xmin + 0.2] for row, (xmin, _) in enumerate(boxes)]
    scores = np.float32([score for _, score in boxes])
    order = np.argsort(-scores)  # as detectors give them
    return Detections(np.float32(corners).reshape(-1, 4), np.ones(len(boxes), np.int32), scores).take(order)


def _frame(number, name="walk.mp4"):
    return Frame(name, name, number + 1, PIXELS, number, number / 10)


def test_two_objects_that_pass_each_other_keep_their_ids():
    pytest.importorskip("supervision")
    tracker = Tracker(0.5)
    rows = []
    for number in range(14):
        right, left = (0.05 * number, 0.9), (0.7 - 0.05 * number, 0.3 if 4 <= number < 7 else 0.8)  # one fades
        boxes = [right] if number in (9, 10) else [right, left]  # and is gone for two frames
        found = tracker.track(_frame(number), _found(*boxes))
        by_row = dict(zip((found.boxes[:, 0] > 0.5).tolist(), found.track_ids.tolist(), strict=True))
        rows.append((by_row[False], by_row.get(True)))
    assert {upper for upper, _ in rows} == {rows[0][0]}
    assert {lower for _, lower in rows if lower is not None} == {rows[0][1]}
    assert {*rows[0]} == {1, 2}
    # Each source has ids of its own, a picture none, and what is too unlikely begins no track.
    assert tracker.track(_frame(0, "b.mp4"), _found((0.5, 0.9))).track_ids.tolist() == [1]
    assert tracker.track(_frame(1, "b.mp4"), _found((0.5, 0.9), (0.5, 0.4))).track_ids.tolist() == [1, 0]
    assert tracker.track(_frame(2, "b.mp4"), _found()).track_ids.tolist() == []
    assert tracker.track(Frame("a.jpg", "a.jpg", 1, PIXELS), _found((0.5, 0.9))).track_ids is None


@pytest.mark.parametrize("rate", [4, 20])
@pytest.mark.parametrize(("gone", "same"), [(0.7, True), (1.6, False)])
def test_an_object_is_remembered_for_a_second(rate, gone, same):
    pytest.importorskip("supervision")
    tracker, ids = Tracker(0.5), []
    seen = [number / rate for number in range(2 * rate)]
    for number in range(6 * rate):
        seconds = number / rate
        boxes = [] if seen[-1] < seconds < seen[-1] + gone else [(0.4, 0.9)]
        found = tracker.track(Frame("a.mp4", "a.mp4", 1, PIXELS, number, seconds), _found(*boxes))
        ids += found.track_ids.tolist()
    assert {*ids} - {0} == ({1} if same else {1, 2})


def test_every_shown_box_may_begin_a_track():
    pytest.importorskip("supervision")
    for least in (0.3, 0.7):
        tracker = Tracker(least)
        tracker.track(_frame(0), _found())
        tracker.track(_frame(1), _found((0.1, least + 0.01), (0.5, least - 0.01)))
        ids = tracker.track(_frame(2), _found((0.1, least + 0.01), (0.5, least - 0.01))).track_ids
        assert ids.tolist() == [1, 0]


def test_without_supervision_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "supervision", raising=False)
    original = builtins.__import__

    def missing(name, *rest):
        if name == "supervision":
            raise ImportError("No module named 'supervision'")
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(OdtkError, match=r"pip install 'odtk\[track\]'") as caught:
        Tracker(0.5)
    assert caught.value.argument == "track"
