"""How a run is trained, beside its config: the options of `odtk train`."""

import dataclasses
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from odtk.errors import OdtkError
from odtk.files import is_remote

ON_NAN = ("stop", "lower-rate")
LOG_TO = ("wandb", "mlflow")
AUTO = "auto"
PRECISIONS = (AUTO, "float32", "float16", "bfloat16")
FROZEN = ("backbone", "bn", "none")
MEMORY, DISK = "memory", "disk"


@dataclass(frozen=True)
class TrainingOptions:
    """The arguments of `odtk.train`, of the same names."""

    num_steps: int | None = None
    extend_schedule: bool = False
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
    batch_size: int | str | None = None
    """A number, AUTO, or None for the config's."""
    accumulate: int | str = 1
    """A number of micro-batches, or AUTO."""
    precision: str = AUTO
    xla: bool = False
    devices: str = AUTO
    tpu: str | None = None
    workers: str | None = None
    worker_index: int | None = None
    freeze: str | None = None
    profile: str | None = None
    cache: str | None = None
    """MEMORY, DISK (beside the records), DISK:FOLDER, or None."""

    @property
    def needs_evaluations(self) -> str | None:
        """The first option that has no meaning without evaluations; None if they may as well be left out."""
        return next((name for name in ("patience", "best_metric") if name in self.changed()), None)

    def changed(self) -> dict:
        """The options that are not at their defaults."""
        defaults = TrainingOptions()
        return {name: value for name, value in dataclasses.asdict(self).items() if value != getattr(defaults, name)}


def command_line(pipeline_config: str | os.PathLike, model_dir: str | os.PathLike, options: TrainingOptions) -> str:
    """The command that trains with these options, to be pasted into a shell."""
    words = ["odtk", "train", os.fspath(pipeline_config), os.fspath(model_dir)]
    for name, value in options.changed().items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        else:
            for each in value if isinstance(value, tuple) else (value,):
                words += [option, str(each)]
    return shlex.join(words)


def cache_folder(cache: str) -> str | None:
    """The folder for decoded images on a disk that `cache` names; None if it names none.

    Raises OdtkError for what no `cache` can be.
    """
    kind, _, folder = cache.partition(":")
    if kind == DISK and folder and not is_remote(folder):
        return folder
    if cache not in (MEMORY, DISK):
        raise OdtkError(
            f"cache is {cache!r}; it is {MEMORY}, {DISK} (beside the records) or {DISK}:FOLDER (on this machine).",
            argument="cache",
        )
    return None


def require_services(log_to: Sequence[str]) -> None:
    """Raises OdtkError if the library of a service is not installed."""
    for name in log_to:
        found = find_spec(name)
        if found is None or found.origin is None:  # a folder of that name, as both libraries make, is no library
            raise OdtkError(
                f"Logging to {name} needs its library, which is not installed. Install it with `pip install "
                f'"odtk[{name}]"`.',
                argument="log_to",
            )
