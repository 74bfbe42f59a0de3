"""Detections drawn on pictures, and pictures on a contact sheet."""

import colorsys
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from odtk.detections import Detections

Corners = tuple[int, int, int, int]  # left, top, right, bottom in pixels

_SMALLEST_TEXT = 10  # pixels; below this the shipped font cannot be read
_TEXT_OF_IMAGE = 1 / 28  # text height over the image's mean side
_LINE_OF_TEXT = 1 / 7


def draw_detections(image: Image.Image, detections: Detections, name_of: Callable[[int], str]) -> Image.Image:
    """A copy of `image` as RGB with every box drawn in its class's colour, labelled with name and score.

    `name_of` gives the name of a 1-based class. Lines and text grow with the image; labels stay inside it, shortened
    where the image is too narrow, and keep out of each other's way as far as there is room.
    """
    picture = image.convert("RGB")  # always a copy
    draw = ImageDraw.Draw(picture)
    text_size = max(_SMALLEST_TEXT, round(sum(picture.size) / 2 * _TEXT_OF_IMAGE))
    line = max(1, round(text_size * _LINE_OF_TEXT))
    corners = [_yxyx_to_corners(box, picture.size) for box in detections.boxes]
    # The surest box and label last, so that they lie on top.
    for box, category in reversed(list(zip(corners, detections.classes, strict=True))):
        draw.rectangle(box, outline=class_color(int(category)), width=line)
    labels, places = [], []
    for box, category, score in zip(corners, detections.classes, detections.scores, strict=True):
        text, font = _fitted_label(name_of(int(category)), float(score), text_size, picture.width)
        places.append(_label_place(box, _label_size(text, font), picture.size, places))
        labels.append((places[-1], text, font, class_color(int(category))))
    for label in reversed(labels):
        _draw_label(draw, *label)
    return picture


def class_color(class_id: int) -> tuple[int, int, int]:
    """The RGB colour of a 1-based class, the same in every picture; neighbours in number differ clearly in hue."""
    hue = (class_id * 0.618034) % 1.0  # steps of the golden ratio spread hues evenly, whatever their number
    # Hues come close again 13, 21, 34 ... classes on; brightness and saturation, of other periods, tell those apart.
    value, saturation = (1.0, 0.7, 0.85, 0.55)[class_id // 13 % 4], (0.9, 0.6, 0.75)[class_id % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def contact_sheet(images: Sequence[Image.Image], columns: int, side: int = 320, gap: int = 8) -> Image.Image:
    """`images` row by row on white, each fitted into a cell of `side` pixels with its shape kept, `gap` apart.

    Fewer images than `columns` make a narrower sheet; no image at all is a ValueError.
    """
    if not images or columns < 1:
        raise ValueError(f"a contact sheet needs images and columns; got {len(images)} images, {columns} columns")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (side + gap) + gap, rows * (side + gap) + gap), "white")
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        fitted = _fit(image, side)
        left = gap + column * (side + gap) + (side - fitted.width) // 2
        top = gap + row * (side + gap) + (side - fitted.height) // 2
        sheet.paste(fitted, (left, top))
    return sheet


def _fit(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _yxyx_to_corners(box: np.ndarray, image_size: tuple[int, int]) -> Corners:
    width, height = image_size
    ymin, xmin, ymax, xmax = (float(side) for side in np.clip(np.nan_to_num(box), 0, 1))
    left, right = sorted((round(xmin * (width - 1)), round(xmax * (width - 1))))
    top, bottom = sorted((round(ymin * (height - 1)), round(ymax * (height - 1))))
    return left, top, right, bottom


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _fitted_label(name: str, score: float, size: int, width: int) -> tuple[str, ImageFont.FreeTypeFont]:
    # First the whole label, smaller if need be, then without the score, then only the name's beginning.
    whole = f"{name} {score:.0%}"
    shorter = (name[:length] + "…" for length in range(len(name) - 1, 0, -1))
    sizes = range(size, _SMALLEST_TEXT - 1, -1)
    tries = chain(((whole, each) for each in sizes), ((text, _SMALLEST_TEXT) for text in chain([name], shorter)))
    for text, each in tries:
        if _label_size(text, _font(each))[0] <= width:
            break
    return text, _font(each)


def _padding(font: ImageFont.FreeTypeFont) -> int:
    return max(1, round(font.size * 0.2))


def _label_size(text: str, font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    ascent, descent = font.getmetrics()
    return int(np.ceil(font.getlength(text))) + 2 * _padding(font), ascent + descent + _padding(font)


def _label_place(box: Corners, size: tuple[int, int], image_size: tuple[int, int], taken: list[Corners]) -> Corners:
    # Looked for above the box, inside its top, below it, inside its bottom, then beside the labels already placed.
    (left, top, right, bottom), (width, height) = box, size
    rows = [top - height, top, bottom + 1, bottom - height + 1]
    beside = [row for place in taken for row in (place[1] - height, place[3] + 1)]
    rows += sorted(beside, key=lambda row: abs(row - top))
    places = [_moved_inside((x, y), size, image_size) for x in (left, right - width + 1) for y in rows]
    unmoved = [place for place in places if place[1] in rows]
    for place in unmoved:
        if not any(_overlap(place, other) for other in taken):
            return place
    return (unmoved + places)[0]


def _moved_inside(spot: tuple[int, int], size: tuple[int, int], image_size: tuple[int, int]) -> Corners:
    left, top = (max(0, min(at, total - length)) for at, length, total in zip(spot, size, image_size, strict=True))
    return left, top, left + size[0] - 1, top + size[1] - 1


def _overlap(one: Corners, other: Corners) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _draw_label(draw: ImageDraw.ImageDraw, place: Corners, text: str, font, color: tuple[int, int, int]) -> None:
    draw.rectangle(place, fill=color)
    padding = _padding(font)
    draw.text((place[0] + padding, place[1] + padding // 2), text, font=font, fill=_readable_on(color))


def _readable_on(color: tuple[int, int, int]) -> str:
    luminance = np.dot(color, (0.299, 0.587, 0.114))  # ITU-R BT.601
    return "black" if luminance > 140 else "white"
