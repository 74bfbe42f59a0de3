"""Draws detections and groundtruth on pictures, and makes contact sheets."""

import colorsys
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from odtk.detections import Detections

Corners = tuple[int, int, int, int]  # left, top, right, bottom in pixels

_SMALLEST_TEXT = 10  # pixels; below this the shipped font cannot be read
_SMALLEST_CAPTION, _LONGEST_CAPTION = 12, 800  # pixels, letters
_TEXT_OF_IMAGE = 1 / 28  # text height over the image's mean side
_LINE_OF_TEXT = 1 / 7
_LONGEST_TEXT = 200  # letters
_MOST_LABELS = 60  # of groundtruth on one picture; more would hide it
_MOST_COVERED = 0.12  # fraction of a picture that labels may cover before their text gets smaller
_HIDDEN = 0.1  # fraction of a box; a label that covers more of it is translucent
_TRANSLUCENT = 150  # of 255


def draw_detections(image: Image.Image, detections: Detections, name_of: Callable[[int], str]) -> Image.Image:
    """A copy of `image` as RGB with every box drawn in its class's color, labeled with track, name and score.

    `name_of` gives the name of a 1-based class. Lines and text scale with the image; labels stay inside it, are
    shortened if the image is too narrow, and do not overlap each other or other boxes as far as there is room. In a
    crowd their text is smaller, and those on objects are translucent.
    """
    picture = image.convert("RGB")  # always a copy
    draw, text_size = ImageDraw.Draw(picture), _text_size(picture)
    corners = [_yxyx_to_corners(box, picture.size) for box in detections.boxes]
    # The most confident box and label last, so that they are on top.
    for box, category in reversed(list(zip(corners, detections.classes, strict=True))):
        draw.rectangle(box, outline=class_color(int(category)), width=_line_width(text_size))
    texts = []
    tracks = [0] * len(detections) if detections.track_ids is None else detections.track_ids.tolist()
    for category, score, track in zip(detections.classes, detections.scores, tracks, strict=True):
        name = (f"#{track} " if track else "") + name_of(int(category))
        texts.append((f"{name} {float(score):.0%}", name))
    _draw_labels(picture, corners, texts, [class_color(int(category)) for category in detections.classes])
    return picture


def draw_groundtruth(
    image: Image.Image,
    boxes: Sequence[Sequence[float]],
    class_ids: Sequence[int],
    names: Sequence[str],
    marks: Sequence[str] | None = None,
) -> Image.Image:
    """A copy of `image` as RGB with annotated boxes ([n, 4] yxyx, normalized) drawn in their classes' colors.

    `names`: the label of each box; `marks`: a flag of each box ("difficult", "crowd"), which is added to its label and
    makes its outline dashed, or "". Small boxes are on top of large ones. Labels are as in `draw_detections`; of more
    than sixty boxes only the largest have one.
    """
    return draw_boxes(image, boxes, [class_color(int(class_id)) for class_id in class_ids], names, marks)


def draw_boxes(
    image: Image.Image,
    boxes: Sequence[Sequence[float]],
    colors: Sequence[tuple[int, int, int]],
    names: Sequence[str],
    marks: Sequence[str] | None = None,
    line_width: int = 0,
) -> Image.Image:
    """As `draw_groundtruth`, in colors of the caller's; a box without a name has no label.

    `line_width`: pixels; 0 for what fits the size of the picture.
    """
    picture = image.convert("RGB")
    draw = ImageDraw.Draw(picture)
    line_width = line_width or _line_width(_text_size(picture))
    corners = [_yxyx_to_corners(np.asarray(box), picture.size) for box in boxes]
    entries = list(zip(corners, colors, names, marks or [""] * len(corners), strict=True))
    entries.sort(key=lambda entry: _area(entry[0]), reverse=True)
    for box, color, _, mark in entries:
        outline = _dashed_rectangle if mark else ImageDraw.ImageDraw.rectangle
        outline(draw, box, outline=color, width=line_width)
    # The label of the smallest box is placed first, because it has the fewest places.
    labeled = [entry for entry in entries if entry[2]][_MOST_LABELS - 1 :: -1]
    texts = [(f"{name} ({mark})" if mark else name, name) for _, _, name, mark in labeled]
    _draw_labels(picture, [entry[0] for entry in labeled], texts, [entry[1] for entry in labeled])
    return picture


