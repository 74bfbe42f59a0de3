"""Conventions of a whole dataset: how to read its boxes, sizes, EXIF orientations and high bit depths.

`Evidence` sums up the facts of all images, in any order; `Conventions` is what follows from it for each of them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from odtk.annotations.annotated_image import Problem
from odtk.annotations.dataset import ORDERS
from odtk.annotations.image_facts import EXCHANGED, IMAGE, LIMITS, NEAR, RESIZED, STATED, STORED, TURNED, Facts
from odtk.errors import Option

NORMALIZED = "boxes read as normalized"

_ORDERS = tuple(ORDERS)
_MEANINGS = {
    "xyxy": "two corners",
    "xywh": "the top left corner, width and height",
    "cxcywh": "the center, width and height",
    "yxyx": "two corners, y first",
}
_IMAGE_FRAME, _STATED_FRAME, _UNIT_FRAME = range(3)
_EDGE, _CLOSE, _OUTSIDE = range(3)

_RATIO = 10  # to one: a majority that outweighs contrary evidence
_MANY_BOXES = 10  # with this many, it is not by chance that all of them lie in the smaller of two frames
_MOST = 0.95  # of the boxes

# The share of boxes that are wrong as read at which other orders of the numbers are tried, and the least number.
_DOUBTFUL, _LEAST = 0.2, 3
_FEW, _FEW_BOXES = 0.02, 8  # the same for trying the center instead of the corner, or the reverse
_WRONG = 0.5
_SLIPS = 0.05  # of the boxes may fit no order

# Percentages are told from pixels in images larger than 100 pixels whose boxes all end below 100.
# Boxes that are there by chance are few, or do not reach both ends of the range.
_PERCENT_SIDE, _PERCENT_REACH, _PERCENT_START, _CHANCE = 110, 85, 15, 0.01


@dataclass(frozen=True)
class Conventions:
    """What is decided for all images of a dataset; evidence in an image itself takes precedence. "": undecided."""

    exif: str = ""  # STORED or TURNED
    resized: str = ""  # STATED or IMAGE: the size that boxes refer to, if the stated size is that of another copy
    exchanged: str = ""  # the same, if the stated size has width and height swapped
    normalized: bool = False  # though the format has pixels
    bits: int = 0  # used by samples of high bit depth, at most, in any image


@dataclass
class Evidence:
    """The sum of the facts of all images."""

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
        for sums, counts in ((self.misfits, facts.misfits), (self.leaving, facts.leaving)):
            assert counts is not None  # as there are boxes
            sums[facts.size] = sums[facts.size] + counts if facts.size in sums else counts
        self.in_unit += facts.in_unit
        self.in_percent += facts.in_percent
        self.has_fractions |= facts.has_fractions
        self.reach = max(self.reach[0], facts.reach[0]), max(self.reach[1], facts.reach[1])
        self.start = min(self.start[0], facts.start[0]), min(self.start[1], facts.start[1])
        self.least_side = min(self.least_side, facts.least_side)

    def decide(self) -> Conventions:
        """The conventions that follow from the evidence."""
        strong = self.frames[RESIZED]
        return Conventions(
            exif=_winner(self.exif, STORED, TURNED),
            resized=_winner(strong if strong else _if_many(self.inner), STATED, IMAGE),
            exchanged=_winner(self.frames[EXCHANGED], STATED, IMAGE),
            normalized=self.has_fractions and self.in_unit >= _MOST * self.boxes.total() > 0,
            bits=self.bits,
        )

    def problems(self, folder: str) -> list[Problem]:
        """Issues with the dataset as a whole."""
        if not self.decide().normalized:
            return []
        text = (
            f"{self.in_unit:,} of {self.boxes.total():,} boxes are within 0 to 1, so they are read as normalized by "
            "width and height, not as pixels."
        )
        return [Problem(folder, None, NORMALIZED, text)]

    def refusal(self, folder: str) -> str | None:
        """Why the boxes cannot be right as they are read, and what may be meant; None if they can be right."""
        found = self._refusal()
        return f"{folder}: {found[0]} To read them as they are, set boxes to {found[1]}." if found else None

    def options(self, command: str = "") -> tuple[Option, ...]:
        """What may be meant, as options: the orders of `command`, and what make-tfrecords does to images."""
        _, _, others, may_be_turned = self._refusal() or ("", "", [], False)
        turned = [Option("make-tfrecords", "--exif", "apply")] * may_be_turned
        return (*(Option(command, "--boxes", other) for other in others), *turned)

    def _refusal(self) -> tuple[str, str, list[str], bool] | None:
        """Why, the order as which they are read, the orders that may be meant, and whether images may be turned."""
        if not self.boxes:
            return None
        order = self.orders.most_common(1)[0][0]
        count, misfits, leaving = self._in_their_frames()
        wrong = int(misfits[_ORDERS.index(order), _OUTSIDE])
        fitting = _fitting(misfits[:, _CLOSE], count) or _fitting(misfits[:, _OUTSIDE], count)
        others, may_be_turned = [other for other in fitting if other != order], False
        if others and wrong >= max(_LEAST, _DOUBTFUL * count):
            why = _wrong_order(order, others, wrong, count)
            if others == ["yxyx"]:
                may_be_turned = self.exif[STORED] > 0
                why += _or_turned(may_be_turned)
        elif other := _shifted(order, misfits[:, _EDGE], count):
            others = [other]
            why = _wrong_order(order, others, int(misfits[_ORDERS.index(order), _EDGE]), count)
        elif leaving >= max(_LEAST, _WRONG * count):
            others = []
            why = (
                f"{leaving:,} of {count:,} boxes extend beyond their images, and no other order of their numbers "
                "makes them fit. Check that annotations and images belong together, and that the images were not "
                "resized or rotated after they were annotated."
            )
        elif self._are_percents():
            others = []
            why = (
                f"all {count:,} boxes are within 0 to 100, although no image has a side below {self.least_side} "
                "pixels, so they seem to be percentages. Convert them to pixels: divide by 100 and multiply by the "
                "image's width or height."
            )
        else:
            return None
        return why, order, others, may_be_turned

    def _in_their_frames(self) -> tuple[int, np.ndarray, int]:
        """Boxes whose frame is known; how many do not fit each order [orders, limits]; how many leave it as read."""
        decided, used = self.decide(), {"": _IMAGE_FRAME, NEAR: _IMAGE_FRAME}
        for difference, chosen in ((RESIZED, decided.resized), (EXCHANGED, decided.exchanged)):
            if chosen:
                used[difference] = _STATED_FRAME if chosen == STATED else _IMAGE_FRAME
        if decided.normalized:
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
    named = " or ".join(f"{_MEANINGS[other]} (boxes: {other})" for other in others)
    return (
        f"{wrong:,} of {count:,} boxes are inverted or extend beyond their images when their numbers are read as "
        f"{_MEANINGS[order]}. They fit as {named}: if that is what they are, set it."
    )


def _or_turned(has_orientations: bool) -> str:
    """The other possible reason why boxes fit with x and y swapped."""
    if has_orientations:
        return (
            " But images here are not rotated by their EXIF orientation, because the stated sizes are those of the "
            "stored pixels: if the boxes were drawn on the rotated images, set exif to apply instead."
        )
    return " They would also fit if the images were rotated after they were annotated: look at some with odtk view."


def _shifted(order: str, misfits: np.ndarray, count: int) -> str | None:
    """Center instead of corner, or the reverse, if boxes near the edge show that it is meant.

    The two differ by only half a box's side. But slips happen both ways, while the right order leaves no box outside.
    """
    other = {"xywh": "cxcywh", "cxcywh": "xywh"}.get(order)
    if other is None:
        return None
    wrong, of_other = (int(misfits[_ORDERS.index(name)]) for name in (order, other))
    return other if wrong >= max(_FEW_BOXES, _FEW * count) and wrong >= _RATIO * of_other else None


def _winner(votes: Counter, one: str, other: str) -> str:
    """The one of two that has all votes, or more than ten times as many as the other; "" if neither does."""
    if votes[one] > _RATIO * votes[other]:
        return one
    return other if votes[other] > _RATIO * votes[one] else ""


def _if_many(votes: Counter) -> Counter:
    return Counter({name: count for name, count in votes.items() if count >= _MANY_BOXES})


def _fitting(misfits: np.ndarray, count: int) -> list[str]:
    """The orders that (nearly) all boxes fit, best first, without much worse ones."""
    least = misfits.min()
    ranked = sorted(zip(misfits.tolist(), _ORDERS, strict=True), key=lambda pair: pair[0])
    fitting = [order for found, order in ranked if found <= _SLIPS * count and found <= least + _SLIPS * count / 2]
    # If width and height hardly differ, as in 0..1, boxes that fit with x first also fit with y first.
    return [order for order in fitting if order != "yxyx" or "xyxy" not in fitting]
