"""Compares groundtruth with a config's anchors: finds boxes that training's matcher cannot match."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from odtk import progress
from odtk.datasets.checks.coverage import Coverage
from odtk.detectors import families
from odtk.detectors.parts.anchor_grid import AnchorGrid, AnchorMatching
from odtk.detectors.parts.resizer import build_resizer

_SIZE_EDGES = (16, 32, 64, 128, 256)
SIZES = ("under 16", "16-32", "32-64", "64-128", "128-256", "256 and more")
"""Names of the box size bins: the square root of the area, in pixels."""

_CHUNK = 2048  # boxes that are compared with their candidates at once
_COMPARED = 32  # boxes that are compared with all anchors at once


@dataclass(frozen=True)
class Frames:
    """Image sizes as the model sees them: pixels, int [images, 2] (height, width), without and with padding."""

    true: np.ndarray
    padded: np.ndarray

    def boxes(self, boxes: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Boxes float [n, 4] normalized to their image (rows int [n]), normalized to the padded frame: float32."""
        scale = self.true[image].astype(np.float32) / self.padded[image].astype(np.float32)
        return boxes.astype(np.float32) * np.tile(scale, 2)

    @property
    def name(self) -> str:
        """`640x480` (width and height), if all images have that size."""
        sizes = {tuple(size) for size in self.padded.tolist()}
        return "{}x{}".format(*sizes.pop()[::-1]) if len(sizes) == 1 else "a size of its own for each image"


@dataclass(frozen=True)
class Matched:
    """Whether and how the matcher matches each box (bool [boxes] each), and the matcher."""

    by_threshold: np.ndarray  # an anchor overlaps it enough
    by_force: np.ndarray  # not so, but it is forced to match its best anchor
    matching: AnchorMatching


def frames(config, heights: np.ndarray, widths: np.ndarray) -> Frames:
    """The sizes after the config's resizer of images of these sizes (pixels)."""
    message = families.of(config).image_resizer(config.model)
    resize = build_resizer(message)
    sizes, place = np.unique(np.stack([heights, widths], axis=1), axis=0, return_inverse=True)
    if message.WhichOneof("image_resizer_oneof") == "fixed_shape_resizer":
        fixed = message.fixed_shape_resizer
        full = np.broadcast_to(np.array([fixed.height, fixed.width]), (len(heights), 2))
        return Frames(full, full)
    pairs = [_resized(resize, *size) for size in sizes.tolist()]
    found = np.array(pairs, np.int64).reshape(-1, 2, 2)[place.ravel()]
    return Frames(found[:, 0], found[:, 1])


