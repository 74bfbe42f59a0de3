"""The evidence in one image and its annotation on how the dataset was annotated; small, and summed up over all.

A box fits a frame if it extends beyond it by no more than an annotator's slip. If there are two possible frames and the
boxes fit only one of them, that one is right. What single images cannot show is decided in
`odtk.annotations.conventions`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from odtk.annotations import image_files
from odtk.annotations.dataset import ORDERS, OUTLINE, ImageAnnotation, MarkedObject
from odtk.annotations.image_files import ImageInfo

# For an image with an EXIF orientation: its boxes were drawn on it as stored, or as rotated, or it is unknown.
STORED, TURNED, OPEN = "stored", "turned", "open"

# The size that boxes refer to if the stated size is not the image's.
STATED, IMAGE = "stated", "image"

# How a stated size differs: too little to matter; as that of a resized copy; width and height are swapped.
NEAR, RESIZED, EXCHANGED = "near", "resized", "exchanged"

# How far a box may extend beyond a frame, as a fraction of the side: only by rounding; to fit closely; to count as
# inside.
LIMITS = EDGE, CLOSE, OUTSIDE = 0.002, 0.01, 0.03

_NEAR_SIDES = 0.02
_SMALLER = 0.75  # evidence from a frame inside another needs one of its sides to be at most this fraction
_ASPECT_TOLERANCE = 0.01  # sides are whole pixels, so a resized image does not have exactly the same aspect ratio
_UNIT_SLIP = 0.01
_HUGE = 1e300

# A matrix for each order that converts the four numbers to yxyx corners.
_ORDERS = tuple(ORDERS)
_TO_CORNERS = np.stack([np.array(corners_of(*np.eye(4))).T for corners_of in ORDERS.values()])  # [orders, 4, 4]

UNIT = (1, 1)
Size = tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True)
class Facts:
    """The contribution of one image to the evidence of its dataset."""

    exif: str = ""  # STORED, TURNED or OPEN; "" without an orientation
    size: str = ""  # NEAR, RESIZED or EXCHANGED; "" if the stated size is the image's, or absent
    frame: str = ""  # if RESIZED or EXCHANGED: the only frame that the boxes fit; "" if neither or both
    inner: str = ""  # the much smaller one of the two frames, if the boxes fit both
    objects: int = 0
    order: str = ""  # of ORDERS, in which the boxes are read
    boxes: int = 0  # objects with a box of four numbers
    in_unit: int = 0  # boxes within 0..1 although pixels are expected
    has_fractions: bool = False
    in_percent: int = 0
    reach: tuple[float, float] = (0.0, 0.0)  # the largest x and y
    start: tuple[float, float] = (0.0, 0.0)  # the smallest x and y
    least_side: int = 0
    misfits: np.ndarray | None = None  # int [orders, frames (image, stated, unit), LIMITS]
    leaving: np.ndarray | None = None  # int [frames], as read, with corners in order, beyond OUTSIDE
    bits: int = 0  # in use, if samples have more than 8


def facts_of(annotation: ImageAnnotation, seen: ImageInfo, exif: str = "auto", order: str | None = None) -> Facts:
    """The facts of one image; `exif` and `order` are the user's choices, see `frames.Rules`."""
    proved = orientation_proof(annotation, seen, order)
    size = seen.upright_size if is_turned(seen, exif, proved) else (seen.width, seen.height)
    stated = stated_size(annotation)
    difference = size_difference(stated, size)
    facts = Facts(exif=proved, size=difference, bits=seen.bits)
    # For an image that may be rotated, width and height are not known yet.
    is_open = proved == OPEN and _lies(seen) and exif == "auto" and not annotation.normalized
    if is_open or not annotation.objects:
        return facts
    own = frame_proof(annotation, stated, size, order)
    inner = ""
    if stated is not None and difference == RESIZED and not own:
        inner = _inner_frame(annotation, stated, size, order)
    facts = replace(facts, frame=own, inner=inner, objects=len(annotation.objects))
    boxes = [entry for entry in annotation.objects if entry.written != OUTLINE]
    frames = (UNIT,) * 3 if annotation.normalized else (size, stated or size, UNIT)
    return _with_numbers(facts, boxes, frames, order) if boxes else facts


def _with_numbers(facts: Facts, boxes: list[MarkedObject], frames: tuple[Size, ...], order: str | None) -> Facts:
    """The facts, with the evidence on order and unit of the boxes' numbers."""
    read, is_pixels = boxes[0].written if order is None else order, frames[0] != UNIT
    numbers = np.array([entry.numbers for entry in boxes], float)  # [boxes, 4]
    numbers = np.nan_to_num(numbers).clip(-_HUGE, _HUGE)  # sums of larger ones would overflow
    corners = numbers @ _TO_CORNERS  # [orders, boxes, 4]
    as_read = corners[_ORDERS.index(read)]
    misfits, leaving = _outside(corners, as_read, frames)
    least, most = numbers.min(axis=1), numbers.max(axis=1)
    return replace(
        facts,
        order=read,
        boxes=len(boxes),
        in_unit=int(((least >= -_UNIT_SLIP) & (most <= 1 + _UNIT_SLIP)).sum()) if is_pixels else 0,
        has_fractions=bool((numbers % 1 != 0).any()),
        in_percent=int(((least >= 0) & (most <= 100)).sum()) if is_pixels else 0,
        reach=(float(as_read[:, 3].max()), float(as_read[:, 2].max())),
        start=(float(as_read[:, 1].min()), float(as_read[:, 0].min())),
        least_side=min(frames[0]),
        misfits=misfits,
        leaving=leaving,
    )


