"""The parts of CenterNet's loss."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class CenterNetTraining:
    """The functions are those of odtk.losses, with their parameters; the weights include that of the box task.

    `min_overlap`: see odtk.detectors.center_net.targets.heat_maps. `only_labeled`: the heat maps of an image are only
    compared for the classes that its record says it was labeled for.
    """

    center_loss: Callable
    box_loss: Callable
    min_overlap: float = 0.7
    only_labeled: bool = False
    center_weight: float = 1.0
    size_weight: float = 0.1
    offset_weight: float = 1.0
