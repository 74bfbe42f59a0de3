"""What a run is, for callbacks, loggers and run.json: fixed when it starts."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunInfo:
    """One run of training in one model dir."""

    model_dir: str
    """May be in an object store (gs://...)."""
    config_text: str
    """The resolved pipeline.config."""
    batch_size: int
    num_records: int | None
    """Of the training files; None if they cannot be counted without reading them all."""
    num_steps: int
    """The last step."""
    seed: int | None = None

    @property
    def name(self) -> str:
        """The model dir's own name."""
        return Path(self.model_dir.rstrip("/")).name or Path(self.model_dir).resolve().name

    def epoch(self, step: int) -> float | None:
        """How often the records were seen on average after `step` steps; None if their number is unknown."""
        return step * self.batch_size / self.num_records if self.num_records else None
