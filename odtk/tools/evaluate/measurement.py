"""How models are measured, and what was measured of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odtk.evaluation.evaluator import Evaluator
from odtk.evaluation.scoring import Evaluation
from odtk.records.box_errors import ImageWithBadBoxes

if TYPE_CHECKING:
    from odtk.inputs.skipped_records import BadRecord
    from odtk.tools.evaluate.explanation import CheckpointMetrics


@dataclass(frozen=True)
class Settings:
    """What is the same for all models of one call; see `evaluate`."""

    label_map: str | None
    max_bad_records: int
    precision: str
    devices: str
    tpu: str | None
    log: Callable[[str], None]


@dataclass(frozen=True)
class Measurement:
    """One model on one groundtruth."""

    model: str  # as the user knows it: a checkpoint's prefix, an exported folder, a file
    groundtruth: str
    evaluation: Evaluation  # with its results
    new_evaluators: Callable[[], Sequence[Evaluator]]  # as it was measured by
    checkpoint: str | None = None  # its prefix, if one was restored
    step: int | None = None
    bad_records: Sequence[BadRecord] = ()
    bad_boxes: Sequence[ImageWithBadBoxes] = ()
    notes: Sequence[str] = ()  # sentences on what did not meet or could not be used
    curve: Sequence[CheckpointMetrics] = ()  # of all checkpoints, if they were measured

    @property
    def title(self) -> str:
        """`model/ckpt-600 (step 600)`."""
        return self.model if self.step is None else f"{self.model} (step {self.step})"
