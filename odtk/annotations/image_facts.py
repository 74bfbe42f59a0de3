"""What an image and its annotation prove by themselves of how the data set was annotated: small, and added up.

A box fits a frame where it leaves it by no more than an annotator's slip. Where two frames come into question, the
boxes may fit only one of them, and so prove it. What no image proves by itself `odtk.annotations.conventions` decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from odtk.annotations import image_files
from odtk.annotations.dataset import ORDERS, OUTLINE, ImageAnnotation, MarkedObject
from odtk.annotations.image_files import ImageInfo

# What is proved of an image with an EXIF orientation: its boxes were drawn on it as stored, or as turned; or nothing.
STORED, TURNED, OPEN = "stored", "turned", "open"

# What boxes are in pixels of, where the stated size is not the image's.
STATED, IMAGE = "stated", "image"

# How a stated size differs: hardly, so that it does not matter; as that of another copy; by width for height.
NEAR, RESIZED, EXCHANGED = "near", "resized", "exchanged"

# How far a box may reach out of a frame, as a part of the side: not at all but for rounding, so that it fits closely,
# and to count as inside at all.
LIMITS = EDGE, CLOSE, OUTSIDE = 0.002, 0.01, 0.03

_NEAR_SIDES = 0.02
_SMALLER = 0.75  # a frame inside another has at most this part of one of its sides to tell anything
_ASPECT_TOLERANCE = 0.01  # sides are whole pixels, so an image made smaller has not quite the same aspect
_UNIT_SLIP = 0.01
_HUGE = 1e300

# What makes corners yxyx of four numbers, as a matrix for each order.
_ORDERS = tuple(ORDERS)
_TO_CORNERS = np.stack([np.array(corners_of(*np.eye(4))).T for corners_of in ORDERS.values()])  # [orders, 4, 4]

UNIT = (1, 1)
Size = tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True)
class Facts:
    """What one image adds to the evidence of its data set."""

    exif: str = ""  # STORED, TURNED or OPEN; "" where there is no orientation
    size: str = ""  # NEAR, RESIZED or EXCHANGED; "" where the stated size is the image's, or absent
    frame: str = ""  # of a RESIZED or EXCHANGED one: what the boxes fit alone; "" where it is neither or both
    inner: str = ""  # the much smaller one of the two frames, where the boxes fit both
    objects: int = 0
    order: str = ""  # of ORDERS, as the boxes are read
    boxes: int = 0  # the objects that are written in four numbers
    in_unit: int = 0  # boxes that lie in 0..1 though pixels are expected
    has_fractions: bool = False
    in_percent: int = 0
    reach: tuple[float, float] = (0.0, 0.0)  # the largest x and y
    start: tuple[float, float] = (0.0, 0.0)  # the smallest x and y
    least_side: int = 0
    misfits: np.ndarray | None = None  # int [orders, frames (image, stated, unit), LIMITS]
    leaving: np.ndarray | None = None  # int [frames], as read, with corners in order, beyond OUTSIDE
    bits: int = 0  # of deep samples, those that are used


def facts_of(annotation: ImageAnnotation, seen: ImageInfo, exif: str = "auto", order: str | None = None) -> Facts:
    """The facts of one image; `exif` and `order` are the user's choices, see `placing.Rules`."""
    proved = orientation_proof(annotation, seen, order)
    size = seen.upright_size if is_turned(seen, exif, proved) else (seen.width, seen.height)
    stated = stated_size(annotation)
    difference = size_difference(stated, size)
    facts = Facts(exif=proved, size=difference, bits=seen.bits)
    # Of an image that may be lying on its side, nobody knows yet how long its sides are.
    is_open = proved == OPEN and _lies(seen) and exif == "auto" and not annotation.normalised
    if is_open or not annotation.objects:
        return facts
    own = frame_proof(annotation, stated, size, order)
    inner = _inner_frame(annotation, stated, size, order) if difference == RESIZED and not own else ""
    facts = replace(facts, frame=own, inner=inner, objects=len(annotation.objects))
    boxes = [entry for entry in annotation.objects if entry.written != OUTLINE]
    frames = (UNIT,) * 3 if annotation.normalised else (size, stated or size, UNIT)
    return _with_numbers(facts, boxes, frames, order) if boxes else facts


def _with_numbers(facts: Facts, boxes: list[MarkedObject], frames: tuple[Size, ...], order: str | None) -> Facts:
    """The facts, with what the numbers of boxes tell of their order and unit."""
    read, is_pixels = boxes[0].written if order is None else order, frames[0] != UNIT
    numbers = np.array([entry.numbers for entry in boxes], float)  # [boxes, 4]
    numbers = np.nan_to_num(numbers).clip(-_HUGE, _HUGE)  # of larger ones the sums are no numbers
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
    """Whether the image was annotated STORED or TURNED, by its stated size or else its boxes; OPEN; "" if upright."""
    if seen.orientation == image_files.UPRIGHT:
        return ""
    stored, upright, stated = (seen.width, seen.height), seen.upright_size, stated_size(annotation)
    if same_aspect(stored, upright):
        return OPEN
    if stated is not None:
        alike = same_aspect(stated, stored), same_aspect(stated, upright)
        return {(True, False): STORED, (False, True): TURNED}.get(alike, OPEN)
    if annotation.normalised or not annotation.objects:
        return OPEN
    fits = boxes_fit(annotation, order, stored), boxes_fit(annotation, order, upright)
    return {(True, False): STORED, (False, True): TURNED}.get(fits, OPEN)