def orientation_proof(annotation: ImageAnnotation, seen: ImageInfo, order: str | None = None) -> str:
    """STORED or TURNED, as the stated size or else the boxes show; OPEN if they do not; "" if upright."""
    if seen.orientation == image_files.UPRIGHT:
        return ""
    stored, upright, stated = (seen.width, seen.height), seen.upright_size, stated_size(annotation)
    if same_aspect(stored, upright):
        return OPEN
    if stated is not None:
        alike = same_aspect(stated, stored), same_aspect(stated, upright)
        return {(True, False): STORED, (False, True): TURNED}.get(alike, OPEN)
    if annotation.normalized or not annotation.objects:
        return OPEN
    fits = boxes_fit(annotation, order, stored), boxes_fit(annotation, order, upright)
    return {(True, False): STORED, (False, True): TURNED}.get(fits, OPEN)


def is_turned(seen: ImageInfo, exif: str, proved: str, decided: str = "") -> bool:
    """Whether to rotate the pixels: from `exif`, else the image itself, else what is `decided` for the dataset."""
    if seen.orientation == image_files.UPRIGHT or exif == "ignore":
        return False
    return exif == "apply" or (decided if proved == OPEN else proved) != STORED


def stated_size(annotation: ImageAnnotation) -> Size | None:
    """The size in the annotation, if it is valid and the boxes are in its pixels."""
    stated = annotation.stated_size
    return None if stated is None or min(stated) < 1 or annotation.normalized else stated


def size_difference(stated: Size | None, size: Size) -> str:
    """How a stated size differs from the image's: "", NEAR, RESIZED or EXCHANGED."""
    if stated is None or stated == size:
        return ""
    if all(abs(one - other) <= max(1, _NEAR_SIDES * other) for one, other in zip(stated, size, strict=True)):
        return NEAR
    return EXCHANGED if same_aspect(stated, size[::-1]) and not same_aspect(stated, size) else RESIZED


def frame_proof(annotation: ImageAnnotation, stated: Size | None, size: Size, order: str | None = None) -> str:
    """STATED or IMAGE, if the boxes fit only that one; "" if both or neither."""
    is_other = size_difference(stated, size) in (RESIZED, EXCHANGED)
    if stated is None or not is_other or not annotation.objects:
        return ""
    fits = boxes_fit(annotation, order, stated), boxes_fit(annotation, order, size)
    return {(True, False): STATED, (False, True): IMAGE}.get(fits, "")


def boxes_fit(annotation: ImageAnnotation, order: str | None, frame: Size) -> bool:
    """Whether all boxes, with their corners in order, are in a frame except for slips."""
    corners = np.array([entry.corners(order) for entry in annotation.objects], float).reshape(-1, 4)
    return not (overshoot(_in_order(corners), [frame]) > OUTSIDE).any()


def overshoot(corners: np.ndarray, frames: Sequence[Size]) -> np.ndarray:
    """How far boxes yxyx [n, 4] extend beyond frames (width, height), as fractions of the sides: float [n, frames].

    One pixel too many does not count: some tools count from 1, and some include the last pixel.
    """
    sides = np.array([(height, width) for width, height in frames], float)  # [frames, 2]
    pixel = np.where(sides > 1, 1, 0)
    with np.errstate(invalid="ignore"):
        before = (-corners[:, None, :2] - pixel) / sides
        behind = (corners[:, None, 2:] - pixel) / sides - 1
        return np.concatenate([before, behind], axis=2).max(axis=2)


def same_aspect(one: Size, other: Size) -> bool:
    """Whether two sizes have the same aspect ratio, except for rounding to whole pixels."""
    return math.isclose(one[0] * other[1], one[1] * other[0], rel_tol=_ASPECT_TOLERANCE)


def _lies(seen: ImageInfo) -> bool:
    return not same_aspect((seen.width, seen.height), seen.upright_size)


def _in_order(corners: np.ndarray) -> np.ndarray:
    return np.concatenate([np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], 1)


def _outside(corners: np.ndarray, as_read: np.ndarray, frames: tuple[Size, ...]) -> tuple[np.ndarray, np.ndarray]:
    """`misfits` and `leaving` of Facts, from the corners [orders, boxes, 4] in each order, and as they are read."""
    count = len(as_read)
    beyond = overshoot(np.concatenate([*corners, _in_order(as_read)]), frames)  # [(orders + 1) * boxes, frames]
    tried = beyond[:-count].reshape(len(corners), count, len(frames), 1) > LIMITS
    inverted = (corners[..., 0] > corners[..., 2]) | (corners[..., 1] > corners[..., 3])  # [orders, boxes]
    return (tried | inverted[..., None, None]).sum(axis=1), (beyond[-count:] > OUTSIDE).sum(axis=0)


def _inner_frame(annotation: ImageAnnotation, stated: Size, size: Size, order: str | None) -> str:
    """The frame that is well inside the other one, if all boxes are in it."""
    ratios = stated[0] / size[0], stated[1] / size[1]
    if max(ratios) <= 1 and min(ratios) <= _SMALLER:
        inner, name = stated, STATED
    elif min(ratios) >= 1 and max(ratios) >= 1 / _SMALLER:
        inner, name = size, IMAGE
    else:
        return ""
    return name if boxes_fit(annotation, order, inner) else ""
