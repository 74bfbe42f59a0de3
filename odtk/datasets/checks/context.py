"""The argument of all checks: the rows of a scan, boxes as the model sees them, and how to name examples."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from odtk.datasets.checks.coverage import Coverage
from odtk.datasets.class_typos import likely_typos
from odtk.datasets.open_dataset import Target
from odtk.datasets.scan import MAX_EXAMPLES, Rows
from odtk.datasets.sources import ImageSummary
from odtk.findings import Example
from odtk.pipeline.readers import DEFAULT_MAX_NUMBER_OF_BOXES, max_number_of_boxes


@dataclass(frozen=True)
class CheckContext:
    """A scanned target; sizes are in pixels of the model's input or, without a config, of the image."""

    rows: Rows
    heights: np.ndarray  # float [boxes]
    widths: np.ndarray
    coverage: Coverage | None = None
    unmatched: np.ndarray | None = None  # bool [boxes], no anchor overlaps it enough to match
    model_sides: np.ndarray | None = None  # int [images], the longer side of the model's input, if there is a config
    model_input: str | None = None  # its size as text, if there is a config

    @property
    def target(self) -> Target:
        """What was scanned."""
        return self.rows.target

    @functools.cached_property
    def boxes_of_class(self) -> dict[str, int]:
        """The number of boxes of each class, in all splits."""
        counts = np.bincount(self.rows.class_of, minlength=len(self.rows.class_names))
        return dict(zip(self.rows.class_names, counts.tolist(), strict=True))

    @functools.cached_property
    def typos(self) -> dict[str, str]:
        """Class names that are likely misspelled, and the names that were meant."""
        return likely_typos(self.boxes_of_class, self.target.labels.texts if self.target.labels else ())

    @property
    def frame(self) -> str:
        """The image whose pixels are the unit of box sizes."""
        return f"the model's input, {self.model_input}" if self.model_input else "the image"

    @functools.cached_property
    def split_of_box(self) -> np.ndarray:
        """The number of each box's split."""
        return self.rows.split[self.rows.image]

    def max_boxes(self, split: int) -> int:
        """The number of boxes of an image that training (for the second split, evaluation) keeps."""
        config = self.target.config
        if config is None:
            return DEFAULT_MAX_NUMBER_OF_BOXES
        readers = [(config.train_input_reader, config.train_config), *((each,) for each in config.eval_input_reader)]
        return max_number_of_boxes(*readers[min(split, len(readers) - 1)])

    def of_boxes(self, positions: np.ndarray, describe: Callable[[int], str]) -> tuple[Example, ...]:
        """The first of these boxes as examples; `describe` returns a box's text."""
        return tuple(self._of_box(int(position), describe(int(position))) for position in positions[:MAX_EXAMPLES])

    def of_images(self, rows: np.ndarray, describe: Callable[[int], str]) -> tuple[Example, ...]:
        """The first of these images as examples."""
        return tuple(self.of_image(int(row), describe(int(row))) for row in rows[:MAX_EXAMPLES])

    def of_image(self, row: int, text: str, others: Iterable[int] = ()) -> Example:
        """An image as an example; `others` are the images it is compared with."""
        summary, split = self._summarize(row), self.rows.split_of(row)
        return Example(text, summary.file, None, summary.offset, summary.name, split, (row, *others))

    def name_of(self, row: int) -> str:
        """The name of an image."""
        return self._summarize(row).name

    def class_name(self, position: int) -> str:
        """The class of a box."""
        return self.rows.class_names[self.rows.class_of[position]]

    def size_of(self, position: int) -> str:
        """A box's class and size: `cat, 12.5 x 3.0 pixels`."""
        return f"{self.class_name(position)}, {self.widths[position]:.1f} x {self.heights[position]:.1f} pixels"

    def _of_box(self, position: int, text: str) -> Example:
        row = int(self.rows.image[position])
        place, summary = position - int(self.rows.first_box[row]), self._summarize(row)
        line = summary.lines[place]
        return Example(
            text, summary.file, line, summary.offset, summary.name, self.rows.split_of(row), (row,), (place,)
        )

    @functools.cached_property
    def _summarize(self) -> Callable[[int], ImageSummary]:
        return functools.lru_cache(maxsize=64)(self.rows.summarize)


def context_of(rows: Rows) -> CheckContext:
    """The context of a scan; box sizes are in pixels of the model's input if there is a config, else of the image."""
    config, image = rows.target.config, rows.image
    if config is None:
        heights, widths = _sides(rows.boxes, rows.height[image], rows.width[image])
        return CheckContext(rows, heights, widths)
    from odtk.datasets.checks import anchors  # imports TensorFlow

    frames = anchors.frames(config, rows.height, rows.width)
    boxes = frames.boxes(rows.boxes, image)
    heights, widths = _sides(boxes.astype(float), *frames.padded[image].T)
    seen = CheckContext(rows, heights, widths, model_sides=frames.true.max(axis=1), model_input=frames.name)
    # Training skips these boxes, so they do not need anchors.
    usable = np.isfinite(boxes).all(axis=1)
    matched = anchors.match(config, frames, boxes[usable], image[usable])
    if matched is None:
        return seen
    names = [rows.class_names[number] for number in rows.class_of[usable]]
    sides = np.sqrt(np.maximum(heights[usable], 0) * np.maximum(widths[usable], 0))
    unmatched = np.zeros(len(boxes), bool)
    unmatched[usable] = ~matched.by_threshold
    coverage = anchors.coverage(rows.target.config_path or "", frames, matched, sides, names)
    return replace(seen, coverage=coverage, unmatched=unmatched)


def _sides(boxes: np.ndarray, heights: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height and width in pixels of normalized boxes [n, 4] in frames of these sizes; NaN becomes 0."""
    sides = np.nan_to_num((boxes[:, 2:] - boxes[:, :2]), nan=0, posinf=0, neginf=0)
    return sides[:, 0] * heights, sides[:, 1] * widths