def _resized(resize: Callable, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    image, true_shape = resize(tf.zeros([height, width, 3], tf.uint8))
    return tuple(true_shape[:2].numpy().tolist()), tuple(image.shape[:2])


def match(config, seen: Frames, boxes: np.ndarray, image: np.ndarray) -> Matched | None:
    """Which boxes (float32 [n, 4] in the padded frame, of the images int [n], sorted) get an anchor in training.

    None if the model has no anchors. Without augmentation, and counting all boxes of an image. Candidates are compared
    first: among anchors of one shape on a grid, the nearest to a box's center overlaps it most, so there are few. Only
    images with a box that no candidate overlaps enough are compared with all anchors, to see which boxes have the same
    best one. Raises ConfigError for a model that odtk does not build, because its anchors are unknown.
    """
    family = families.of(config)
    family.require_buildable(config.model)
    matching = family.anchor_matching(config.model)
    if matching is None:
        return None
    by_threshold, by_force = np.zeros(len(boxes), bool), np.zeros(len(boxes), bool)
    with progress.track("Matching", len(boxes), "boxes") as bar:
        for size, chosen in _by_frame(seen, image):
            grid = family.anchor_grid(config.model, size)
            assert grid is not None  # a model with matching has anchors
            if not matching.takes(grid.anchors).any():
                bar.advance(len(chosen))
                continue
            best = np.concatenate([_best(grid, boxes[part], matching) for part in _parts(chosen)])
            by_threshold[chosen] = best >= matching.matched_threshold
            if matching.force_match:
                wanted = ~by_threshold[chosen]
                by_force[chosen] = _forced(grid, boxes[chosen], image[chosen], wanted, matching)
            bar.advance(len(chosen))
    return Matched(by_threshold, by_force, matching)


def coverage(path: str, seen: Frames, matched: Matched, sides: np.ndarray, classes: Sequence[str]) -> Coverage:
    """Counts by class (`classes` has a name per box) and size in SIZES (`sides`, pixels); `path` is the config's."""
    bins = np.digitize(sides, _SIZE_EDGES)
    names = np.array(classes, object)
    table = {}
    for name in sorted(set(classes)):
        own = names == name
        cells = [own & (bins == number) for number in range(len(SIZES))]
        table[name] = [(int((cell & ~matched.by_threshold).sum()), int(cell.sum())) for cell in cells]
    unmatched, forced = int((~matched.by_threshold).sum()), int(matched.by_force.sum())
    return Coverage(
        config=path,
        frame=seen.name,
        similarity=matched.matching.similarity_name,
        threshold=max(0.0, matched.matching.matched_threshold),
        force_match=matched.matching.force_match,
        sizes=SIZES,
        classes=table,
        boxes=len(classes),
        unmatched=unmatched,
        forced=forced,
        lost=unmatched - forced,
    )


def _by_frame(seen: Frames, image: np.ndarray) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Each size of the padded frame, with the indices of the boxes in images of that size."""
    sizes, place = np.unique(seen.padded, axis=0, return_inverse=True)
    of_box = place.ravel()[image]
    for number, size in enumerate(sizes.tolist()):
        chosen = np.flatnonzero(of_box == number)
        if len(chosen):
            yield tuple(size), chosen


def _parts(chosen: np.ndarray) -> list[np.ndarray]:
    return [chosen[start : start + _CHUNK] for start in range(0, len(chosen), _CHUNK)]


def _best(grid: AnchorGrid, boxes: np.ndarray, matching: AnchorMatching) -> np.ndarray:
    """The greatest similarity of each box with any anchor: float32 [n]."""
    shapes = [level[:, :, shape] for level in grid.levels for shape in range(level.shape[2])]
    found = [_nearest(shape, matching.takes(shape), boxes) for shape in shapes]
    candidates = np.concatenate([each for each in found if each is not None], axis=1)
    return tf.reduce_max(matching.similarity(tf.constant(boxes[:, None]), tf.constant(candidates)), axis=[1, 2]).numpy()


def _nearest(anchors: np.ndarray, taken: np.ndarray, boxes: np.ndarray) -> np.ndarray | None:
    """Of anchors of one shape [rows, columns, 4] those around each box's center: float32 [n, 4, 4].

    Of those `taken`, bool [rows, columns], which are a rectangle of the grid; None if there are none.
    """
    anchors = anchors[taken.any(axis=1)][:, taken.any(axis=0)]
    if not anchors.size:
        return None
    rows = _around((anchors[:, 0, 0] + anchors[:, 0, 2]) / 2, (boxes[:, 0] + boxes[:, 2]) / 2)
    columns = _around((anchors[0, :, 1] + anchors[0, :, 3]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2)
    return anchors[rows[:, :, None], columns[:, None, :]].reshape(len(boxes), -1, 4)


def _around(centers: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Indices of the centers below and above each value: int [n, 2]."""
    above = np.searchsorted(centers, values)
    return np.clip(np.stack([above - 1, above], axis=1), 0, len(centers) - 1)


def _forced(
    grid: AnchorGrid, boxes: np.ndarray, image: np.ndarray, wanted: np.ndarray, matching: AnchorMatching
) -> np.ndarray:
    """Which of the `wanted` boxes are forced to match their best anchor: bool [n]; `image` is sorted.

    Among boxes of one image with the same best anchor, the first gets it (see odtk.boxes.matching).
    """
    _, place, counts = np.unique(image, return_inverse=True, return_counts=True)
    rivals = np.flatnonzero((counts > 1)[place] & np.isin(image, image[wanted]))
    best, anchors = np.full(len(boxes), -1), tf.constant(grid.anchors[matching.takes(grid.anchors)])
    for part in np.array_split(rivals, max(1, -(-len(rivals) // _COMPARED))):
        best[part] = tf.argmax(matching.similarity(tf.constant(boxes[part]), anchors), axis=1).numpy()
    first = np.zeros(len(boxes), bool)
    first[np.unique(np.stack([image, best]), axis=1, return_index=True)[1]] = True
    return wanted & first
