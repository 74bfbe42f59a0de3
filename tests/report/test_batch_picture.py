"""The mosaic of a training batch: boxes where the groundtruth is, padding striped, all images shown."""

import numpy as np
import pytest

from odtk.report.batch_picture import MOST_IMAGES, BatchImage, draw_batch
from odtk.report.drawing import class_color

GRAY = 127
TITLE = "cats"


def image(boxes=(), class_ids=(), true_size=(320, 320), weights=None, size=(320, 320)):
    pixels = np.full((*size, 3), GRAY, np.uint8)
    return BatchImage(pixels, true_size, np.float32(boxes).reshape(-1, 4), class_ids, weights)


def drawn(*images, **settings):
    return np.asarray(draw_batch(images, str, TITLE, **settings))


def tile_of(sheet):
    """The tile of a sheet with a single one."""
    return sheet[-488:-8, 8:488]


def test_a_box_is_outlined_where_the_groundtruth_is_in_the_color_of_its_class():
    tile = tile_of(drawn(image([[0.5, 0.25, 0.75, 0.5]], [3])))
    rows, columns = np.nonzero((tile == class_color(3)).all(-1)[250:])  # below the label
    assert abs(rows.max() + 250 - 0.75 * 480) <= 1
    assert abs(columns.min() - 0.25 * 480) <= 1
    assert abs(columns.max() - 0.5 * 480) <= 1
    assert (tile[:100] == GRAY).all()


def test_padding_has_stripes_and_the_image_none():
    tile = tile_of(drawn(image(true_size=(160, 240))))
    assert (tile[:240, :360] == GRAY).all()
    for padding in (tile[240:], tile[:, 360:]):
        changed = (padding != GRAY).all(-1)
        assert 0.4 < changed.mean() < 0.6
        assert changed.any(0).all()
        assert changed.any(1).all()


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (5, 3, 2), (64, 8, 8), (100, 8, 8)])
def test_the_mosaic_has_a_tile_for_each_image_up_to_the_limit(count, columns, rows):
    sheet = drawn(*[image(size=(32, 32), true_size=(32, 32))] * count)
    assert min(count, MOST_IMAGES) <= columns * rows
    filled = (sheet == GRAY).all(-1)
    starts = [np.flatnonzero(np.diff(filled.sum(axis) > 30, prepend=False)) for axis in (0, 1)]  # more than text
    assert [len(each) // 2 for each in starts] == [columns, rows]
    assert sheet.shape[1] <= 1600


def test_the_note_says_what_is_shown(monkeypatch):
    said = []
    monkeypatch.setattr("odtk.report.batch_picture.add_heading", lambda sheet, title, note: said.append(note) or sheet)
    draw_batch([image([[0, 0, 1, 1]], [1])], str, TITLE)
    draw_batch([image([[0, 0, 1, 1]] * 2, [1, 2], (300, 320), [1, 0.5])] * 2, str, TITLE, batch_size=8)
    assert said[0] == "1 image of 320x320 pixels, with 1 box."
    assert said[1] == (
        "2 of 8 images of 320x320 pixels, with 4 boxes. Stripes: padding. "
        "Dashed: boxes whose weight in the loss is not 1."
    )


def test_a_weight_is_part_of_the_label(monkeypatch):
    labels = []
    monkeypatch.setattr(
        "odtk.report.batch_picture.draw_groundtruth",
        lambda tile, boxes, ids, names, marks: labels.extend(zip(names, marks, strict=True)) or tile,
    )
    draw_batch([image([[0, 0, 1, 1]] * 3, [1, 2, 3], weights=np.float32([1, 0.5, 0]))], "class {}".format, TITLE)
    assert labels == [("class 1", ""), ("class 2", "weight 0.5"), ("class 3", "weight 0")]


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="0 images"):
        drawn()
