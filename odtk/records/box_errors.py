"""Decides whether a box of a record is usable, and describes why not; `odtk.inputs.bad_boxes` does it with tensors.

Boxes are normalised [ymin, xmin, ymax, xmax]. TFOD trains on any box: an inverted one makes the loss NaN, one in pixels
makes it enormous. Boxes that extend slightly beyond the image, or have no area, are kept, as in TFOD.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# A side may be beyond the image by up to the image's own size, and the box must touch the image.
LOWEST = (-1.0, -1.0, 0.0, 0.0)
HIGHEST = (1.0, 1.0, 2.0, 2.0)

NOT_A_NUMBER, IN_PIXELS, INVERTED, OUTSIDE = "not a number", "in pixels", "inverted", "far outside the image"

REMEDIES = {
    IN_PIXELS: "divide coordinates in pixels by the image's height and width",
    INVERTED: "inverted boxes have a minimum above their maximum",
}


def fault(box: Sequence[float]) -> str | None:
    """What is wrong with a box [4], None if it is usable."""
    ymin, xmin, ymax, xmax = box
    if not all(map(math.isfinite, box)):
        return NOT_A_NUMBER
    if max(box) > max(HIGHEST):
        return IN_PIXELS
    if ymin > ymax or xmin > xmax:
        return INVERTED
    if all(low <= side <= high for low, side, high in zip(LOWEST, box, HIGHEST, strict=True)):
        return None
    return OUTSIDE


@dataclass(frozen=True)
class BadBox:
    """An unusable box: its index in the record's lists (from 0), what is wrong, and the box [4]."""

    index: int
    fault: str
    box: tuple[float, ...]

    def __str__(self) -> str:
        sides = zip(("ymin", "xmin", "ymax", "xmax"), self.box, strict=True)
        return f"box {self.index} is {self.fault} ({', '.join(f'{name} {side:.6g}' for name, side in sides)})"


@dataclass(frozen=True)
class ImageWithBadBoxes:
    """A record's image that is used without some of its boxes."""

    file: str
    record: int  # from 0
    image: str | None  # its name in the record
    num_boxes: int  # all of them
    bad: tuple[BadBox, ...]

    def __str__(self) -> str:
        name = f" (image {self.image})" if self.image else ""
        more = f", and {len(self.bad) - 1} more of its {self.num_boxes} boxes" if len(self.bad) > 1 else ""
        return f"{self.file}, record {self.record}{name}: {self.bad[0]}{more}"


def bad_boxes(boxes: Iterable[Sequence[float]]) -> tuple[BadBox, ...]:
    """The unusable boxes of a record."""
    faults = ((index, fault(box), box) for index, box in enumerate(boxes))
    return tuple(BadBox(index, what, tuple(map(float, box))) for index, what, box in faults if what)


def count_in_words(images: Iterable[ImageWithBadBoxes]) -> str:
    """`5 boxes in 2 images (3 in pixels, 2 inverted)`."""
    images = list(images)
    kinds = Counter(bad.fault for image in images for bad in image.bad)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return f"{_number(kinds.total(), 'box', 'boxes')} in {_number(len(images), 'image', 'images')} ({listed})"


def advice(images: Iterable[ImageWithBadBoxes]) -> str:
    """What to do about their boxes, a sentence."""
    kinds = dict.fromkeys(bad.fault for image in images for bad in image.bad)
    remedies = "; ".join(REMEDIES[kind] for kind in kinds if kind in REMEDIES)
    return f"Write the records again with boxes within 0..1{f': {remedies}' if remedies else ''}."


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
