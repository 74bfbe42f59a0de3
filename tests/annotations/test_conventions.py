"""What data sets prove, without a pixel: annotations and sizes are all it takes."""

import random
from dataclasses import replace

import pytest

from odtk.annotations.annotated_image import UnusableImage
from odtk.annotations.conventions import Conventions, Evidence
from odtk.annotations.dataset import ORDERS, OUTLINE, ImageAnnotation, MarkedObject
from odtk.annotations.frames import Rules
from odtk.annotations.image_facts import facts_of
from odtk.annotations.image_files import ImageInfo
from odtk.annotations.to_record import locate

WIDTH, HEIGHT = 200, 150

# From corners to the numbers of each order.
NUMBERS = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "xywh": lambda x1, y1, x2, y2: (x1, y1, x2 - x1, y2 - y1),
    "cxcywh": lambda x1, y1, x2, y2: ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
    "yxyx": lambda x1, y1, x2, y2: (y1, x1, y2, x2),
}


def _corners(count=20, seed=0, size=(WIDTH, HEIGHT)):
    """Boxes x1, y1, x2, y2 all over an image, of a quarter to half of its sides."""
    dice, boxes = random.Random(seed), []
    for _ in range(count):
        width, height = (round(side * dice.uniform(0.25, 0.5)) for side in size)
        x, y = dice.randint(0, size[0] - width), dice.randint(0, size[1] - height)
        boxes.append((x, y, x + width, y + height))
    return boxes


def _marked(numbers, written="xyxy"):
    """The object that a reader makes of the numbers, who takes them for `written`."""
    return MarkedObject("cat", tuple(ORDERS[written](*numbers)), written=written)


def _image(objects, seen=None, **fields):
    annotation = ImageAnnotation("x.jpg", "x.jpg", tuple(objects), annotation_path="x.xml", **fields)
    return annotation, seen or ImageInfo(WIDTH, HEIGHT, "JPEG", record_format="jpeg")


def _set(boxes, **fields):
    """An image for each two boxes (x1, y1, x2, y2, in pixels)."""
    return [_image(map(_marked, boxes[at : at + 2]), **fields) for at in range(0, len(boxes), 2)]


def _evidence(images, **choices):
    evidence = Evidence()
    for annotation, seen in images:
        evidence.add(facts_of(annotation, seen, **choices))
    return evidence


def _boxes(images, rules=None):
    """The boxes of all images that stay, in pixels of the record: x1, y1, x2, y2."""
    rules = replace(rules or Rules(), conventions=_evidence(images).decide())
    found = []
    for annotation, seen in images:
        try:
            located = locate(annotation, seen, rules)
        except UnusableImage:
            continue
        for _, (ymin, xmin, ymax, xmax) in located.objects:
            found.append((xmin * located.width, ymin * located.height, xmax * located.width, ymax * located.height))
    return found


def _approx(boxes):
    return [pytest.approx(box) for box in boxes]


def test_a_plain_data_set_proves_nothing_that_its_images_do_not():
    evidence = _evidence(_set(_corners(), stated_size=(WIDTH, HEIGHT)))
    assert evidence.decide() == Conventions()
    assert evidence.refusal("data") is None
    assert evidence.problems("data") == []
    assert Evidence().refusal("data") is None


@pytest.mark.parametrize("true", ORDERS)
@pytest.mark.parametrize("read", ORDERS)
@pytest.mark.parametrize("normalised", [False, True])
def test_another_order_of_the_numbers_is_named(read, true, normalised):
    scale = ((HEIGHT, WIDTH) if true == "yxyx" else (WIDTH, HEIGHT)) * 2 if normalised else (1,) * 4
    objects = [
        _marked([side / by for side, by in zip(NUMBERS[true](*box), scale, strict=True)], read) for box in _corners(40)
    ]
    images = [_image(objects[at : at + 2], normalised=normalised) for at in range(0, 40, 2)]
    refusal = _evidence(images).refusal("data")
    if read == true or (normalised and {read, true} == {"xyxy", "yxyx"}):  # which fit both
        assert refusal is None
        return
    if normalised and true == "yxyx":  # to be told from xyxy by whoever looks at the pictures
        true = "xyxy"
    assert refusal.startswith("data: ")
    assert "of 40 boxes are inverted or extend beyond their images" in refusal
    assert f"(boxes: {true})" in refusal
    assert not any(f"(boxes: {other})" in refusal for other in {*ORDERS} - {read, true})
    assert refusal.endswith(f"set boxes to {read}.")
    if not normalised:
        assert _boxes(images, Rules(boxes=true)) == _approx(_corners(40))


