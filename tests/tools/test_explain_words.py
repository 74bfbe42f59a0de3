"""What fires is called what it is: anchors, the proposals of two stages, or the cells of a heat map."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from lxml import html

from odtk.detectors.candidates import Candidates, Level
from odtk.explaining import anchors
from odtk.explaining.map_frame import MapFrame
from odtk.tools.explain.explained import ExplainedPicture, PictureFile, ScoreMap
from odtk.tools.explain.page import write_page

FILE = PictureFile("cat/x.png", 8, 8)
BOXES = np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]], np.float32)


def page_of(tmp_path, **shown) -> str:
    picture = ExplainedPicture("cat.jpg", "cat", (8, 8), FILE, [], fired=FILE, num_fired=3, **shown)
    write_page(tmp_path, [picture], "a model", lambda number: f"class {number}", 0.5)
    (path,) = tmp_path.glob("*.html")
    return " ".join(html.fromstring(path.read_text(encoding="utf-8")).text_content().split())


def test_anchors_are_moved_and_cells_are_not(tmp_path):
    text = page_of(tmp_path)
    assert "Anchors" in text
    assert "3 anchors with a score of at least 0.5, in the colors" in text
    assert "before they are moved to a box" in text
    levels = [anchors.LevelAnchors(Level("P2", 4, 4, 1), fired=3, best_score=0.9, matched=None)]
    scores = {"cat": [ScoreMap("P2", 0.9, FILE)]}
    text = page_of(tmp_path, called="cells", is_moved=False, levels=levels, scores=scores)
    assert "3 cells with a score of at least 0.5" in text
    assert "Cells by level" in text
    assert not any(word in text.lower() for word in ("anchor", "pyramid", "moved", "coarse"))


@pytest.mark.parametrize("has_own", [True, False])
def test_anchors_of_an_image_of_its_own_are_compared_with_groundtruth(has_own):
    found = tf.constant(BOXES)
    candidates = Candidates(
        boxes=tf.constant(BOXES[None, ::-1]), scores=tf.constant([[[0.1], [0.8]]]),
        anchors=found[None] if has_own else None,
    )  # fmt: skip
    run = SimpleNamespace(candidates=candidates, frame=MapFrame((8, 8), (8, 8), (8, 8)))
    assert anchors.fired(run, 0.5).rows.tolist() == [1]
    (box,) = anchors.matched_boxes(run, BOXES[1:], [1], np.array([-1, 0]), 0.5)
    assert box.best_iou == pytest.approx(1)
    np.testing.assert_allclose(box.anchors[0], BOXES[1] if has_own else BOXES[0])
