"""Boxes in the color of their error, whole and as crops, and the legend."""

import numpy as np
from PIL import Image

from odtk.report import drawing
from odtk.report.error_pictures import (
    COLORS,
    CORRECT,
    GROUNDTRUTH,
    IGNORED,
    MISSED,
    MarkedBox,
    draw_marked,
    draw_marked_crop,
    legend,
)

GRAY = Image.new("RGB", (800, 400), (128, 128, 128))


def _pixels_of(picture, kind):
    return (np.asarray(picture) == COLORS[kind]).all(-1)


def test_a_picture_is_scaled_and_has_each_box_in_the_color_of_its_kind():
    boxes = [MarkedBox((0.1, 0.1, 0.9, 0.4), "cat 90%"), MarkedBox((0.1, 0.6, 0.9, 0.9), "dog", MISSED)]
    picture = draw_marked(GRAY, boxes)
    assert picture.size == (400, 200)
    for kind, left, right in ((CORRECT, 0.1, 0.4), (MISSED, 0.6, 0.9)):
        columns = np.flatnonzero(_pixels_of(picture, kind).any(axis=0))
        assert (columns.min(), columns.max()) == (round(left * 399), round(right * 399))


def _labels_drawn(monkeypatch):
    labels = []
    monkeypatch.setattr(drawing, "_draw_label", lambda draw, place, text, font, color: labels.append(text))
    return labels


def test_labels_of_a_whole_picture_name_the_error(monkeypatch):
    labels = _labels_drawn(monkeypatch)
    box = (0.1, 0.1, 0.5, 0.3)
    draw_marked(GRAY, [MarkedBox(box, "a"), MarkedBox(box, "b", "both"), MarkedBox(box, "c", IGNORED)])
    assert sorted(labels) == ["a", "b (both)", "c (ignored)"]


def test_a_crop_is_what_surrounds_its_boxes_and_groundtruth_in_it_is_dashed(monkeypatch):
    labels = _labels_drawn(monkeypatch)
    wrong = MarkedBox((0.4, 0.1, 0.5, 0.15), "cat 80%", "background")
    truth = MarkedBox((0.42, 0.12, 0.5, 0.2), "dog", GROUNDTRUTH)
    picture = draw_marked_crop(GRAY, [wrong, truth])
    assert max(picture.size) == 200
    assert sorted(labels) == ["cat 80%", "dog (groundtruth)"]
    solid, dashed = _pixels_of(picture, "background"), _pixels_of(picture, GROUNDTRUTH)
    left = np.flatnonzero(solid.any(axis=0)).min()
    assert solid[:, left].sum() == solid.any(axis=1).sum()  # without a gap
    bottom = np.flatnonzero(dashed.any(axis=1)).max()
    assert dashed[bottom].sum() < 0.7 * dashed.any(axis=0).sum()


def test_the_legend_says_what_the_colors_mean():
    made = legend({MISSED: "not found", "duplicate": "found twice"})
    assert ["".join(each.itertext()) for each in made] == ["missed: not found", "duplicate: found twice"]
    assert "rgb(255, 212, 0)" in made[0][0].get("style")
