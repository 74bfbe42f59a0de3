"""Groundtruth against a config's anchors: the boxes that training cannot match, by its own anchors and matcher."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from odtk import progress
from odtk.datasets.checks.coverage import Coverage
from odtk.detectors.parts.resizer import build_resizer, output_size
from odtk.detectors.ssd import build as ssd_resnet_fpn
from odtk.detectors.ssd.validation import refusals
from odtk.detectors.supported import MODEL_TYPES
from odtk.errors import ConfigError
from odtk.pipeline.support import refuse_unsupported

# The network's feature maps have strides of 2 to the power of 3..7, whatever levels the anchors are said to be of.
_STRIDES = (8, 16, 32, 64, 128)

_SIZE_EDGES = (16, 32, 64, 128, 256)
SIZES = ("under 16", "16-32", "32-64", "64-128", "128-256", "256 and more")
"""Names of the bins of box size: the side, in pixels, of a square of the box's area."""

_CHUNK = 2048  # boxes that are compared with their candidates at once
_COMPARED = 32  # boxes that are compared with all anchors at once


@dataclass(frozen=True)
class Frames:
    """How the model sees each image: sizes in pixels, int [images, 2] (height, width), without and with padding."""

    true: np.ndarray
    padded: np.ndarray

    def boxes(self, boxes: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Boxes float [n, 4] normalised to their image (rows int [n]), normalised to the padded frame: float32."""
        scale = self.true[image].astype(np.float32) / self.padded[image].astype(np.float32)
        return boxes.astype(np.float32) * np.tile(scale, 2)


@dataclass(frozen=True)
class Matched:
    """What the matcher makes of each box: bool [boxes] each."""

    by_threshold: np.ndarray  # an anchor overlaps it enough
    by_force: np.ndarray  # not so, but it has an anchor all the same


def frames(config, heights: np.ndarray, widths: np.ndarray) -> Frames:
    """The sizes that the config's resizer gives images of these sizes (pixels)."""
    resize = build_resizer(config.model.ssd.image_resizer)
    sizes, place = np.unique(np.stack([heights, widths], axis=1), axis=0, return_inverse=True)
    fixed = output_size(config.model.ssd.image_resizer)
    kind = config.model.ssd.image_resizer.WhichOneof("image_resizer_oneof")
    if fixed is not None and kind == "fixed_shape_resizer":
        full = np.broadcast_to(np.array(fixed), (len(heights), 2))
        return Frames(full, full)
    pairs = [_resized(resize, *size) for size in sizes.tolist()]
    found = np.array(pairs, np.int64).reshape(-1, 2, 2)[place.ravel()]
    return Frames(found[:, 0], found[:, 1])


def _resized(resize: Callable, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    image, true_shape = resize(tf.zeros([height, width, 3], tf.uint8))
    return tuple(true_shape[:2].numpy().tolist()), tuple(image.shape[:2])


def match(config, seen: Frames, boxes: np.ndarray, image: np.ndarray) -> Matched:
    """Which boxes (float32 [n, 4] in the padded frame, of the images int [n], in order) have an anchor in training.

    Without augmentation, and with all boxes of an image counting. The candidates come first: of anchors of one shape on
    a grid the nearest to a box's centre overlaps it most, so that few are compared. Only images with a box that has no
    candidate at the threshold are compared with all anchors, to see which boxes want the same one.
    """
    _require_anchors(config)
    ssd = config.model.ssd
    training, grid_of = ssd_resnet_fpn.build_training(ssd), _grids(ssd)
    threshold = training.match.keywords["matched_threshold"]
    by_threshold, by_force = np.zeros(len(boxes), bool), np.zeros(len(boxes), bool)
    with progress.track("Matching", len(boxes), "boxes") as bar:
        for size, chosen in _by_frame(seen, image):
            grid = grid_of(size)
            best = np.concatenate([_best(grid, boxes[part], training.similarity) for part in _parts(chosen)])
            by_threshold[chosen] = best >= threshold
            if training.match.keywords["force_match"]:
                by_force[chosen] = _forced(grid, boxes[chosen], image[chosen], ~by_threshold[chosen], training)
            bar.advance(len(chosen))
    return Matched(by_threshold, by_force)


def coverage(config, path: str, seen: Frames, matched: Matched, sides: np.ndarray, classes: Sequence[str]) -> Coverage:
    """Counts by class (`classes` has a name per box) and size (`sides`, the pixels of SIZES)."""
    ssd = config.model.ssd
    bins = np.digitize(sides, _SIZE_EDGES)
    names = np.array(classes, object)
    matcher = ssd_resnet_fpn.build_training(ssd).match.keywords
    table = {}
    for name in sorted(set(classes)):
        own = names == name
        cells = [own & (bins == number) for number in range(len(SIZES))]
        table[name] = [(int((cell & ~matched.by_threshold).sum()), int(cell.sum())) for cell in cells]
    unmatched, forced = int((~matched.by_threshold).sum()), int(matched.by_force.sum())
    sizes = {tuple(size) for size in seen.padded.tolist()}
    return Coverage(
        config=path,
        frame="{}x{}".format(*sizes.pop()[::-1]) if len(sizes) == 1 else "a size of its own for each image",
        similarity=ssd.similarity_calculator.WhichOneof("region_similarity").removesuffix("_similarity"),
        threshold=max(0.0, float(matcher["matched_threshold"])),
        force_match=matcher["force_match"],
        sizes=SIZES,
        classes=table,
        boxes=len(classes),
        unmatched=unmatched,
        forced=forced,
        lost=unmatched - forced,
    )


def _require_anchors(config) -> None:
    """Raises ConfigError for a model that odtk does not build: what it would match is not known."""
    refuse_unsupported(config.model, "model")
    ssd = config.model.ssd
    if ssd.feature_extractor.type not in MODEL_TYPES:
        raise ConfigError(
            f"The config's model is none whose anchors odtk knows; it has model.ssd of {', '.join(MODEL_TYPES)}. "
            "Leave --config out, or name another."
        )
    for path, reason in refusals(ssd):
        raise ConfigError(f"The model cannot be built: {path} {reason} `odtk configure CONFIG --check` says more.")


@dataclass(frozen=True)
class Grid:
    """The anchors of one frame size, float32 [anchors, 4], and by level [rows, columns, anchors there, 4]."""

    anchors: np.ndarray
    levels: list[np.ndarray]


def _grids(ssd) -> Callable[[tuple[int, int]], Grid]:
    generator = ssd_resnet_fpn.build_anchors(ssd)
    static = output_size(ssd.image_resizer) is not None
    multiple = max(ssd.feature_extractor.pad_to_multiple, 1)

    @functools.lru_cache(maxsize=1)
    def grid_of(size: tuple[int, int]) -> Grid:
        padded = [side + -side % multiple for side in size]
        maps = [tuple(math.ceil(side / stride) for side in padded) for stride in _STRIDES]
        anchors = generator(size, maps, static=static).numpy()
        ends = np.cumsum([rows * columns * generator.per_location for rows, columns in maps])[:-1]
        levels = [part.reshape(*shape, -1, 4) for part, shape in zip(np.split(anchors, ends), maps, strict=True)]
        return Grid(anchors, levels)

    return grid_of


def _by_frame(seen: Frames, image: np.ndarray) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Each size of the padded frame, with the positions of the boxes in images of it."""
    sizes, place = np.unique(seen.padded, axis=0, return_inverse=True)
    of_box = place.ravel()[image]
    for number, size in enumerate(sizes.tolist()):
        chosen = np.flatnonzero(of_box == number)
        if len(chosen):
            yield tuple(size), chosen


def _parts(chosen: np.ndarray) -> list[np.ndarray]:
    return [chosen[start : start + _CHUNK] for start in range(0, len(chosen), _CHUNK)]


def _best(grid: Grid, boxes: np.ndarray, similarity: Callable) -> np.ndarray:
    """The greatest similarity of each box with any anchor: float32 [n]."""
    candidates = np.concatenate([_nearest(level, boxes) for level in grid.levels], axis=1)
    return tf.reduce_max(similarity(tf.constant(boxes[:, None]), tf.constant(candidates)), axis=[1, 2]).numpy()


def _nearest(level: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The anchors of the four cells around each box's centre: float32 [n, candidates, 4]."""
    rows = _around((level[:, 0, 0, 0] + level[:, 0, 0, 2]) / 2, (boxes[:, 0] + boxes[:, 2]) / 2)
    columns = _around((level[0, :, 0, 1] + level[0, :, 0, 3]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2)
    return level[rows[:, :, None], columns[:, None, :]].reshape(len(boxes), -1, 4)


def _around(centres: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Positions of the centres below and above each value: int [n, 2]."""
    above = np.searchsorted(centres, values)
    return np.clip(np.stack([above - 1, above], axis=1), 0, len(centres) - 1)


def _forced(grid: Grid, boxes: np.ndarray, image: np.ndarray, wanted: np.ndarray, training) -> np.ndarray:
    """Which of the `wanted` boxes get their best anchor by force: bool [n]; `image` is sorted.

    Of boxes of one image that want the same anchor, the first has it (see odtk.boxes.matching).
    """
    _, place, counts = np.unique(image, return_inverse=True, return_counts=True)
    rivals = np.flatnonzero((counts > 1)[place] & np.isin(image, image[wanted]))
    best = np.full(len(boxes), -1)
    for part in np.array_split(rivals, max(1, -(-len(rivals) // _COMPARED))):
        similarity = training.similarity(tf.constant(boxes[part]), tf.constant(grid.anchors))
        best[part] = tf.argmax(similarity, axis=1).numpy()
    first = np.zeros(len(boxes), bool)
    first[np.unique(np.stack([image, best]), axis=1, return_index=True)[1]] = True
    return wanted & first
