"""Pictures for the page: small JPEGs in data URIs, with groundtruth drawn on them, and crops around boxes."""

import base64
import io
from collections.abc import Sequence

from PIL import Image

from odtk.report.drawing import draw_groundtruth

Yxyx = tuple[float, float, float, float]

SIDE = 400  # pixels; drawn at this size, labels can be read where a page shows three or four in a row
_QUALITY = 74
_SURROUNDINGS = 0.75  # of a box's longer side, on each side of it
_SMALLEST_CROP = 20  # pixels of the image


def data_uri(image: Image.Image) -> str:
    """The picture as a JPEG in a `data:` URI."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return _uri("jpeg", buffer.getvalue())


def png_uri(data: bytes) -> str:
    """A PNG in a `data:` URI."""
    return _uri("png", data)


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data).decode("ascii")


def fit(image: Image.Image, side: int = SIDE) -> Image.Image:
    """The picture as RGB, scaled down so that its longer side is at most `side` pixels."""
    scale = min(1, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def drawn(
    image: Image.Image,
    boxes: Sequence[Yxyx],
    class_ids: Sequence[int],
    names: Sequence[str],
    marks: Sequence[str] | None = None,
    side: int = SIDE,
) -> Image.Image:
    """Draws groundtruth on the scaled picture, so that lines and labels keep their size; see `draw_groundtruth`."""
    return draw_groundtruth(fit(image, side), boxes, class_ids, names, marks)


def cut_out(
    image: Image.Image,
    boxes: Sequence[Yxyx],
    class_ids: Sequence[int],
    names: Sequence[str],
    marks: Sequence[str] | None = None,
    side: int = SIDE // 2,
) -> Image.Image:
    """The part of the picture around `boxes` (yxyx, normalized), enlarged if it is small, with the boxes drawn."""
    part, moved = surroundings(image, boxes, side)
    return draw_groundtruth(part, moved, class_ids, names, marks)


def surroundings(image: Image.Image, boxes: Sequence[Yxyx], side: int = SIDE // 2) -> tuple[Image.Image, list[Yxyx]]:
    """The part of the picture around `boxes`, with a longer side of `side` pixels, and where the boxes are in it.

    All boxes are yxyx and normalized, those returned by the size of the part.
    """
    left, top, right, bottom = window = _window(image.size, boxes)
    part = image.convert("RGB").crop(window)
    scale = side / max(part.size)
    resample = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS  # to show individual pixels
    part = part.resize((max(1, round(part.width * scale)), max(1, round(part.height * scale))), resample)
    width, height = right - left, bottom - top
    moved = [
        (
            (ymin * image.height - top) / height,
            (xmin * image.width - left) / width,
            (ymax * image.height - top) / height,
            (xmax * image.width - left) / width,
        )
        for ymin, xmin, ymax, xmax in boxes
    ]
    return part, moved


def _window(size: tuple[int, int], boxes: Sequence[Yxyx]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a window with all boxes and a margin, inside the picture, in pixels."""
    width, height = size
    sides = [[min(max(0.0, side), 1.0) for side in box] for box in boxes]  # in this order NaN becomes 0
    top, bottom = min(box[0] for box in sides) * height, max(box[2] for box in sides) * height
    left, right = min(box[1] for box in sides) * width, max(box[3] for box in sides) * width
    margin = max(_SURROUNDINGS * max(bottom - top, right - left), _SMALLEST_CROP / 2)
    window_left, window_top = max(0, int(min(left, width - 1) - margin)), max(0, int(min(top, height - 1) - margin))
    return (
        window_left,
        window_top,
        min(width, max(int(right + margin) + 1, window_left + 1)),
        min(height, max(int(bottom + margin) + 1, window_top + 1)),
    )
