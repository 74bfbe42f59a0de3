"""Pictures of what a detector got wrong: boxes in the color of their error, groundtruth beside detections, crops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lxml import etree
from PIL import Image

from odtk.report.drawing import draw_boxes
from odtk.report.html import element
from odtk.report.pictures import SIDE, Yxyx, fit, surroundings

CORRECT, IGNORED, MISSED = "correct", "ignored", "missed"
GROUNDTRUTH, DETECTED = "groundtruth", "detected"
_DASHED = (GROUNDTRUTH, IGNORED)
_LINE_WIDTH = 2  # pixels: a color must be seen in a small picture

COLORS: Mapping[str, tuple[int, int, int]] = {
    CORRECT: (44, 178, 78),
    "classification": (226, 62, 190),
    "localization": (245, 140, 0),
    "both": (150, 95, 245),
    "duplicate": (30, 165, 225),
    "background": (226, 45, 45),
    MISSED: (255, 212, 0),
    IGNORED: (150, 155, 162),
    GROUNDTRUTH: (255, 255, 255),
    DETECTED: (0, 200, 255),
}
"""The color of each kind of box: the errors are TIDE's, the last two are boxes side by side, without a verdict."""


@dataclass(frozen=True)
class MarkedBox:
    """A box of groundtruth or of a detection, and what is wrong with it."""

    box: Yxyx  # normalized
    label: str  # "cat 87%"
    kind: str = CORRECT


def draw_marked(image: Image.Image, boxes: Sequence[MarkedBox], side: int = SIDE) -> Image.Image:
    """The whole picture, scaled down, with each box in the color of its kind, labeled with name and error."""
    labels = [each.label if each.kind in (CORRECT, *_DASHED) else f"{each.label} ({each.kind})" for each in boxes]
    return _draw(fit(image, side), [each.box for each in boxes], boxes, labels)


def draw_marked_crop(image: Image.Image, boxes: Sequence[MarkedBox], side: int = SIDE // 2) -> Image.Image:
    """The part of the picture around the boxes, each in the color of its kind; labels do not say the error."""
    part, moved = surroundings(image, [each.box for each in boxes], side)
    return _draw(part, moved, boxes, [each.label for each in boxes])


def _draw(
    picture: Image.Image, places: Sequence[Yxyx], boxes: Sequence[MarkedBox], labels: Sequence[str]
) -> Image.Image:
    colors = [COLORS[each.kind] for each in boxes]
    marks = [each.kind if each.kind in _DASHED else "" for each in boxes]
    return draw_boxes(picture, places, colors, labels, marks, _LINE_WIDTH)


def legend(meanings: Mapping[str, str]) -> etree._Element:
    """A list of the colors of kinds with what each kind means."""
    entries = []
    for kind, meaning in meanings.items():
        square = element("span", class_="swatch", style="background: rgb({}, {}, {})".format(*COLORS[kind]))
        entries.append(element("li", square, element("strong", kind), f": {meaning}"))
    return element("ul", *entries, class_="legend")
