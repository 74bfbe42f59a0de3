"""Counts by class and split, and the histograms: sizes, shapes, objects per image."""

from collections.abc import Sequence

import numpy as np

from odtk.datasets.checks.context import CheckContext
from odtk.datasets.scan import Rows
from odtk.report.charts import Histogram
from odtk.tools.inspect.inspection import Counts, Split

_Scale = tuple[Sequence[float], Sequence[str]]
"""Where bins begin (but the first), and their names."""

_IMAGE_SIZES: _Scale = (
    (257, 513, 1025, 2049, 4097),
    ("up to 256", "257-512", "513-1024", "1025-2048", "2049-4096", "over 4096"),
)
_BOX_SIZES: _Scale = (
    (8, 16, 32, 64, 128, 256, 512),
    ("under 8", "8-16", "16-32", "32-64", "64-128", "128-256", "256-512", "over 512"),
)
_SHAPES: _Scale = (
    (0.25, 0.5, 0.8, 1.25, 2, 4),
    ("under 1:4", "1:4 to 1:2", "1:2 to 4:5", "about square", "5:4 to 2:1", "2:1 to 4:1", "over 4:1"),
)
_COUNTS: _Scale = (
    (1, 2, 3, 5, 9, 17, 33, 65, 101),
    ("none", "1", "2", "3-4", "5-8", "9-16", "17-32", "33-64", "65-100", "over 100"),
)


def splits(rows: Rows) -> list[Split]:
    """Every split in numbers."""
    found = []
    for number, name in enumerate(rows.target.splits):
        own = rows.split == number
        boxes = rows.num_boxes[own]
        found.append(
            Split(
                name=name,
                images=int(own.sum()),
                boxes=int(boxes.sum()),
                negatives=int((boxes == 0).sum()),
                unusable=sum(tally.splits[name] for tally in rows.unusable.values()),
                decoded=int(rows.decoded[own].sum()),
            )
        )
    return found


def classes(rows: Rows) -> dict[str, dict[str, Counts]]:
    """Images and boxes by class and split; classes are sorted by name, and each has all splits."""
    names, split_names = rows.class_names, rows.target.splits
    keys = rows.split[rows.image].astype(np.int64) * len(names) + rows.class_of
    boxes = np.bincount(keys, minlength=len(names) * len(split_names))
    images = np.bincount(np.unique(np.stack([rows.image, keys]), axis=1)[1], minlength=len(boxes))
    return {
        names[number]: {
            split: Counts(int(images[index * len(names) + number]), int(boxes[index * len(names) + number]))
            for index, split in enumerate(split_names)
        }
        for number in sorted(range(len(names)), key=lambda number: (names[number].lower(), names[number]))
    }


def histograms(context: CheckContext) -> list[Histogram]:
    """Sizes and shapes of images and boxes, boxes per image."""
    rows, heights, widths = context.rows, context.heights, context.widths
    real = (heights > 0) & (widths > 0)
    sides = np.sqrt(heights[real] * widths[real])
    long_sides = np.maximum(rows.height, rows.width)
    shapes = rows.width / np.maximum(rows.height, 1)
    count, where = rows.num_boxes, context.frame
    return [
        _histogram("image-sizes", "Image sizes", "longer side, pixels", "images", long_sides, _IMAGE_SIZES),
        _histogram("image-shapes", "Image shapes", "width : height", "images", shapes, _SHAPES),
        _histogram("objects-per-image", "Objects per image", "boxes", "images", count, _COUNTS),
        _histogram("box-sizes", f"Box sizes in {where}", "root of the area, pixels", "boxes", sides, _BOX_SIZES),
        _histogram(
            "box-shapes", f"Box shapes in {where}", "width : height", "boxes", widths[real] / heights[real], _SHAPES
        ),
    ]


def _histogram(name: str, caption: str, unit: str, of: str, values: np.ndarray, scale: _Scale) -> Histogram:
    edges, bins = scale
    counts = np.bincount(np.digitize(values, edges), minlength=len(bins))
    return Histogram(name, caption, unit, of, tuple(zip(bins, counts.tolist(), strict=True)))
