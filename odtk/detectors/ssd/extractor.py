"""The part that differs between SSDs: the network before the heads, and the images it accepts."""

from collections.abc import Callable
from dataclasses import dataclass, field

import tf_keras

from odtk.detectors.ssd.checkpoint_parts import CheckpointParts
from odtk.detectors.ssd.checkpoint_paths import CheckpointPaths


@dataclass(frozen=True)
class FeatureExtractor:
    """A backbone, and the feature pyramid or whatever else makes of its maps those that boxes are predicted from.

    The pyramid uses the backbone's maps from index `first_map` on.
    """

    backbone: tf_keras.Model
    """Preprocessed images [batch, h, w, 3] to maps, finest first."""
    pyramid: tf_keras.layers.Layer
    preprocess: Callable
    """Images in 0..255 to the backbone's input range."""
    color_of: Callable
    """Three values to the color that `preprocess` maps to them: TFOD's resizer pads preprocessed images."""
    channels: tuple[int, ...]
    """Of each map that boxes are predicted from, finest first."""
    paths: Callable[[tf_keras.Model, tf_keras.layers.Layer], CheckpointPaths]
    """(backbone, pyramid), both built, to where TFOD's checkpoints hold their objects."""
    first_map: int = 0
    backbone_always_trains: bool = False
    """Whether freeze_batchnorm leaves the backbone's batch norms as they are."""
    parts: CheckpointParts = field(default_factory=CheckpointParts)
    name: str = "ssd"
