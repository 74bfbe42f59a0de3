"""What a checkpoint scores with odtk, and what TFOD had logged for the same step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from odtk.errors import OdtkError
from odtk.training.loggers.event_files import scalars_of


@dataclass(frozen=True)
class Scores:
    """Metrics by name."""

    odtk: dict[str, float]
    tfod: dict[str, float] = field(default_factory=dict)
    """TFOD's of the same step; empty if it logged none."""
    num_images: int = 0
    skipped_records: int = 0

    @property
    def compared(self) -> dict[str, tuple[float, float]]:
        """The detection metrics that both have: odtk's and TFOD's."""
        shared = [name for name in self.tfod if name in self.odtk and not name.startswith("Loss/")]
        return {name: (self.odtk[name], self.tfod[name]) for name in shared}


def score(config_file: Path, model_dir: Path, devices: str, log: Callable[[str], None]):
    """Evaluates the newest checkpoint of a model dir on the records of a config; writes MODEL_DIR/eval."""
    from odtk.tools.evaluate import evaluate

    return evaluate(config_file, model_dir, "last", report=False, devices=devices, log=log)


def tfods_scores(model_dir: Path, step: int | None) -> dict[str, float]:
    """The metrics that TFOD logged for a step, in any folder of event files in its model dir."""
    found: dict[str, float] = {}
    for folder in sorted({path.parent for path in model_dir.rglob("*tfevents*")}):
        # What cannot be read is TFOD's log alone: nothing depends on it.
        with contextlib.suppress(OSError, ValueError, OdtkError):
            found |= {tag: float(value) for at, tag, value in scalars_of(str(folder)) if at == step and _is_metric(tag)}
    return found


def _is_metric(tag: str) -> bool:
    return tag.startswith(("DetectionBoxes_", "PascalBoxes_", "OpenImages"))
