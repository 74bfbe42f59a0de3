"""Pictures of what a detector got wrong: boxes in the color of their error, groundtruth beside detections, crops."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree
from PIL import Image

from odtk.report.drawing import draw_boxes
from odtk.report.html import element
from odtk.report.pictures import SIDE, Yxyx, fit, surroundings

CORRECT, IGNORED, MISSED = "correct", "ignored", "missed"

COLORS: Mapping[str, tuple[int, int, int]] = {
    CORRECT: (44, 178, 78),
    "classification": (226, 62, 190),
    "localization": (245, 140, 0),
    "both": (150, 95, 245),
    "duplicate": (30, 165, 225),
    "background": (226, 45, 45),
    MISSED: (255, 212, 0),
    IGNORED: (150, 155, 162),
}
"""The color of each kind of box; the errors are TIDE's."""

MEANINGS: Mapping[str, str] = {
    CORRECT: "right class, right place",
    "classification": "right place, wrong class",
    "localization": "right class, box too far off",
    "both": "wrong class, and box too far off",
    "duplicate": "an object that a surer detection has",
    "background": "no object there",
    MISSED: "an object without any detection",
    IGNORED: "neither right nor wrong",
}
"""Of each kind, for the legend."""


@dataclass(frozen=True)
class MarkedBox:
    """A box of groundtruth or of a detection, and what is wrong with it."""

    box: Yxyx  # normalized
    label: str  # "cat 87%"
    kind: str = CORRECT


def draw_marked(image: Image.Image, boxes: Sequence[MarkedBox], side: int = SIDE) -> Image.Image:
    """The whole picture, scaled down, with each box in the color of its kind; errors are dashed and named."""
    return _draw(fit(image, side), [each.box for each in boxes], boxes)


def draw_marked_crop(
    image: Image.Image, focus: Sequence[MarkedBox], others: Sequence[MarkedBox] = (), side: int = SIDE // 2
) -> Image.Image:
    """The part of the picture around the boxes in `focus`, with these and `others` drawn."""
    shown = [*others, *focus]
    part, moved = surroundings(image, [each.box for each in focus], [each.box for each in shown], side)
    visible = [index for index, box in enumerate(moved) if _is_visible(box)]
    return _draw(part, [moved[index] for index in visible], [shown[index] for index in visible])


def _is_visible(box: Yxyx) -> bool:
    return box[0] < 1 and box[1] < 1 and box[2] > 0 and box[3] > 0


def _draw(picture: Image.Image, places: Sequence[Yxyx], boxes: Sequence[MarkedBox]) -> Image.Image:
    return draw_boxes(
        picture,
        places,
        [COLORS[each.kind] for each in boxes],
        [each.label for each in boxes],
        ["" if each.kind == CORRECT else each.kind for each in boxes],
    )


def legend(kinds: Iterable[str]) -> etree._Element:
    """A list of the colors with what each means."""
    entries = []
    for kind in kinds:
        square = element("span", class_="swatch", style="background: rgb({}, {}, {})".format(*COLORS[kind]))
        entries.append(element("li", square, element("strong", kind), f" {MEANINGS[kind]}"))
    return element("ul", *entries, class_="legend")