def is_turned(seen: ImageInfo, exif: str, proved: str, decided: str = "") -> bool:
    """Whether the pixels are to be turned: as `exif` says, as the image proves, or as is `decided` for the data set."""
    if seen.orientation == image_files.UPRIGHT or exif == "ignore":
        return False
    return exif == "apply" or (decided if proved == OPEN else proved) != STORED


def stated_size(annotation: ImageAnnotation) -> Size | None:
    """The size that the annotation states, where it is one and its boxes are in pixels of it."""
    stated = annotation.stated_size
    return None if stated is None or min(stated) < 1 or annotation.normalised else stated


def size_difference(stated: Size | None, size: Size) -> str:
    """How a stated size differs from the image's: "", NEAR, RESIZED or EXCHANGED."""
    if stated is None or stated == size:
        return ""
    if all(abs(one - other) <= max(1, _NEAR_SIDES * other) for one, other in zip(stated, size, strict=True)):
        return NEAR
    return EXCHANGED if same_aspect(stated, size[::-1]) and not same_aspect(stated, size) else RESIZED


def frame_proof(annotation: ImageAnnotation, stated: Size | None, size: Size, order: str | None = None) -> str:
    """STATED or IMAGE where the boxes fit that one alone; "" where both or neither."""
    if size_difference(stated, size) not in (RESIZED, EXCHANGED) or not annotation.objects:
        return ""
    fits = boxes_fit(annotation, order, stated), boxes_fit(annotation, order, size)
    return {(True, False): STATED, (False, True): IMAGE}.get(fits, "")


def boxes_fit(annotation: ImageAnnotation, order: str | None, frame: Size) -> bool:
    """Whether all boxes, their corners put in order, lie in a frame but for slips."""
    corners = np.array([entry.corners(order) for entry in annotation.objects], float).reshape(-1, 4)
    return not (overshoot(_in_order(corners), [frame]) > OUTSIDE).any()


def overshoot(corners: np.ndarray, frames: list[Size]) -> np.ndarray:
    """How far boxes yxyx [n, 4] reach out of frames (width, height) that begin at 0, in sides: float [n, frames].

    A pixel too many is none: some count from 1, and some take the last one in.
    """
    sides = np.array([(height, width) for width, height in frames], float)  # [frames, 2]
    pixel = np.where(sides > 1, 1, 0)
    with np.errstate(invalid="ignore"):
        before = (-corners[:, None, :2] - pixel) / sides
        behind = (corners[:, None, 2:] - pixel) / sides - 1
        return np.concatenate([before, behind], axis=2).max(axis=2)


def same_aspect(one: Size, other: Size) -> bool:
    """Whether two sizes are of one shape, but for what whole pixels make of it."""
    return math.isclose(one[0] * other[1], one[1] * other[0], rel_tol=_ASPECT_TOLERANCE)


def _lies(seen: ImageInfo) -> bool:
    return not same_aspect((seen.width, seen.height), seen.upright_size)


def _in_order(corners: np.ndarray) -> np.ndarray:
    return np.concatenate([np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], 1)


def _outside(corners: np.ndarray, as_read: np.ndarray, frames: tuple[Size, ...]) -> tuple[np.ndarray, np.ndarray]:
    """`misfits` and `leaving` of Facts, from the corners [orders, boxes, 4] under each order, and as they are read."""
    count = len(as_read)
    beyond = overshoot(np.concatenate([*corners, _in_order(as_read)]), frames)  # [(orders + 1) * boxes, frames]
    tried = beyond[:-count].reshape(len(corners), count, len(frames), 1) > LIMITS
    inverted = (corners[..., :2] > corners[..., 2:]).any(axis=-1)  # [orders, boxes]
    return (tried | inverted[..., None, None]).sum(axis=1), (beyond[-count:] > OUTSIDE).sum(axis=0)


def _inner_frame(annotation: ImageAnnotation, stated: Size, size: Size, order: str | None) -> str:
    """The frame that lies well inside the other one, where all boxes lie in it."""
    ratios = stated[0] / size[0], stated[1] / size[1]
    if max(ratios) <= 1 and min(ratios) <= _SMALLER:
        inner, name = stated, STATED
    elif min(ratios) >= 1 and max(ratios) >= 1 / _SMALLER:
        inner, name = size, IMAGE
    else:
        return ""
    return name if boxes_fit(annotation, order, inner) else ""
