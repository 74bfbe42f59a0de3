"""The picture of a training batch: a mosaic of its images with their groundtruth."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from odtk.report.drawing import contact_sheet, draw_groundtruth
from odtk.report.sheets import GAP, add_heading

MOST_IMAGES = 64
_WIDTH = 1600  # pixels: a sheet that a screen shows at 100 %
_MOST_COLUMNS = 8
_LARGEST_TILE = 480  # pixels
_STRIPE = 6  # pixels of a tile
_STRIPE_COLOR = (150, 150, 150)


@dataclass(frozen=True)
class BatchImage:
    """One image of a batch, as the network is given it, before its preprocessing."""

    pixels: np.ndarray  # uint8 [height, width, 3]
    true_size: tuple[int, int]  # height and width without padding, which is below and at the right
    boxes: np.ndarray  # [n, 4] yxyx, normalized to the padded image
    class_ids: Sequence[int]  # from 1
    weights: Sequence[float] | None = None  # of boxes; None: all 1


def draw_batch(
    images: Sequence[BatchImage], name_of: Callable[[int], str], title: str, batch_size: int | None = None
) -> Image.Image:
    """A mosaic of the first MOST_IMAGES of `images` under `title`, with stripes on padding.

    Boxes are labeled with their class and, if it is not 1, their weight. `name_of`: the name of a class by its id;
    `batch_size`: of the whole batch, if `images` is only a part of it. Raises ValueError without images.
    """
    shown = images[:MOST_IMAGES]
    columns = min(_MOST_COLUMNS, math.ceil(math.sqrt(len(shown)))) or 1
    side = min(_LARGEST_TILE, (_WIDTH - GAP) // columns - GAP)
    sheet = contact_sheet([_draw_image(image, name_of, side) for image in shown], columns, side, GAP)
    return add_heading(sheet, title, _note(shown, batch_size or len(images)))


def _note(shown: Sequence[BatchImage], batch_size: int) -> str:
    height, width = shown[0].pixels.shape[:2]
    boxes = sum(len(image.boxes) for image in shown)
    if len(shown) == batch_size:
        number = "1 image" if batch_size == 1 else f"{batch_size} images"
    else:
        number = f"{len(shown)} of {batch_size} images"
    sentences = [f"{number} of {width}x{height} pixels, with {boxes} box{'' if boxes == 1 else 'es'}."]
    if any(image.true_size != (height, width) for image in shown):
        sentences.append("Stripes: padding.")
    if any(any(_marks(image)) for image in shown):
        sentences.append("Dashed: boxes whose weight in the loss is not 1.")
    return " ".join(sentences)


def _draw_image(image: BatchImage, name_of: Callable[[int], str], side: int) -> Image.Image:
    height, width = image.pixels.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Enlarged before it is drawn on, so that lines and labels are sharp.
    tile = np.asarray(Image.fromarray(image.pixels).resize(size, Image.Resampling.LANCZOS)).copy()
    _stripe_padding(tile, round(image.true_size[0] * scale), round(image.true_size[1] * scale))
    names = [name_of(int(class_id)) for class_id in image.class_ids]
    return draw_groundtruth(Image.fromarray(tile), list(image.boxes), list(image.class_ids), names, _marks(image))


def _marks(image: BatchImage) -> list[str]:
    weights = [1.0] * len(image.boxes) if image.weights is None else image.weights
    return ["" if weight == 1 else f"weight {weight:.2g}" for weight in weights]


def _stripe_padding(tile: np.ndarray, height: int, width: int) -> None:
    """Draws stripes, in place, on what is below `height` and right of `width`; between them it stays as it is."""
    rows, columns = np.indices(tile.shape[:2])
    padding = (rows >= height) | (columns >= width)
    tile[padding & ((rows + columns) // _STRIPE % 2 == 0)] = _STRIPE_COLOR