def test_outlines_are_read_in_no_other_order():
    outline = MarkedObject("cat", (10, 20, 40, 60), written=OUTLINE)
    assert outline.corners("cxcywh") == outline.box
    assert _evidence([_image([outline] * 8)]).refusal("data") is None


@pytest.mark.parametrize("order", ORDERS)
def test_numbers_survive_the_way_to_corners_and_back(order):
    for box in _corners():
        numbers = NUMBERS[order](*box)
        assert _marked(numbers, order).numbers == pytest.approx(numbers)


def test_slips_and_exchanged_corners_are_no_other_order():
    boxes = _corners(40)
    sloppy = [(x1 - 2, y1 - 2, x2 + 2, y2 + 2) for x1, y1, x2, y2 in boxes]
    assert _evidence(_set(sloppy)).refusal("data") is None
    exchanged = [(x2, y2, x1, y1) if at % 2 else (x1, y1, x2, y2) for at, (x1, y1, x2, y2) in enumerate(boxes)]
    assert _evidence(_set(exchanged)).refusal("data") is None
    assert _boxes(_set(exchanged)) == _approx(boxes)
    assert _boxes(_set([(x2, y2, x1, y1) for x1, y1, x2, y2 in boxes])) == _approx(boxes)


def test_boxes_of_other_images_are_an_error_too():
    refusal = _evidence(_set(_corners(size=(900, 700)))).refusal("data")
    assert "no other order of their numbers makes them fit" in refusal
    few = _set([*_corners(38), (500, 400, 600, 500), (600, 300, 700, 400)])
    assert _evidence(few).refusal("data") is None  # single images, to be left out


def test_normalised_corners_are_taken_where_pixels_are_expected():
    boxes = [(0, 0, WIDTH, HEIGHT), *_corners(19)]
    parts = [(x1 / WIDTH, y1 / HEIGHT, x2 / WIDTH, y2 / HEIGHT) for x1, y1, x2, y2 in boxes]
    images = _set(parts, stated_size=(400, 400))  # of no interest then
    evidence = _evidence(images)
    assert evidence.decide().normalised
    assert [str(problem) for problem in evidence.problems("data")] == [
        "data: 20 of 20 boxes are within 0 to 1, so they are read as normalised by width and height, not as pixels."
    ]
    assert _boxes(images) == _approx(boxes)


def test_of_two_kinds_the_rarer_one_is_left_out():
    parts = [(x1 / WIDTH, y1 / HEIGHT, x2 / WIDTH, y2 / HEIGHT) for x1, y1, x2, y2 in _corners(60)]
    assert len(_boxes(_set([*parts, *_corners(2)]))) == 60
    assert len(_boxes(_set([*parts[:2], *_corners(60)]))) == 60
    assert len(_boxes(_set([(0, 0, 1, 1)] * 20))) == 20  # specks, but pixels for all that anyone knows


@pytest.mark.parametrize("size", [(800, 600), (200, 150), (160, 120)])
def test_percents_are_an_error(size):
    percents = [tuple(round(100 * side / by, 1) for side, by in zip(box, size * 2, strict=True))
                for box in _corners(40, size=size)]  # fmt: skip
    large = ImageInfo(*size, "JPEG", record_format="jpeg")
    refusal = _evidence(_set(percents, seen=large)).refusal("data")
    assert "so they seem to be percentages" in refusal
    assert _evidence(_set(_corners(40, size=(99, 99)), seen=ImageInfo(100, 100, "JPEG"))).refusal("data") is None
    centred = [(x1 + 20, y1 + 20, x2 + 20, y2 + 20) for x1, y1, x2, y2 in _corners(40, size=(75, 75))]
    assert _evidence(_set(centred, seen=ImageInfo(120, 120, "JPEG"))).refusal("data") is None


@pytest.mark.parametrize(
    ("stated", "size"),
    [((400, 300), (160, 160)), ((400, 300), (200, 150)), ((100, 75), (200, 200)), ((100, 75), (200, 150))],
)
def test_boxes_of_a_copy_of_another_size_are_scaled_by_side(stated, size):
    """Where a copy is larger the boxes fit both sizes, but not so many by chance."""
    seen, boxes = ImageInfo(*size, "JPEG", record_format="jpeg"), _corners(size=stated)
    small = [(2, 2, 20, 20), (3, 3, 30, 30)]  # fit both: the others tell
    images = _set([*boxes, *small], stated_size=stated, seen=seen)
    x, y = size[0] / stated[0], size[1] / stated[1]
    assert _boxes(images) == _approx([(x1 * x, y1 * y, x2 * x, y2 * y) for x1, y1, x2, y2 in [*boxes, *small]])


