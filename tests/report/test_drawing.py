"""Drawing: boxes and labels where they can be seen, whatever the size of the picture."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from odtk.detections import Detections
from odtk.report import drawing
from odtk.report.drawing import add_caption, class_color, contact_sheet, draw_detections, draw_groundtruth

NAMES = {1: "Abyssinian", 2: "american_pit_bull_terrier", 3: "pug"}
GRAY = (127, 127, 127)


def found(*boxes, classes=None):
    count = len(boxes)
    classes = np.int32(classes or [1] * count)
    return Detections(np.float32(boxes).reshape(-1, 4), classes, np.linspace(0.9, 0.5, count, dtype=np.float32))


def labels_drawn(monkeypatch, size, detections):
    drawn = []
    monkeypatch.setattr(drawing, "_draw_label", lambda draw, place, text, font, color: drawn.append((place, text)))
    draw_detections(Image.new("RGB", size, GRAY), detections, NAMES.get)
    return drawn[::-1]


def test_the_image_itself_stays_as_it_was():
    image = Image.new("L", (80, 60), 127)
    picture = draw_detections(image, found([0.1, 0.1, 0.9, 0.9]), NAMES.get)
    assert image.getcolors() == [(80 * 60, 127)]
    assert (picture.mode, picture.size) == ("RGB", image.size)
    assert draw_detections(picture, found(), NAMES.get).tobytes() == picture.tobytes()


@pytest.mark.parametrize("size", [(64, 48), (500, 375), (3000, 2000)])
def test_the_outline_is_where_the_box_is(size):
    one = found([0.5, 0.25, 0.9, 0.75], classes=[3])  # yxyx
    picture = np.asarray(draw_detections(Image.new("RGB", size, GRAY), one, {3: "3"}.get))
    rows, columns = np.nonzero((picture == class_color(3)).all(-1)[size[1] // 2 :])
    width, height = size
    assert abs(columns.min() - 0.25 * width) <= 1
    assert abs(columns.max() + 1 - 0.75 * width) <= 1
    assert abs(rows.max() + 1 + height // 2 - 0.9 * height) <= 1
    assert tuple(picture[round(0.8 * height), width // 2]) == GRAY


@pytest.mark.parametrize("size", [(40, 400), (64, 48), (160, 160), (1200, 60), (3000, 2000)])
@pytest.mark.parametrize("box", [[0, 0, 1, 1], [0, 0.9, 0.1, 1], [0.95, 0.9, 1, 1], [0.95, 0, 1, 0.02], [0.5] * 4])
def test_labels_stay_inside_the_picture(monkeypatch, size, box):
    [((left, top, right, bottom), text)] = labels_drawn(monkeypatch, size, found(box, classes=[2]))
    assert left >= 0
    assert top >= 0
    assert right < size[0]
    assert bottom < size[1]
    assert text.startswith("ame")


def test_boxes_beyond_the_image_and_nan_are_drawn_at_its_edge():
    draw_detections(Image.new("RGB", (50, 50)), found([-1, -1, 2, 2], [np.nan] * 4, [0.9, 0.9, 0.1, 0.1]), NAMES.get)


def test_label_is_whole_where_it_fits_and_shortened_where_not(monkeypatch):
    def text(width):
        return labels_drawn(monkeypatch, (width, 100), found([0.2, 0.2, 0.8, 0.8], classes=[2]))[0][1]

    assert text(500) == "american_pit_bull_terrier 90%"
    assert text(40).endswith("…")


def test_labels_of_near_boxes_do_not_cover_each_other(monkeypatch):
    near = found([0.4, 0.3, 0.9, 0.7], [0.41, 0.3, 0.9, 0.7], [0.42, 0.3, 0.9, 0.72], [0.4, 0.31, 0.91, 0.7])
    places = [np.array(place) for place, _ in labels_drawn(monkeypatch, (500, 375), near)]
    for one, other in combinations(places, 2):
        assert (one[:2] > other[2:]).any() or (other[:2] > one[2:]).any()


def test_in_a_crowd_labels_are_small_and_hide_no_object(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        drawing, "_draw_label", lambda draw, place, text, font, color: drawn.append((place, font, color))
    )
    dice = np.random.default_rng(3)
    corner, sides = dice.uniform(0.02, 0.85, (45, 2)), dice.uniform(0.04, 0.14, (45, 2))
    crowd = found(*np.concatenate([corner, corner + sides], axis=1))
    draw_detections(Image.new("RGB", (800, 600), GRAY), crowd, NAMES.get)
    opaque = [place for place, _, color in drawn if color[3] == 255]
    for top, left, bottom, right in (crowd.boxes * [600, 800, 600, 800]).round():
        pixels = np.zeros((600, 800), bool)
        pixels[int(top) : int(bottom), int(left) : int(right)] = True
        for x0, y0, x1, y1 in opaque:
            assert pixels[y0 : y1 + 1, x0 : x1 + 1].sum() <= 0.2 * pixels.sum()
    assert 0 < len(opaque) < len(drawn)
    assert 10 <= drawn[0][1].size < drawing._text_size(Image.new("L", (800, 600)))


def test_the_surest_box_lies_on_top():
    box = [0.5, 0.5, 0.9, 0.9]
    picture = draw_detections(Image.new("RGB", (400, 400)), found(box, box, classes=[1, 2]), NAMES.get)
    assert picture.getpixel((200, 300)) == class_color(1)


def test_text_grows_with_the_picture(monkeypatch):
    def height(side):
        [((_, top, _, bottom), _)] = labels_drawn(monkeypatch, (side, side), found([0.3, 0.3, 0.8, 0.8]))
        return bottom - top

    assert height(3000) > 4 * height(500) > 8 * 4


def test_pet_colors_differ():
    colors = np.array([class_color(number) for number in range(1, 38)], float)
    distances = np.linalg.norm(colors[:, None] - colors[None], axis=-1)
    assert distances[~np.eye(37, dtype=bool)].min() > 25
    assert distances[np.arange(36), np.arange(1, 37)].min() > 120


def outline_rows(picture, class_id):
    """Rows at which the column of a box's left side has the class's color."""
    return np.nonzero((np.asarray(picture) == class_color(class_id)).all(-1)[:, 100])[0]


def test_marked_groundtruth_is_dashed_and_says_why(monkeypatch):
    drawn = []
    monkeypatch.setattr(drawing, "_draw_label", lambda draw, place, text, font, color: drawn.append(text))
    image, box = Image.new("RGB", (400, 400), GRAY), [0.25, 0.25, 0.75, 0.9]
    plain = outline_rows(draw_groundtruth(image, [box], [3], ["pug"]), 3)
    marked = outline_rows(draw_groundtruth(image, [box], [3], ["pug"], ["crowd"]), 3)
    assert drawn == ["pug", "pug (crowd)"]
    assert (plain.min(), plain.max()) == (marked.min(), 299) == (100, 299)
    assert len(plain) == 200
    assert 80 <= len(marked) <= 120


def test_small_groundtruth_lies_on_top_of_large():
    boxes = [[0.5, 0.5, 0.6, 0.6], [0.0, 0.5, 1.0, 1.0]]  # share a piece of their left sides
    picture = draw_groundtruth(Image.new("RGB", (400, 400), GRAY), boxes, [1, 2], ["", ""])
    assert picture.getpixel((200, 220)) == class_color(1)
    assert picture.getpixel((200, 350)) == class_color(2)


@pytest.mark.parametrize("name", ["two\nlines", "\x00\udc80", "", "n" * 100_000, "犬 🐶"])
def test_any_name_can_be_drawn(name):
    draw_groundtruth(Image.new("RGB", (90, 60)), [[0, 0, 1, 1], [np.nan, -np.inf, np.inf, 2]], [1, -1], [name, name])


def test_a_thousand_boxes_are_drawn_with_few_labels(monkeypatch):
    drawn = []
    monkeypatch.setattr(drawing, "_draw_label", lambda draw, place, text, font, color: drawn.append(text))
    boxes = [[0.0, 0.0, (number + 1) / 1000, 1.0] for number in range(1000)]
    draw_groundtruth(Image.new("RGB", (1000, 1000)), boxes, [1] * 1000, [str(number) for number in range(1000)])
    assert sorted(map(int, drawn)) == list(range(940, 1000))


@pytest.mark.parametrize("text", ["", "pug", "a long caption of many short words " * 3, "w" * 300])
@pytest.mark.parametrize("size", [(1, 1), (120, 90), (2000, 100)])
def test_a_caption_stands_below_the_picture_and_inside_its_width(text, size):
    sheet = np.asarray(add_caption(Image.new("RGB", size, GRAY), text))
    assert sheet.shape[1] == size[0]
    assert (sheet[: size[1]] == GRAY).all()
    strip = sheet[size[1] :]
    assert (strip[[0, -1]] == 255).all()
    if size[0] > 100:
        assert (strip[:, -1] == 255).all()
        assert (strip < 128).any() == bool(text)


def test_contact_sheet_keeps_order_and_shape():
    images = [
        Image.new("RGB", size, color) for size, color in [((200, 100), "red"), ((10, 40), "lime"), ((9, 9), "blue")]
    ]
    sheet = contact_sheet(images, columns=2, side=100, gap=10)
    assert sheet.size == (2 * 110 + 10, 2 * 110 + 10)
    assert sheet.getpixel((60, 60)) == (255, 0, 0)
    assert sheet.getpixel((60, 15)) == (255, 255, 255)  # the wide one leaves room above
    assert sheet.getpixel((170, 15)) == (0, 255, 0)
    assert sheet.getpixel((125, 60)) == (255, 255, 255)  # the narrow one leaves room beside
    assert sheet.getpixel((60, 170)) == (0, 0, 255)
    assert sheet.getpixel((170, 170)) == (255, 255, 255)
    assert contact_sheet(images[:1], columns=4, side=100, gap=10).size == (120, 120)
    with pytest.raises(ValueError, match="0 images"):
        contact_sheet([], columns=2)


def test_labels_name_the_track_of_a_box_that_has_one(monkeypatch):
    tracked = replace(found([0.1, 0.1, 0.3, 0.3], [0.6, 0.6, 0.9, 0.9], classes=[3, 3]), track_ids=np.array([7, 0]))
    assert [text for _, text in labels_drawn(monkeypatch, (640, 480), tracked)] == ["#7 pug 90%", "pug 50%"]
