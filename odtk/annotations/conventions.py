"""What holds for a whole data set: how its boxes, sizes, orientations and deep samples are meant, as its images prove.

`Evidence` adds up the facts of all images, whatever their order; `Conventions` is what follows for each of them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from odtk.annotations.annotated_image import Problem
from odtk.annotations.dataset import ORDERS
from odtk.annotations.image_facts import EXCHANGED, IMAGE, LIMITS, NEAR, RESIZED, STATED, STORED, TURNED, Facts

NORMALISED = "boxes taken as normalised"

_ORDERS = tuple(ORDERS)
_MEANINGS = {
    "xyxy": "two corners",
    "xywh": "the upper left corner, width and height",
    "cxcywh": "the centre, width and height",
    "yxyx": "two corners, y before x",
}
_IMAGE_FRAME, _STATED_FRAME, _UNIT_FRAME = range(3)
_EDGE, _CLOSE, _OUTSIDE = range(3)

_RATIO = 10  # to one, for evidence that is against the rest's
_MANY_BOXES = 10  # from which on it is no chance that all of them lie in the smaller of two frames
_MOST = 0.95  # of the boxes

# Boxes that are wrong as they are read: a reason to try other orders of their numbers, and the least for any doubt.
_DOUBTFUL, _LEAST = 0.2, 3
_FEW, _FEW_BOXES = 0.02, 8  # a reason to try the centre for the corner, or the reverse
_WRONG = 0.5
_SLIPS = 0.05  # of the boxes, which fit no order

# Percents are told from pixels by images that are larger than 100, with boxes that end short of it.
# Boxes that lie there by chance are few, or do not reach both ends of the range.
_PERCENT_SIDE, _PERCENT_REACH, _PERCENT_START, _CHANCE = 110, 85, 15, 0.01


@dataclass(frozen=True)
class Conventions:
    """What is decided for all images of a data set. Each image's own proof goes before it; "" decides nothing."""

    exif: str = ""  # STORED or TURNED
    resized: str = ""  # STATED or IMAGE: what boxes are in pixels of, where the stated size is that of another copy
    exchanged: str = ""  # the same, where it is the image's with width for height
    normalised: bool = False  # though the format has pixels
    bits: int = 0  # that deep samples use, in the image that uses most


@dataclass
class Evidence:
    """The facts of all images, added up."""

    exif: Counter = field(default_factory=Counter)
    frames: dict[str, Counter] = field(default_factory=lambda: {RESIZED: Counter(), EXCHANGED: Counter()})
    inner: Counter = field(default_factory=Counter)  # objects
    orders: Counter = field(default_factory=Counter)  # boxes
    boxes: Counter = field(default_factory=Counter)  # by size difference
    misfits: dict[str, np.ndarray] = field(default_factory=dict)  # by size difference, see Facts
    leaving: dict[str, np.ndarray] = field(default_factory=dict)
    in_unit: int = 0
    in_percent: int = 0
    has_fractions: bool = False
    reach: tuple[float, float] = (0.0, 0.0)
    start: tuple[float, float] = (math.inf, math.inf)
    least_side: int = 10**9
    bits: int = 0

    def add(self, facts: Facts) -> None:
        """Adds an image's facts."""
        self.bits = max(self.bits, facts.bits)
        if facts.exif:
            self.exif[facts.exif] += 1
        if facts.frame:
            self.frames[facts.size][facts.frame] += 1
        if facts.inner:
            self.inner[facts.inner] += facts.objects
        if not facts.boxes:
            return
        self.orders[facts.order] += facts.boxes
        self.boxes[facts.size] += facts.boxes
        self.misfits[facts.size] = self.misfits.get(facts.size, 0) + facts.misfits
        self.leaving[facts.size] = self.leaving.get(facts.size, 0) + facts.leaving
        self.in_unit += facts.in_unit
        self.in_percent += facts.in_percent
        self.has_fractions |= facts.has_fractions
        self.reach = max(self.reach[0], facts.reach[0]), max(self.reach[1], facts.reach[1])
        self.start = min(self.start[0], facts.start[0]), min(self.start[1], facts.start[1])
        self.least_side = min(self.least_side, facts.least_side)

    def decide(self) -> Conventions:
        """What the data set proves."""
        strong = self.frames[RESIZED]
        return Conventions(
            exif=_winner(self.exif, STORED, TURNED),
            resized=_winner(strong if strong else _if_many(self.inner), STATED, IMAGE),
            exchanged=_winner(self.frames[EXCHANGED], STATED, IMAGE),
            normalised=self.has_fractions and self.in_unit >= _MOST * self.boxes.total() > 0,
            bits=self.bits,
        )

    def problems(self, folder: str) -> list[Problem]:
        """What is to be said of the data set as a whole."""
        if not self.decide().normalised:
            return []
        text = (
            f"{self.in_unit:,} of {self.boxes.total():,} boxes lie in 0 to 1, so they are taken as parts of the sides "
            "of their images, not as pixels."
        )
        return [Problem(folder, None, NORMALISED, text)]

    def refusal(self, folder: str) -> str | None:
        """Why the boxes cannot be meant as they are read, and what may be meant, in sentences; None where they can."""
        if not self.boxes:
            return None
        order = self.orders.most_common(1)[0][0]
        count, misfits, leaving = self._in_their_frames()
        wrong = int(misfits[_ORDERS.index(order), _OUTSIDE])
        fitting = _fitting(misfits[:, _CLOSE], count) or _fitting(misfits[:, _OUTSIDE], count)
        others = [other for other in fitting if other != order]
        if others and wrong >= max(_LEAST, _DOUBTFUL * count):
            why = _wrong_order(order, others, wrong, count)
            if others == ["yxyx"]:
                why += _or_turned(self.exif[STORED] > 0)
        elif other := _shifted(order, misfits[:, _EDGE], count):
            why = _wrong_order(order, [other], int(misfits[_ORDERS.index(order), _EDGE]), count)
        elif leaving >= max(_LEAST, _WRONG * count):
            why = (
                f"{leaving:,} of {count:,} boxes reach outside of their images, and no other order of their numbers "
                "makes them fit. Look whether annotations and images belong together, and whether the images were "
                "resized or turned since."
            )
        elif self._are_percents():
            why = (
                f"all {count:,} boxes lie in 0 to 100, though no image has a side under {self.least_side} pixels, as "
                "if they were percents. Write them in pixels: divided by 100, times the image's width or height."
            )
        else:
            return None
        return f"{folder}: {why} To take them as they are read, say --boxes {order}."

    def _in_their_frames(self) -> tuple[int, np.ndarray, int]:
        """Boxes whose frame is known; how many misfit each order [orders, limits]; how many leave it as read."""
        decided, used = self.decide(), {"": _IMAGE_FRAME, NEAR: _IMAGE_FRAME}
        for difference, frame in ((RESIZED, decided.resized), (EXCHANGED, decided.exchanged)):
            if frame:
                used[difference] = _STATED_FRAME if frame == STATED else _IMAGE_FRAME
        if decided.normalised:
            used = dict.fromkeys(self.boxes, _UNIT_FRAME)
        count, misfits, leaving = 0, np.zeros((len(ORDERS), len(LIMITS)), int), 0
        for difference, frame in used.items():
            if difference in self.boxes:
                count += self.boxes[difference]
                misfits = misfits + self.misfits[difference][:, frame]
                leaving += int(self.leaving[difference][frame])
        return count, misfits, leaving

    def _are_percents(self) -> bool:
        count = self.boxes.total()
        return (
            count >= _MANY_BOXES
            and self.in_percent == count
            and self.least_side >= _PERCENT_SIDE
            and (100 / self.least_side) ** count <= _CHANCE
            and min(self.reach) >= _PERCENT_REACH
            and max(self.start) <= _PERCENT_START
        )


