"""The pictures that models are timed on: drawn ones, or those of a folder, at the sizes asked for."""

import io
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from odtk.errors import DataError
from odtk.report.picture_files import FORMATS, decode_picture, read_picture
from odtk.unfinished import is_part

LEAST, MOST = 8, 64
"""How many pictures are taken turns with; more would only fill memory."""
_SHAPES = 12  # of a drawn picture
_JPEG_QUALITY = 90
_LEAST_DECODED = 24  # pictures whose decoding is timed


@dataclass(frozen=True)
class Pictures:
    """Pictures of one image size."""

    images: list[np.ndarray]
    """uint8 RGB [height, width, 3]; of several sizes if they are as they were."""
    decode_seconds: float
    """The median time that Pillow takes, on one core, from a file's bytes in memory to the pixels of one picture."""


def load_pictures(folder: str | os.PathLike | None, size: tuple[int, int] | None, count: int) -> Pictures:
    """`count` pictures (fewer if a folder has fewer) of width and height `size`, as JPEG; None for a folder's own.

    Without a folder they are drawn, the same each time. Raises DataError for a folder without pictures.
    """
    if folder is None:
        assert size is not None
        encoded = [_as_jpeg(draw_picture(size, number)) for number in range(count)]
    elif size is None:
        encoded = [path.read_bytes() for path in find_pictures(folder, count)]
    else:
        encoded = [_as_jpeg(read_picture(path).resize(size)) for path in find_pictures(folder, count)]
    return _decoded(encoded)


def find_pictures(folder: str | os.PathLike, count: int) -> list[Path]:
    """At most `count` picture files in a folder and below, spread evenly over all in the order of their names."""
    if not os.path.isdir(folder):
        what = "is a file" if os.path.exists(folder) else "does not exist"
        raise DataError(f"{folder} {what}; give a folder of pictures.", argument="images")
    below = (path for path in Path(folder).rglob("*") if path.suffix.lower() in FORMATS and path.is_file())
    found = sorted(path for path in below if not any(map(is_part, path.parts)))
    if not found:
        raise DataError(f"{folder} has no pictures ({', '.join(FORMATS)}).", argument="images")
    places = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    return [found[place] for place in places]


def draw_picture(size: tuple[int, int], number: int) -> Image.Image:
    """A picture with a soft background and colored shapes, which depends on its number alone."""
    rng, (width, height) = np.random.default_rng(number), size
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    image = coarse.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(_SHAPES):
        left, top = rng.uniform(0, 0.8, 2) * size
        across, down = rng.uniform(0.05, 0.3, 2) * size
        color = tuple(int(part) for part in rng.integers(0, 256, 3))
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((left, top, min(left + across, width), min(top + down, height)), fill=color)
    return image


def _as_jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def _decoded(encoded: Sequence[bytes]) -> Pictures:
    images = [np.asarray(decode_picture(each, "a picture")) for each in encoded]
    seconds = []
    for number in range(max(_LEAST_DECODED, len(encoded))):
        start = time.perf_counter()
        np.asarray(decode_picture(encoded[number % len(encoded)], "a picture"))
        seconds.append(time.perf_counter() - start)
    return Pictures(images, statistics.median(seconds))