def draw_outlines(
    image: Image.Image, boxes: Sequence[Sequence[float]] | np.ndarray, class_ids: Sequence[int] | np.ndarray
) -> Image.Image:
    """A copy of `image` as RGB with thin boxes ([n, 4] yxyx, normalized) in their classes' colors, the first on top."""
    picture = image.convert("RGB")
    draw = ImageDraw.Draw(picture)
    for box, class_id in reversed(list(zip(boxes, class_ids, strict=True))):
        draw.rectangle(_yxyx_to_corners(np.asarray(box), picture.size), outline=class_color(int(class_id)), width=2)
    return picture


def add_caption(image: Image.Image, text: str) -> Image.Image:
    """A copy of `image` as RGB with `text` below it, black on white, in as many lines as needed."""
    size = max(_SMALLEST_CAPTION, _text_size(image))
    font, margin = font_of(size), _padding(font_of(size))
    lines = wrapped(_one_line(text, _LONGEST_CAPTION), font, max(1, image.width - 2 * margin))
    line_height = sum(font.getmetrics())
    sheet = Image.new("RGB", (image.width, image.height + len(lines) * line_height + 2 * margin), "white")
    sheet.paste(image, (0, 0))
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((margin, image.height + margin + number * line_height), line, font=font, fill="black")
    return sheet


