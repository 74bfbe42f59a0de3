"""The part that differs between Faster R-CNNs: the features of both stages."""

from collections.abc import Callable
from dataclasses import dataclass

import tf_keras

from odtk.detectors.faster_rcnn.checkpoint_keys import Layout
from odtk.detectors.faster_rcnn.network import ProposalFeatures


@dataclass(frozen=True)
class Extractor:
    """The features of proposals and regions."""

    features: ProposalFeatures
    """Preprocessed images to the maps that both stages read."""
    region_features: tf_keras.Model
    """Crops of these maps [regions, h, w, channels] to features of the same rank."""
    preprocess: Callable
    """Images in 0..255 to the backbone's input range."""
    num_levels: int
    """Of the maps."""
    layout: Layout
    name: str