def test_outlines_tell_of_sizes_too():
    boxes = _corners(size=(400, 300))
    outlines = [MarkedObject("cat", (y1, x1, y2, x2), written=OUTLINE) for x1, y1, x2, y2 in boxes]
    images = [_image([one], ImageInfo(160, 160, "JPEG"), stated_size=(400, 300)) for one in outlines]
    assert _boxes(images) == _approx([(x1 * 0.4, y1 * 160 / 300, x2 * 0.4, y2 * 160 / 300) for x1, y1, x2, y2 in boxes])


@pytest.mark.parametrize("stated", [(300, 300), (640, 480), (150, 200), (400, 300), (100, 75)])
def test_a_stated_size_that_all_boxes_deny_does_not_count(stated):
    """A template's size, width and height exchanged, or the size of nothing."""
    boxes = [*_corners(), (2, 2, 20, 20), (3, 3, 30, 30)]
    assert _boxes(_set(boxes, stated_size=stated)) == _approx(boxes)


def test_where_the_set_tells_nothing_images_of_another_aspect_are_left_out():
    odd = _image([_marked((10, 10, 60, 60))], stated_size=(300, 300))
    assert _boxes([odd, *_set(_corners(), stated_size=(WIDTH, HEIGHT))]) == _approx(_corners())


def test_images_of_two_origins_count_each_for_itself():
    fits_stated = _set(_corners(seed=1, size=(400, 300)), stated_size=(400, 300), seen=ImageInfo(160, 160, "JPEG"))
    fits_image = _set(_corners(seed=2), stated_size=(120, 100))
    evidence = _evidence([*fits_stated, *fits_image])
    assert evidence.decide().resized == ""
    assert len(_boxes([*fits_stated, *fits_image])) >= 30


def _turned(orientation, stated=None, boxes=None, size=(WIDTH, HEIGHT)):
    return _image(
        [_marked(box) for box in boxes or [(20, 30, 50, 70)]],
        ImageInfo(*size, "JPEG", orientation, "jpeg"),
        stated_size=stated,
    )


STORED, UPRIGHT = (WIDTH, HEIGHT), (HEIGHT, WIDTH)


@pytest.mark.parametrize("unsure", [_turned(3, STORED), _turned(6), _turned(6, (100, 100), size=(100, 100))])
@pytest.mark.parametrize(
    ("siblings", "turned", "kinds"),
    [
        ([_turned(6, STORED)], False, ["EXIF orientation not applied"]),
        ([_turned(8, boxes=[(160, 30, 190, 70)])], False, ["EXIF orientation not applied"]),
        ([_turned(6, UPRIGHT)], True, []),
        ([_turned(6, boxes=[(20, 160, 50, 190)])], True, []),
        ([_turned(6, UPRIGHT), _turned(6, STORED)], True, ["EXIF orientation is ambiguous"]),
        ([_turned(6, UPRIGHT), *[_turned(6, STORED)] * 11], False, ["EXIF orientation not applied"]),
        ([_turned(1, STORED)], True, ["EXIF orientation is ambiguous"]),
    ],
)
def test_siblings_decide_where_the_image_does_not(unsure, siblings, turned, kinds):
    conventions = _evidence([unsure, *siblings]).decide()
    annotation, seen = unsure
    located = locate(annotation, seen, Rules(conventions=conventions))
    assert located.turned == turned
    assert [problem.kind for problem in located.problems] == kinds
    assert not locate(annotation, seen, Rules("ignore", conventions=conventions)).turned
    forced = locate(annotation, seen, Rules("apply", conventions=conventions))
    assert (forced.turned, [problem.kind for problem in forced.problems if "EXIF" in problem.kind]) == (True, [])


def test_the_order_of_the_images_does_not_matter():
    images = [
        *_set(_corners(size=(400, 300)), stated_size=(400, 300)), _turned(6, STORED), _turned(3),
        _image([_marked((1, 2, 30, 40))], ImageInfo(WIDTH, HEIGHT, "16-bit PNG", bits=12)),
    ]  # fmt: skip
    found = [_evidence(random.Random(seed).sample(images, len(images))) for seed in range(5)]
    assert {each.decide() for each in found} == {Conventions(exif="stored", resized="stated", bits=12)}
    assert len({each.refusal("data") for each in found}) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("written", ORDERS)
def test_numbers_as_large_as_any_float_misfit_without_a_warning(written):
    huge = MarkedObject("cat", (-1.7e308, -1.7e308, 1.7e308, 1.7e308), written=written)
    evidence = _evidence([_image([huge])] * 4)
    assert "4 of 4 boxes extend beyond" in evidence.refusal("folder")
