"""What `odtk evaluate` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from odtk.records.box_errors import ImageWithBadBoxes

if TYPE_CHECKING:
    from odtk.inputs.skipped_records import BadRecord
    from odtk.tools.evaluate.explanation import CheckpointMetrics, Explanation


@dataclass(frozen=True)
class EvaluationReport:
    """The results, what they were measured on, and where they are written."""

    metrics: dict[str, float]  # TFOD's name to value: each metrics set of the config, then the losses
    num_images: int
    repeated_images: int  # ignored, because an earlier image had the same source_id
    checkpoint: Path | str | None  # prefix; a str in a store, as other paths; None of an exported model and of a file
    step: int | None  # None if the checkpoint does not have it
    metrics_path: Path | str
    classes: Sequence[dict] = ()  # of the first metrics set: id, name, images, boxes, AP of each class
    classes_path: Path | str | None = None  # the same as a file
    bad_records: Sequence[BadRecord] = ()  # left out
    bad_boxes: Sequence[ImageWithBadBoxes] = ()  # images that are evaluated without some of their boxes
    losses: Mapping[str, float] = field(default_factory=dict)  # the metrics that are losses
    meanings: Mapping[str, str] = field(default_factory=dict)  # of each metric of `summary`
    model: str = ""  # what was evaluated: the checkpoint's prefix, the exported folder, the file
    groundtruth: str = ""
    notes: Sequence[str] = ()  # sentences on what the numbers leave out besides
    seconds: Mapping[str, float] = field(default_factory=dict)  # of each stage, see odtk.evaluation.stopwatch
    detections_path: Path | str | None = None  # all detections as COCO results
    explanation: Explanation | None = None  # where the detector is wrong, if a report or a comparison was asked for
    report_path: Path | str | None = None  # the page
    thresholds_path: Path | str | None = None  # the best thresholds, for odtk.predict; written with the page
    suspects_path: Path | str | None = None
    checkpoints: Sequence[CheckpointMetrics] = ()  # of each checkpoint, in the order of steps, if all were evaluated
    checkpoints_path: Path | str | None = None  # the same as a table

    @property
    def summary(self) -> dict[str, float]:
        """The metrics and losses, without those of a single class or super-category."""
        return {name: value for name, value in self.metrics.items() if name in self.meanings}
