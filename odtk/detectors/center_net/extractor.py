"""The part that differs between CenterNets: the network before the heads, and where TFOD keeps it."""

from collections.abc import Callable
from dataclasses import dataclass

import tf_keras

from odtk.layers.backbone import Backbone

STRIDE = 4
"""Of the maps from which boxes are predicted, in every CenterNet of TFOD's."""


@dataclass(frozen=True)
class FeatureExtractor:
    """Preprocessed images to maps of stride 4.

    `backbone` is None for a network that is not a backbone with something on top of it (an hourglass).
    """

    network: tf_keras.Model
    """Images [batch, h, w, 3] to a map [batch, h / 4, w / 4, channels], or to a list of maps: each has its heads."""
    preprocess: Callable
    """Images in 0..255 to the network's input range."""
    backbone: Backbone | None = None
    num_outputs: int = 1
    layout: "Layout | None" = None
    """Where the layers are in TFOD's checkpoints, if they are numbered there."""
    name: str = "center_net"


@dataclass(frozen=True)
class Layout:
    """The names of attributes of TFOD's feature extractor, in which a functional network's layers are numbered.

    `base` holds the backbone's layers, and `maps` those that the network contains; if both are empty the backbone is
    known only as the first layer of `whole`.
    """

    whole: str
    base: str = ""
    maps: str = ""
    input_has_shape: bool = False
    """Whether the input has an object for its shape: TFOD makes the input of its MobileNets itself."""
