"""Boxes in other units or another order than they are read in: found by reading them otherwise."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from odtk.evaluation.analysis.matching import overlaps
from odtk.evaluation.results import ImageResult, Results
from odtk.findings import ERROR, Finding, counted

_ENOUGH = 0.5
"""If this share of the objects is met, the boxes are read as they are meant."""
# Another reading must meet at least this share of the objects, this much more of them, and twice as many: with so many
# readings, one fits some boxes of a weak detector by chance.
_MUST_MEET, _MORE, _LEAST_MET = 0.4, 0.25, 5
_MOST_IMAGES = 200
_MIN_DETECTIONS = 10  # of an image that are looked at, and as many as it has objects
_INPUT_SIDES = (300, 320, 384, 416, 448, 512, 600, 608, 640, 768, 800, 896, 1024, 1280, 1536)

Layout = Callable[[np.ndarray], np.ndarray]  # boxes [N, 4] as they are read to what they would be
Scale = Callable[[tuple[int, int]], np.ndarray]  # height and width to factors [4]


@dataclass(frozen=True)
class Reading:
    """What boxes may be instead of yxyx in pixels of the original image."""

    text: str  # "have x and y swapped"
    layout: Layout
    scale: Scale

    def apply(self, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The boxes as they would be meant, yxyx in pixels."""
        read = self.layout(boxes.astype(float)) * self.scale(size)
        return np.concatenate([read[:, :2], np.maximum(read[:, :2], read[:, 2:])], axis=1).astype(np.float32)


def count_met(images: Sequence[ImageResult]) -> tuple[int, int]:
    """How many objects one of the surest detections overlaps, whatever its class, with an IoU of 0.5; of how many."""
    met = objects = 0
    for image in images:
        truths = np.flatnonzero(~image.ignored)
        surest = np.argsort(-image.scores, kind="stable")[: max(len(truths), _MIN_DETECTIONS)]
        met += int((overlaps(image, surest, truths).max(axis=0, initial=0) >= 0.5).sum())
        objects += len(truths)
    return met, objects


def some_images(results: Results) -> list[ImageResult]:
    """Images with objects and detections, at most 200, from all over the set."""
    both = [image for image in results.images if len(image.scores) and not image.ignored.all()]
    return both[:: -(-len(both) // _MOST_IMAGES) or 1]


def check_units(results: Results) -> Iterator[Finding]:
    """An error if detections and groundtruth do not meet as they are, but would if one of them is read otherwise."""
    images = some_images(results)
    met, objects = count_met(images)
    if not objects or met >= _ENOUGH * objects:
        return
    best = {side: _best_reading(images, side) for side in _FIXES}
    enough = max(_LEAST_MET, 2 * met, met + _MORE * objects, _MUST_MEET * objects)
    sides = [side for side in best if best[side][1] >= enough]
    if not sides:
        return
    # What is swapped on one side may as well be swapped on the other. Larger boxes are met more often, so that the
    # count alone does not tell.
    side = min(sides, key=lambda side: (round(_share_inside(images, side), 1), -best[side][1]))
    better = best[side][1]
    yield Finding(
        ERROR,
        f"The boxes of the {side} {best[side][0].text}: of {counted(objects, 'object')} the surest detections meet "
        f"{met / objects:.0%} with an IoU of 0.5 as the boxes are, and {better / objects:.0%} if they are read so.",
        kind="boxes-in-other-units",
        fix=_FIXES[side],
        count=objects - met,
    )


def _best_reading(images: Sequence[ImageResult], side: str) -> tuple[Reading, int]:
    """The reading of one side's boxes with which most objects are met, the simplest of equal ones; and how many are."""
    read = ((reading, count_met([_read_otherwise(image, side, reading) for image in images])[0])
            for reading in _readings())  # fmt: skip
    return max(read, key=lambda each: each[1])


_FIXES = {
    "detections": "Write the boxes of the detections in pixels of the original image: bbox of COCO's results is [x, y, "
    "width, height], of the upper left corner.",
    "groundtruth": "Correct the boxes of the groundtruth: COCO's bbox is [x, y, width, height] in pixels, records have "
    "xmin, xmax, ymin and ymax divided by the width and height of the image. `odtk inspect` draws them.",
}


def _readings() -> Iterator[Reading]:
    """Simple ones first."""
    for unit, scale in (("", _in_pixels), (" and are normalized to 0..1 instead of in pixels", _normalized)):
        for text, layout in _LAYOUTS.items():
            if text or unit:
                yield Reading(text + unit if text else unit.removeprefix(" and "), layout, scale)
    for side in _INPUT_SIDES:
        yield Reading(f"are in pixels of an input of {side} x {side}", _as_read, _stretched(side))
        yield Reading(f"are in pixels of an input whose longer side is {side}", _as_read, _fitted(side))


def _as_read(boxes: np.ndarray) -> np.ndarray:
    return boxes


_LAYOUTS: dict[str, Layout] = {
    "": _as_read,
    "have x and y swapped": lambda boxes: boxes[:, [1, 0, 3, 2]],
    "have their lower right corner where width and height are read": lambda boxes: np.concatenate(
        [boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1
    ),
    "have width and height where the lower right corner is read": lambda boxes: np.concatenate(
        [boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1
    ),
    "have their center where the upper left corner is read": lambda boxes: (
        boxes - np.tile((boxes[:, 2:] - boxes[:, :2]) / 2, 2)
    ),
}


def _in_pixels(size: tuple[int, int]) -> np.ndarray:
    return np.ones(4)


def _normalized(size: tuple[int, int]) -> np.ndarray:
    return np.tile(np.array(size, float), 2)


def _stretched(side: int) -> Scale:
    return lambda size: np.tile(np.array(size, float) / side, 2)


def _fitted(side: int) -> Scale:
    return lambda size: np.full(4, max(size) / side)


def _read_otherwise(image: ImageResult, side: str, reading: Reading) -> ImageResult:
    if side == "detections":
        return dataclasses.replace(image, detected_boxes=reading.apply(image.detected_boxes, image.size))
    return dataclasses.replace(image, boxes=reading.apply(image.boxes, image.size))


def _share_inside(images: Sequence[ImageResult], side: str) -> float:
    """The share of the boxes that do not leave their image."""
    inside = [(_boxes(image, side)[:, 2:] <= np.array(image.size) + 1).all(axis=1) for image in images]
    return float(np.concatenate(inside).mean())


def _boxes(image: ImageResult, side: str) -> np.ndarray:
    return image.detected_boxes if side == "detections" else image.boxes
