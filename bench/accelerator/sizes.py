"""How large everything that is measured is."""

from dataclasses import dataclass
from pathlib import Path

from bench import workload


@dataclass(frozen=True)
class Sizes:
    """Of one run."""

    config: Path
    """A pipeline.config whose sizes are replaced."""
    sides: tuple[int, int]
    """Of the square images: the recipe's, and a small one."""
    batches: tuple[int, int]
    """Of training, for each side; halved where it does not fit."""
    large_batch: int
    """The recipe's, for the first side."""
    loss_batch: int
    """For the losses beside the CPU's, which are of the small side."""
    most_images: int
    """That are tried to find the largest batch that fits."""
    served_batch: int
    num_pets: int
    """Pictures of 500x375 that the input pipeline reads."""
    input_batches: int
    """How many are timed, after half as many that are not."""
    turns: int
    turn_seconds: float
    """Each turn takes as many steps or calls as last about this long."""


FULL = Sizes(workload.CONFIG, (640, 320), (16, 64), 64, 2, 512, 16, workload.INPUT_BATCH * 93, 40, 5, 1.0)
# A network of a quarter of the channels: it proves the script, its figures mean nothing.
SMALL = Sizes(workload.GOLDEN / "variants/base.config", (192, 160), (2, 2), 4, 2, 4, 2, 16, 4, 2, 0.05)
