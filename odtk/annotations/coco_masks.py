"""COCO's segmentations, polygons or run lengths, converted to masks by pycocotools, which does not check them.

So everything is checked first: run lengths that do not fill the image would access memory beyond it, and the outline of
a polygon takes memory in proportion to its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtk.annotations.value_parsing import finite, short
from odtk.errors import DataError

if TYPE_CHECKING:
    import numpy as np

_MAX_CHARS_OF_RUN = 8  # 5 bits each


def decode_mask(segmentation: object, height: int, width: int) -> np.ndarray:
    """The mask of a segmentation as COCO's JSON has it: uint8 [height, width], 1 on the object.

    `segmentation` is a list of polygons [x1, y1, x2, y2, ...], in pixels, or run lengths {"size": [height, width],
    "counts": [...] or compressed text}. Raises DataError if it is neither, or not for an image of that size.
    """
    from pycocotools import mask as coco_mask

    if isinstance(segmentation, list) and segmentation:
        polygons = [_checked_polygon(polygon, height, width) for polygon in segmentation]
        rle = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    elif isinstance(segmentation, dict):
        rle = coco_mask.frPyObjects(
            {"size": [height, width], "counts": _runs(segmentation, height, width)}, height, width
        )
    else:
        raise DataError(f"The segmentation {short(segmentation)} is neither polygons nor run lengths.")
    return coco_mask.decode(rle)


def _checked_polygon(polygon: object, height: int, width: int) -> list[float]:
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise DataError(f"The polygon {short(polygon)} is not a list of three or more points, x and y of each.")
    numbers = [number for value in polygon if (number := finite(value)) is not None]
    reach = 2 * max(height, width)
    if len(numbers) < len(polygon) or any(abs(number) > reach for number in numbers):
        raise DataError(
            f"The polygon {short(polygon)} has coordinates far outside its image of {width}x{height} pixels."
        )
    return numbers


def _runs(rle: dict, height: int, width: int) -> list[int]:
    """The lengths of the runs, column by column, alternating between off and on."""
    if rle.get("size") != [height, width]:
        raise DataError(f"The run lengths have the size {short(rle.get('size'))}; the image's is [{height}, {width}].")
    counts = rle.get("counts")
    runs = _decompressed(counts) if isinstance(counts, str) else counts
    valid = isinstance(runs, list) and all(type(run) is int and 0 <= run <= height * width for run in runs)
    if not runs or not valid or sum(runs) != height * width:
        raise DataError(f"The run lengths {short(counts)} do not add up to the {height * width} pixels of the image.")
    return runs


def _decompressed(text: str) -> list[int]:
    """The runs of compressed run lengths, as written by `rleToString` of pycocotools (common/maskApi.c).

    Each character, minus 48, has five bits of a number, lowest first, and a sixth that says whether more follow. The
    fifth bit of the last one is the sign. From the fourth number on, each is the difference to the one before the last.
    """
    runs, value, shift = [], 0, 0
    for char in text:
        code = ord(char) - 48
        if not 0 <= code < 64 or shift >= 5 * _MAX_CHARS_OF_RUN:
            raise DataError(f"The run lengths {short(text)} are not in COCO's compressed form.")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (1 << shift) if code & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise DataError(f"The run lengths {short(text)} end in the middle of a number.")
    return runs
