"""How a run is trained, beside its config: the options of `odtk train` that several parts of it read."""

from dataclasses import dataclass

ON_NAN = ("stop", "lower-rate")
LOG_TO = ("wandb", "mlflow")


@dataclass(frozen=True)
class TrainingOptions:
    """The arguments of `odtk.train`, of the same names."""

    checkpoint_every: int = 1000
    keep: int = 7
    """TFOD's default."""
    log_every: int = 10
    eval_every: int | None = None
    eval_images: int | None = None
    best_metric: str = "mAP"
    patience: int | None = None
    min_delta: float = 0.0
    max_time: str | float | None = None
    on_nan: str = "stop"
    seed: int | None = None
    deterministic: bool = False
    log_to: tuple[str, ...] = ()
    reuse_head_weights: bool = False
    max_bad_records: int = 100
