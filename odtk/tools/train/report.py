"""What `odtk.train` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odtk.inputs.skipped_records import BadRecord
    from odtk.records.box_errors import ImageWithBadBoxes
    from odtk.tools.train.run_summary import RunSummary


@dataclass
class TrainingReport:
    """Where a run ended and why, and what it skipped."""

    model_dir: str
    checkpoint: str
    first_step: int
    last_step: int
    reason: str
    """Why it ended."""
    losses: dict[str, float]
    devices: list[str]
    pipeline_config: str = ""
    """The config that was trained; of a repeated run the one in the folder of the first."""
    worker: int = 0
    """Which of several workers this one was; the chief, 0, wrote the model dir."""
    is_early: bool = False
    """Whether that was before its last step."""
    summary: RunSummary | None = None
    """Best weights, times and places; None if nothing was trained."""
    bad_records: list[BadRecord] = field(default_factory=list)
    bad_boxes: list[ImageWithBadBoxes] = field(default_factory=list)