def _wrong_order(order: str, others: list[str], wrong: int, count: int) -> str:
    named = " or ".join(f"{_MEANINGS[other]} (--boxes {other})" for other in others)
    return (
        f"{wrong:,} of {count:,} boxes are inverted or reach outside of their images when their numbers are read as "
        f"{_MEANINGS[order]}. Read as {named}, they fit: if that is what they are, say so with this option."
    )


def _or_turned(has_orientations: bool) -> str:
    """The other reason why boxes fit with x for y."""
    if has_orientations:
        return (
            " But images here are not turned as their EXIF orientation says, as the stated sizes are those of the "
            "pixels as stored: if the boxes were drawn on them as they are shown, say --exif apply instead."
        )
    return " They would fit, too, if the images were turned since they were annotated: look at some with odtk view."


def _shifted(order: str, misfits: np.ndarray, count: int) -> str | None:
    """The other one of corner and centre, where small boxes show that it is meant: they hardly reach out of the image.

    Half a box's side is all that tells. But slips go both ways, while the right order leaves none outside.
    """
    other = {"xywh": "cxcywh", "cxcywh": "xywh"}.get(order)
    if other is None:
        return None
    wrong, of_other = (int(misfits[_ORDERS.index(name)]) for name in (order, other))
    return other if wrong >= max(_FEW_BOXES, _FEW * count) and wrong >= _RATIO * of_other else None


def _winner(votes: Counter, one: str, other: str) -> str:
    """The one of two that has votes, or ten times as many as the other; "" where neither has."""
    if votes[one] > _RATIO * votes[other]:
        return one
    return other if votes[other] > _RATIO * votes[one] else ""


def _if_many(votes: Counter) -> Counter:
    return Counter({name: count for name, count in votes.items() if count >= _MANY_BOXES})


def _fitting(misfits: np.ndarray, count: int) -> list[str]:
    """The orders that (nearly) all boxes fit, those that the most fit first, and no much worse ones."""
    least = misfits.min()
    ranked = sorted(zip(misfits.tolist(), _ORDERS, strict=True), key=lambda pair: pair[0])
    fitting = [order for found, order in ranked if found <= _SLIPS * count and found <= least + _SLIPS * count / 2]
    # Where sides hardly differ, as in 0..1, what fits with x before y fits the other way round, too.
    return [order for order in fitting if order != "yxyx" or "xyxy" not in fitting]
