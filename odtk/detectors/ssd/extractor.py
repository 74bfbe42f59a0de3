"""What is different between SSDs: the network in front of the heads, and what images it takes."""

from collections.abc import Callable
from dataclasses import dataclass, field

import tf_keras

from odtk.detectors.ssd.checkpoint_parts import CheckpointParts


@dataclass(frozen=True)
class FeatureExtractor:
    """A backbone and the pyramid on it, built.

    The pyramid takes the backbone's maps from the one at `first_map` on. `empty_lists` are attributes of TFOD's feature
    extractor that are in its checkpoints and hold nothing.
    """

    backbone: tf_keras.Model
    """Preprocessed images [batch, h, w, 3] to maps, finest first."""
    pyramid: tf_keras.layers.Layer
    preprocess: Callable
    """Images in 0..255 to what the backbone takes."""
    color_of: Callable
    """Three values to the color that `preprocess` turns into them: TFOD's resizer pads what is preprocessed already."""
    first_map: int = 0
    empty_lists: tuple[str, ...] = ()
    parts: CheckpointParts = field(default_factory=CheckpointParts)
    name: str = "ssd"
