"""Chooses the size that images are resized to, and anchors, by the sizes of the boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from odtk import pipeline
from odtk.detectors import families
from odtk.tools.init_project.data_facts import DataFacts

Size = tuple[int, int]

ENOUGH = 0.9
"""Of the boxes, the share that has a similar anchor: then no larger images are chosen."""
FEW = 0.5
"""Below this share objects are too small for any choice."""
_GAIN = 0.1  # a difference of shares that matters
_SIMILAR = 0.5  # IoU: the threshold of the shipped pipelines' matchers
_COMPARED = 20_000  # boxes
_PANORAMA = 2.0  # from this ratio of the sides on, images are not stretched to a square
_LONGEST = 4.0
_ALIKE = 1.3  # of most images' ratios and their median: then one shape is right for all
_ANCHORS = "model.ssd.anchor_generator.multiscale_anchor_generator"


@dataclass(frozen=True)
class ImageSize:
    """Height and width, changes of the anchors, and how many of the boxes have a similar anchor then."""

    size: Size
    matched: float
    edits: Mapping[str, str] = field(default_factory=dict)
    """Of the anchors: field to value, for `configure(set=...)`."""
    matched_before: float = 1.0
    """Without these changes."""
    is_limited: bool = False
    """Whether larger images would match more boxes, but take too long."""


def choose_image_size(
    facts: DataFacts, base: str, sides: Sequence[int], can_afford: Callable[[Size], bool]
) -> ImageSize:
    """The first of `sides` (of a square; ascending) at which ENOUGH boxes have a similar anchor.

    If there is none, anchors are changed, too. Panoramas keep their shape, with as many pixels. The first of `sides`
    counts as affordable.
    """
    config = pipeline.read(base)
    family = families.of(config)
    usable = family.input_size(config.model).usable_side
    sizes = [
        (usable(round(height)), usable(round(width))) for height, width in (_shaped(facts, side) for side in sides)
    ]
    affordable = [size for number, size in enumerate(sizes) if number == 0 or can_afford(size)]
    boxes = facts.box_sizes[:: -(-len(facts.box_sizes) // _COMPARED)]
    plain = {
        size: ImageSize(size, matched_share(boxes, size, family.anchor_sizes(config.model, size))) for size in sizes
    }
    if good := [plain[size] for size in affordable if plain[size].matched >= ENOUGH]:
        return good[0]
    tried = [plain[size] for size in affordable] + [
        ImageSize(size, matched_share(boxes, size, anchors.sizes), anchors.edits, plain[size].matched)
        for anchors in _other_anchors(config)
        for size in affordable
    ]
    best = _best(tried)
    is_limited = not best.edits and max(each.matched for each in plain.values()) > best.matched + _GAIN
    return replace(best, is_limited=is_limited)


@dataclass(frozen=True)
class _Anchors:
    edits: Mapping[str, str]
    sizes: Sequence[tuple[float, float]]
    """Height and width, pixels."""


def _other_anchors(config) -> Iterator[_Anchors]:
    """Smaller ones than the config's, longer ones, and both; none for those of another generator."""
    family = families.of(config)
    if config.model.ssd.anchor_generator.WhichOneof("anchor_generator_oneof") != _ANCHORS.rsplit(".", 1)[-1]:
        return
    smaller = {f"{_ANCHORS}.anchor_scale": f"{pipeline.get_field(config, f'{_ANCHORS}.anchor_scale') / 2:g}"}
    longer = {f"{_ANCHORS}.aspect_ratios": "[1.0, 2.0, 0.5, 4.0, 0.25]"}
    for edits in (smaller, longer, smaller | longer):
        text = pipeline.set_fields(pipeline.format(config), list(edits.items()), "the pipeline")
        yield _Anchors(edits, family.anchor_sizes(pipeline.parse(text, "the pipeline").model))


def _best(tried: Sequence[ImageSize]) -> ImageSize:
    """Of those that match about as many boxes as any, the one with the fewest changes, then the smallest.

    Where few boxes are matched at best, objects are tiny, and the largest images show most of them.
    """
    most = max(each.matched for each in tried)
    good = [each for each in tried if each.matched >= most - _GAIN / 2]
    if most < FEW:
        return max(good, key=lambda each: each.size)
    return min(good, key=lambda each: (len(each.edits), each.size))


def matched_share(boxes: np.ndarray, size: Size, anchors: Sequence[tuple[float, float]]) -> float:
    """The share of boxes (height and width relative to the image) that are similar to an anchor with their center.

    That is more than training will find, as anchors stand on a grid. 1 for a model without anchors.
    """
    if not anchors:
        return 1.0
    sides = (boxes * size)[:, None]  # [boxes, 1, 2], pixels
    shapes = np.array(anchors)[None]
    shared = np.minimum(sides, shapes).prod(axis=2)
    union = sides.prod(axis=2) + shapes.prod(axis=2) - shared
    return float((shared >= _SIMILAR * union).any(axis=1).mean())


def _shaped(facts: DataFacts, side: int) -> tuple[float, float]:
    """Height and width of as many pixels as a square of `side`, in the shape of panoramas if the images are such."""
    low, middle, high = facts.aspect_ratios
    is_wide = middle >= _PANORAMA or middle <= 1 / _PANORAMA
    if not is_wide or high > middle * _ALIKE or low < middle / _ALIKE:
        return side, side
    root = min(max(middle, 1 / _LONGEST), _LONGEST) ** 0.5
    return side / root, side * root
