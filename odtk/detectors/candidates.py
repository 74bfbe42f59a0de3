"""The boxes that a detector rates before suppression, and where on its feature maps they come from."""

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf


class Level(NamedTuple):
    """A feature map from which a detector predicts: `per_cell` boxes at each of its cells."""

    name: str
    """"P3" has a cell for every 2 ** 3 pixels of the image."""
    rows: int
    columns: int
    per_cell: int

    @property
    def size(self) -> int:
        """The number of its boxes."""
        return self.rows * self.columns * self.per_cell


@dataclass(frozen=True)
class Candidates:
    """All boxes of a batch, by level, row, column and kind of anchor.

    Where `Detector.postprocess` gives `detection_anchor_indices`, they are rows of these.
    """

    boxes: tf.Tensor
    """[batch, n, 4] yxyx, normalized to the padded image."""
    scores: tf.Tensor
    """[batch, n, classes], differentiable functions of what the network computed."""
    levels: tuple[Level, ...] = ()
    """Whose boxes these are, in order; empty if they do not come from the cells of maps."""
    anchors: tf.Tensor | None = None
    """What they are predicted from: [n, 4] yxyx, normalized to the padded image; [batch, n, 4] where each image has its
    own; None for a detector without anchors."""
    called: str = "anchors"
    """What users know them as, in the plural."""
    of_any_class: bool = False
    """Whether the one score of a box is that of an object of whatever class."""

    def of_levels(self, values) -> dict[str, tf.Tensor]:
        """Values [batch, n, ...] by level: [batch, rows, columns, boxes per cell, ...]."""
        parts = tf.split(values, [level.size for level in self.levels], axis=1) if self.levels else []
        return {
            level.name: tf.reshape(part, [-1, level.rows, level.columns, level.per_cell, *values.shape[2:]])
            for level, part in zip(self.levels, parts, strict=True)
        }

    def level_of(self, row: int) -> Level | None:
        """The level of one of the boxes; None without levels."""
        for level in self.levels:
            if row < level.size:
                return level
            row -= level.size
        return None
