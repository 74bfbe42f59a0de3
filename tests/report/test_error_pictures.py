"""Boxes in the color of their error, whole and as crops, and the legend."""

import numpy as np
from PIL import Image

from odtk.report import drawing
from odtk.report.error_pictures import (
    COLORS,
    CORRECT,
    MEANINGS,
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


def test_a_crop_shows_its_focus_and_leaves_out_what_is_elsewhere(monkeypatch):
    labels = []
    monkeypatch.setattr(drawing, "_draw_label", lambda draw, place, text, font, color: labels.append(text))
    focus = MarkedBox((0.4, 0.1, 0.5, 0.15), "cat 80%", "background")
    near, far = MarkedBox((0.42, 0.12, 0.5, 0.2), "dog", MISSED), MarkedBox((0.5, 0.8, 0.9, 0.95), "dog", MISSED)
    picture = draw_marked_crop(GRAY, [focus], [near, far])
    assert max(picture.size) == 200
    assert sorted(labels) == ["cat 80% (background)", "dog (missed)"]
    assert _pixels_of(picture, "background").any()


def test_the_legend_says_what_the_colors_mean():
    made = legend([MISSED, "duplicate"])
    assert [" ".join(each.itertext()) for each in made] == [
        f"missed  {MEANINGS[MISSED]}",
        f"duplicate  {MEANINGS['duplicate']}",
    ]
    assert "rgb(255, 212, 0)" in made[0][0].get("style")
    assert set(COLORS) == set(MEANINGS)
