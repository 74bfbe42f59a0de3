import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from odtk.annotations.annotated_image import UnusableImage
from odtk.annotations.conventions import Conventions
from odtk.annotations.dataset import ImageAnnotation, MarkedObject
from odtk.annotations.frames import Rules
from odtk.annotations.to_record import examine, locate, prepare, see

WIDTH, HEIGHT = 80, 60
BOX = (10, 20, 30, 60)  # yxyx, pixels of the upright image; white on black
IDS = {"cat": 1, "dog": 2}

# EXIF orientation to what, done to the upright image, gives the one that is stored (the inverse of showing it).
STORED = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0),
    6: lambda pixels: pixels[:, ::-1].transpose(1, 0),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0),
    8: lambda pixels: pixels[::-1].transpose(1, 0),
}


def _upright():
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[BOX[0] : BOX[2], BOX[1] : BOX[3]] = 255
    return pixels


def _bounds(pixels):
    rows, columns = (pixels > 128).any(axis=1).nonzero()[0], (pixels > 128).any(axis=0).nonzero()[0]
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _save(path, pixels, orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB").save(path, exif=exif, quality=95)


def _annotation(path, objects=(), **fields):
    return ImageAnnotation(str(path), path.name, tuple(objects), annotation_path="a.xml", **fields)


def _examine(annotation, rules=None):
    return examine(annotation, see(annotation), rules)


def _shown_box(prepared):
    """The box in pixels of what TensorFlow will decode, and where the white is in there."""
    image = Image.open(io.BytesIO(prepared.image.encoded))
    assert image.size == (prepared.image.width, prepared.image.height)
    (entry,) = prepared.image.objects
    box = np.array(entry.box) * [image.height, image.width, image.height, image.width]
    return box.tolist(), _bounds(np.asarray(image.convert("L")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("exif", ["auto", "apply"])
def test_boxes_of_the_upright_image_are_where_the_thing_is(tmp_path, orientation, exif):
    path = tmp_path / "x.jpg"
    _save(path, STORED[orientation](_upright()), orientation)
    annotation = _annotation(path, [MarkedObject("cat", BOX)], stated_size=(WIDTH, HEIGHT))
    prepared = prepare(annotation, IDS, Rules(exif=exif))
    box, white = _shown_box(prepared)
    assert box == pytest.approx(BOX)
    assert white == BOX
    assert len(prepared.repaired) == (orientation != 1)
    # What turns no side and no aspect is as it is in the size, too: nothing tells how it was annotated.
    is_said = exif == "auto" and orientation in (2, 3, 4)
    assert [problem.kind for problem in prepared.problems] == ["EXIF orientation is ambiguous"] * is_said
    if orientation == 1:
        assert prepared.image.encoded == path.read_bytes()


@pytest.mark.parametrize("orientation", range(5, 9))
@pytest.mark.parametrize("exif", ["auto", "ignore"])
def test_boxes_of_the_stored_image_are_where_the_thing_is(tmp_path, orientation, exif):
    path = tmp_path / "x.jpg"
    stored = STORED[orientation](_upright())
    _save(path, stored, orientation)
    annotation = _annotation(path, [MarkedObject("cat", _bounds(stored))], stated_size=(HEIGHT, WIDTH))
    prepared = prepare(annotation, IDS, Rules(exif=exif))
    box, white = _shown_box(prepared)
    assert box == pytest.approx(white)
    assert prepared.image.encoded == path.read_bytes()
    assert [problem.kind for problem in prepared.problems] == ["EXIF orientation not applied"] * (exif == "auto")


def test_without_a_stated_size_the_orientation_is_applied(tmp_path):
    path = tmp_path / "x.jpg"
    _save(path, STORED[6](_upright()), 6)
    normalized = tuple(side / scale for side, scale in zip(BOX, (HEIGHT, WIDTH) * 2, strict=True))
    prepared = prepare(_annotation(path, [MarkedObject("cat", normalized)], normalized=True), IDS)
    box, white = _shown_box(prepared)
    assert box == pytest.approx(BOX)
    assert white == BOX


@pytest.mark.parametrize(
    ("exif", "stated", "advice"),
    [("ignore", (WIDTH, HEIGHT), "exif: auto"), ("apply", (HEIGHT, WIDTH), "exif: auto")],
)
def test_a_choice_that_contradicts_the_annotation_is_reported(tmp_path, exif, stated, advice):
    path = tmp_path / "x.jpg"
    _save(path, STORED[6](_upright()), 6)
    (problem,) = _examine(_annotation(path, stated_size=stated, size_line=7), Rules(exif=exif)).problems
    assert (problem.kind, problem.file, problem.line) == ("size disagrees with the image", "a.xml", 7)
    assert advice in problem.text


def test_without_a_box_a_size_does_not_matter_and_is_reported(tmp_path):
    path = tmp_path / "x.jpg"
    _save(path, _upright())
    for stated in ((HEIGHT, WIDTH), (WIDTH, 2 * HEIGHT)):
        (problem,) = _examine(_annotation(path, stated_size=stated)).problems
        assert "no box for which this matters" in problem.text


def test_normalized_boxes_where_pixels_are_expected_are_refused(tmp_path):
    """They would all become specks in the corner."""
    path = tmp_path / "x.jpg"
    _save(path, _upright())
    entry = MarkedObject("cat", (0.1, 0.25, 0.5, 1.0), line=3)
    annotation = ImageAnnotation(str(path), "x.jpg", (entry,), annotation_path="a.csv")
    with pytest.raises(UnusableImage, match=r"a\.csv:3: its boxes are normalized \(0 to 1\)"):
        _examine(annotation)
    assert _examine(replace(annotation, normalized=True)).class_names == ("cat",)


def test_boxes_of_a_larger_copy_are_scaled(tmp_path):
    path = tmp_path / "x.jpg"
    _save(path, _upright())
    marked = MarkedObject("cat", tuple(3 * side for side in BOX), area=900.0)
    annotation = _annotation(path, [marked], stated_size=(3 * WIDTH, 3 * HEIGHT))
    prepared = prepare(annotation, IDS)
    assert _shown_box(prepared)[0] == pytest.approx(BOX)
    assert prepared.image.objects[0].area == pytest.approx(100)
    assert [problem.kind for problem in prepared.problems] == ["size disagrees with the image"]


def test_an_area_of_unknown_unit_is_none(tmp_path):
    """COCO has it in pixels; evaluation makes it from the box where there is none."""
    path = tmp_path / "x.jpg"
    _save(path, _upright())
    normalized = tuple(side / scale for side, scale in zip(BOX, (HEIGHT, WIDTH) * 2, strict=True))
    annotation = _annotation(path, [MarkedObject("cat", normalized, area=0.17)])
    (entry,) = prepare(annotation, IDS, Rules(conventions=Conventions(normalized=True))).image.objects
    assert (entry.box, entry.area) == (pytest.approx(normalized), None)


@pytest.mark.parametrize("stated", [(WIDTH + 1, HEIGHT), (0, 0), (-80, 60)])
def test_boxes_are_pixels_of_the_image_where_the_stated_size_is_nonsense(tmp_path, stated):
    path = tmp_path / "x.jpg"
    _save(path, _upright())
    assert _shown_box(prepare(_annotation(path, [MarkedObject("cat", BOX)], stated_size=stated), IDS))[0] == (
        pytest.approx(BOX, rel=0.02)
    )


@pytest.mark.parametrize(
    ("stated", "box", "kept"),
    [
        ((WIDTH, 2 * HEIGHT), (20, 20, 60, 60), None),  # it fits both
        ((WIDTH, 2 * HEIGHT), (20, 20, 100, 60), (10, 20, 50, 60)),
        ((2 * WIDTH, HEIGHT), (10, 20, 30, 150), (10, 10, 30, 75)),
        ((40, 40), (10, 20, 55, 60), (10, 20, 55, 60)),  # it fits the image alone
        ((WIDTH // 2, HEIGHT // 2), (10, 20, 55, 60), (10, 20, 55, 60)),
        ((WIDTH // 2, HEIGHT // 2), (5, 10, 15, 30), BOX),
        ((HEIGHT, WIDTH), (10, 20, 30, 75), (10, 20, 30, 75)),  # width and height are exchanged
        ((HEIGHT, WIDTH), (10, 20, 30, 40), None),
        ((HEIGHT, WIDTH), (10, 20, 75, 40), None),  # it was turned since, and who knows how
    ],
)
def test_of_two_sizes_the_one_counts_that_the_boxes_fit(tmp_path, stated, box, kept):
    path = tmp_path / "x.jpg"
    _save(path, _upright())
    annotation = _annotation(path, [MarkedObject("cat", box)], stated_size=stated, size_line=3)
    if kept is None:
        with pytest.raises(UnusableImage, match=r"a\.xml:3: the annotation says .*, the image x.jpg is 80x60"):
            prepare(annotation, IDS)
        return
    prepared = prepare(annotation, IDS)
    assert _shown_box(prepared)[0] == pytest.approx(kept)
    assert [problem.kind for problem in prepared.problems] == ["size disagrees with the image"]


@pytest.mark.parametrize(
    ("box", "kind", "kept"),
    [
        ((0, 0, HEIGHT, WIDTH), None, (0, 0, 1, 1)),
        ((-6, -8, HEIGHT / 2, WIDTH / 2), "box outside the image", (0, 0, 0.5, 0.5)),
        ((30, 40, 600, 800), "box outside the image", (0.5, 0.5, 1, 1)),
        ((10, 10, 20, float("inf")), "box outside the image", (1 / 6, 1 / 8, 1 / 3, 1)),
    ],
)
def test_boxes_that_reach_outside_are_clipped_and_reported(tmp_path, box, kind, kept):
    path = tmp_path / "x.jpg"
    _save(path, _upright())
    annotation = _annotation(path, [MarkedObject("cat", box, line=9), MarkedObject("dog", BOX)])
    prepared = prepare(annotation, IDS)
    examined = _examine(annotation)
    assert [(problem.kind, problem.line) for problem in prepared.problems] == ([(kind, 9)] if kind else [])
    assert examined.problems == prepared.problems
    assert prepared.image.objects[0].box == pytest.approx(kept)
    assert examined.class_names == tuple(entry.class_name for entry in prepared.image.objects) == ("cat", "dog")


@pytest.mark.parametrize("box", [(30, 20, 10, 60), (10, 60, 30, 20), (30, 60, 10, 20)], ids=["y", "x", "both"])
def test_exchanged_corners_are_put_in_order_and_said(tmp_path, box):
    path = tmp_path / "x.jpg"
    _save(path, _upright())
    annotation = _annotation(path, [MarkedObject("cat", box, line=9)])
    prepared = prepare(annotation, IDS)
    assert _shown_box(prepared) == (pytest.approx(BOX), BOX)
    assert [(problem.kind, problem.line) for problem in prepared.repaired] == [("inverted box", 9)]
    assert _examine(annotation).repaired == locate(annotation, see(annotation)).exchanged == prepared.repaired


@pytest.mark.parametrize(
    ("box", "kind"),
    [
        ((-20, 0, -10, 20), "box outside the image"),
        ((10, 90, 20, 100), "box outside the image"),
        ((10, 10, 10, 20), "empty box"),
        ((10, float("nan"), 20, 20), "empty box"),
        ((20, 10, 10, 10), "inverted box"),
        ((200, 10, 10, 20), "inverted box"),
    ],
)
def test_a_box_that_cannot_be_meant_leaves_its_image_out(tmp_path, box, kind):
    """Without the object, the image would teach that there is none."""
    path = tmp_path / "x.jpg"
    _save(path, _upright())
    annotation = _annotation(path, [MarkedObject("cat", box, line=9), MarkedObject("dog", BOX)])
    with pytest.raises(UnusableImage, match=r"a\.xml:9: cat at xmin") as raised:
        _examine(annotation)
    assert (raised.value.problem.kind, raised.value.is_bad) == (kind, True)
    hidden = replace(annotation, objects=(replace(annotation.objects[0], difficult=True), annotation.objects[1]))
    assert _examine(hidden, Rules(skip_difficult=True)).class_names == ("dog",)


def test_rounding_of_normalized_boxes_is_no_problem(tmp_path):
    path = tmp_path / "x.jpg"
    _save(path, _upright())
    annotation = _annotation(path, [MarkedObject("cat", (-5e-7, 0, 1.0000005, 1))], normalized=True)
    prepared = prepare(annotation, IDS)
    assert prepared.problems == ()
    assert prepared.image.objects[0].box == (0, 0, 1, 1)


def test_difficult_and_crowd_objects_are_left_out_where_asked(tmp_path):
    path = tmp_path / "x.jpg"
    _save(path, _upright())
    objects = [
        MarkedObject("cat", BOX),
        MarkedObject("cat", BOX, difficult=True),
        MarkedObject("dog", BOX, is_crowd=True),
    ]
    annotation = _annotation(path, objects)
    for rules, left in ((Rules(), 3), (Rules(skip_difficult=True), 2), (Rules(skip_crowd=True), 2)):
        examined = _examine(annotation, rules)
        assert len(prepare(annotation, IDS, rules).image.objects) == len(examined.class_names) == left
        assert examined.left_out_objects == 3 - left
    crowd = prepare(annotation, IDS).image.objects[2]
    assert (crowd.is_crowd, crowd.class_id) == (True, 2)


def test_what_was_examined_is_not_decoded_again(tmp_path, monkeypatch):
    path = tmp_path / "x.jpg"
    _save(path, _upright())
    annotation = _annotation(path, [MarkedObject("cat", BOX)])
    seen, whole = see(annotation), prepare(annotation, IDS)
    monkeypatch.setattr("PIL.Image.open", None)
    assert prepare(annotation, IDS, seen=seen) == whole
    assert examine(annotation, seen).class_names == ("cat",)
    assert locate(annotation, seen).objects == ((annotation.objects[0], whole.image.objects[0].box),)


def test_a_missing_image_is_explained(tmp_path):
    with pytest.raises(UnusableImage, match=r"^a\.xml: its image .*gone\.jpg cannot be opened"):
        _examine(_annotation(tmp_path / "gone.jpg"))


NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=32) | st.integers(-200, 200)


@settings(max_examples=200)
@given(
    box=st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    stated=st.none() | st.tuples(st.integers(0, 200), st.integers(0, 200)),
    normalized=st.booleans(),
    exif=st.sampled_from(["auto", "apply", "ignore"]),
    orientation=st.integers(1, 8),
)
def test_whatever_the_numbers_boxes_are_valid(box, stated, normalized, exif, orientation):
    from odtk.annotations.image_files import ImageInfo

    seen = ImageInfo(WIDTH, HEIGHT, "JPEG", orientation, "jpeg")
    annotation = ImageAnnotation("x.jpg", "x.jpg", (MarkedObject("cat", box),), normalized, stated)
    try:
        located = locate(annotation, seen, Rules(exif=exif))
    except UnusableImage:
        return
    assert {located.width, located.height} == {WIDTH, HEIGHT}
    ((_, (ymin, xmin, ymax, xmax)),) = located.objects
    assert 0 <= ymin < ymax <= 1
    assert 0 <= xmin < xmax <= 1
