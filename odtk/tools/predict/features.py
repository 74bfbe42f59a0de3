"""What computes the feature vectors of boxes, for a model of any kind."""

import os

from odtk.errors import CheckpointError
from odtk.explaining.box_features import BoxFeatures
from odtk.exporting.model import Model
from odtk.exporting.open_model import open_trained


def build_features(model: Model, path: str | os.PathLike, layer: str | None, devices: str) -> BoxFeatures:
    """BoxFeatures with the weights of `model`, which was opened from `path`; see there.

    A SavedModel shows no layers, so for an exported folder the network is built once more, from the checkpoint and the
    pipeline.config that were exported with it.
    """
    detector = getattr(model, "detector", None)
    if detector is None:
        try:
            detector = open_trained(path, devices=devices).detector
        except CheckpointError as error:
            raise CheckpointError(f"Features need the layers of the network, from a checkpoint. {error}") from error
    return BoxFeatures(detector, layer)
