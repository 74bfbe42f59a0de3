"""Maps as pictures: in false colors, as heat over a photograph, and many of them on a sheet."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from PIL import Image, ImageDraw

from odtk.report.drawing import font_of
from odtk.report.sheets import add_heading, in_rows

MAP_COLORS, HEAT_COLORS = "viridis", "inferno"
_TILE = 150  # pixels, the longer side of a map on a sheet
_LABEL = 12  # pixels of text
_OPAQUE = 0.85  # of the hottest place; the photograph shines through


def colored(values: np.ndarray, low: float | None = None, high: float | None = None) -> Image.Image:
    """A map [height, width] from dark blue (`low`, by default its least value) to yellow (`high`, its greatest)."""
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    return Image.fromarray(
        _in_colors((values - low) / (high - low) if high > low else np.zeros_like(values), MAP_COLORS)
    )


def with_heat(picture: Image.Image, heat: np.ndarray) -> Image.Image:
    """A map [height, width] of values in 0 to 1 over a picture of its size: nothing at 0, yellow at 1."""
    heat = np.clip(heat, 0, 1)[..., None]
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    alpha = heat**0.7 * _OPAQUE  # what is half as hot has to be seen
    mixed = pixels * (1 - alpha) + _in_colors(heat[..., 0], HEAT_COLORS) * alpha
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def sheet(maps: Sequence[np.ndarray], labels: Sequence[str], title: str, note: str, columns: int = 8) -> Image.Image:
    """Maps [height, width] side by side, each in the range of its own values, each with its label below."""
    tiles = [_tile(colored(values), label) for values, label in zip(maps, labels, strict=True)]
    return add_heading(in_rows(tiles, min(columns, len(tiles))), title, note)


def scaled(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size (height, width) with a longer side of `side`, larger or smaller than it was."""
    scale = side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def tile_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size (height, width) of a map of a picture on a sheet."""
    return scaled(size, _TILE)


def _tile(image: Image.Image, label: str) -> Image.Image:
    tile = Image.new("RGB", (image.width, image.height + _LABEL + 6), "white")
    tile.paste(image, (0, 0))
    ImageDraw.Draw(tile).text((0, image.height + 2), label, font=font_of(_LABEL), fill=(60, 60, 60))
    return tile


def _in_colors(values: np.ndarray, colors: str) -> np.ndarray:
    """Values in 0 to 1 as uint8 [..., 3]."""
    return matplotlib.colormaps[colors](values, bytes=True)[..., :3]