def class_color(class_id: int) -> tuple[int, int, int]:
    """The RGB color of a 1-based class, the same in every picture; consecutive classes differ clearly in hue."""
    hue = (class_id * 0.618034) % 1.0  # golden ratio steps distribute any number of hues evenly
    # Hues nearly repeat after 13, 21, 34 ... classes; brightness and saturation, with other periods, distinguish these.
    value, saturation = (1.0, 0.7, 0.85, 0.55)[class_id // 13 % 4], (0.9, 0.6, 0.75)[class_id % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def contact_sheet(images: Sequence[Image.Image], columns: int, side: int = 320, gap: int = 8) -> Image.Image:
    """`images` row by row on white, each scaled to fit a cell of `side` pixels, `gap` apart.

    Fewer images than `columns` make a narrower sheet. Raises ValueError without images.
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
def font_of(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font, `size` pixels high."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font


def _text_size(picture: Image.Image) -> int:
    return max(_SMALLEST_TEXT, round(sum(picture.size) / 2 * _TEXT_OF_IMAGE))


def _line_width(text_size: int) -> int:
    return max(1, round(text_size * _LINE_OF_TEXT))


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """`text` in lines of at most `width` pixels, broken at spaces, or in a word that is wider."""
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if font.getlength(joined) <= width:
            lines[-1] = joined
            continue
        lines += [""] * bool(lines[-1])
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def _area(box: Corners) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _dashed_rectangle(draw: ImageDraw.ImageDraw, box: Corners, outline: tuple[int, int, int], width: int) -> None:
    left, top, right, bottom = box
    dash = max(3, 3 * width)
    for start in range(left, right + 1, 2 * dash):
        end = min(start + dash - 1, right)
        draw.rectangle((start, top, end, min(top + width - 1, bottom)), fill=outline)
        draw.rectangle((start, max(bottom - width + 1, top), end, bottom), fill=outline)
    for start in range(top, bottom + 1, 2 * dash):
        end = min(start + dash - 1, bottom)
        draw.rectangle((left, start, min(left + width - 1, right), end), fill=outline)
        draw.rectangle((max(right - width + 1, left), start, right, end), fill=outline)


def _draw_labels(
    picture: Image.Image, corners: Sequence[Corners], texts: Sequence[tuple[str, str]], colors: Sequence[tuple]
) -> None:
    """Labels for boxes, the first of which is placed best and on top; `texts`: (complete, without extras)."""
    lines = [(_one_line(whole), _one_line(name)) for whole, name in texts]
    draw, labels, places = ImageDraw.Draw(picture, "RGBA"), [], []
    text_size = _label_text_size(picture, [whole for whole, _ in lines])
    for box, (whole, name), color in zip(corners, lines, colors, strict=True):
        text, font = _fitted_label(whole, name, text_size, picture.width)
        places.append(_label_place(box, _label_size(text, font), picture.size, places, corners))
        opacity = _TRANSLUCENT if _hides(places[-1], corners) else 255
        labels.append((places[-1], text, font, (*color, opacity)))
    for label in reversed(labels):
        _draw_label(draw, *label)


def _label_text_size(picture: Image.Image, texts: Sequence[str]) -> int:
    """Text size for the picture, smaller if the labels would cover too much of it."""
    size = _text_size(picture)
    covered = sum(math.prod(_label_size(text, font_of(size))) for text in texts)
    allowed = _MOST_COVERED * picture.width * picture.height
    return (
        size if covered <= allowed or len(texts) == 1 else max(_SMALLEST_TEXT, int(size * (allowed / covered) ** 0.5))
    )


def _one_line(text: str, longest: int = _LONGEST_TEXT) -> str:
    # Pillow does not measure several lines, and very long names do not fit anyway.
    return " ".join(text.split())[:longest]


def _fitted_label(whole: str, name: str, size: int, width: int) -> tuple[str, ImageFont.FreeTypeFont]:
    # First the complete label, smaller if needed, then only the name, then only its beginning.
    shorter = (name[:length] + "…" for length in range(len(name) - 1, 0, -1))
    sizes = range(size, _SMALLEST_TEXT - 1, -1)
    tries = chain(((whole, each) for each in sizes), ((text, _SMALLEST_TEXT) for text in chain([name], shorter)))
    for text, each in tries:
        if _label_size(text, font_of(each))[0] <= width:
            break
    return text, font_of(each)


def _padding(font: ImageFont.FreeTypeFont) -> int:
    return max(1, round(font.size * 0.2))


def _label_size(text: str, font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    ascent, descent = font.getmetrics()
    return int(np.ceil(font.getlength(text))) + 2 * _padding(font), ascent + descent + _padding(font)


def _label_place(
    box: Corners,
    size: tuple[int, int],
    image_size: tuple[int, int],
    taken: Sequence[Corners],
    boxes: Sequence[Corners],
) -> Corners:
    # Tries above the box, inside its top, below it, inside its bottom, then next to the labels already placed.
    (left, top, right, bottom), (width, height) = box, size
    rows = [top - height, top, bottom + 1, bottom - height + 1]
    beside = [row for place in taken for row in (place[1] - height, place[3] + 1)]
    rows += sorted(beside, key=lambda row: abs(row - top))
    places = [_moved_inside((x, y), size, image_size) for x in (left, right - width + 1) for y in rows]
    unmoved = [place for place in places if place[1] in rows]
    free = [place for place in unmoved if not any(_overlap(place, other) for other in taken)]
    # A label far from its box is worse than one on another label.
    near = [place for place in free if top - 2 * height <= place[1] <= bottom + height]
    return next((place for place in near if not _hides(place, boxes)), (free or unmoved or places)[0])


def _hides(place: Corners, boxes: Sequence[Corners]) -> bool:
    """Whether a label covers a large part of a box."""
    return any(_overlap(place, box) and _shared(place, box) > _HIDDEN * _area(box) for box in boxes)


def _shared(one: Corners, other: Corners) -> int:
    width = min(one[2], other[2]) - max(one[0], other[0])
    return width * (min(one[3], other[3]) - max(one[1], other[1]))


def _moved_inside(spot: tuple[int, int], size: tuple[int, int], image_size: tuple[int, int]) -> Corners:
    left, top = (max(0, min(at, total - length)) for at, length, total in zip(spot, size, image_size, strict=True))
    return left, top, left + size[0] - 1, top + size[1] - 1


def _overlap(one: Corners, other: Corners) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _draw_label(draw: ImageDraw.ImageDraw, place: Corners, text: str, font, color: tuple[int, int, int, int]) -> None:
    draw.rectangle(place, fill=color)
    padding = _padding(font)
    draw.text((place[0] + padding, place[1] + padding // 2), text, font=font, fill=_readable_on(color[:3]))


def _readable_on(color: tuple[int, int, int]) -> str:
    luminance = np.dot(color, (0.299, 0.587, 0.114))  # ITU-R BT.601
    return "black" if luminance > 140 else "white"
