"""Opens the model that is to be explained: with its network, or, for occlusion, as a black box."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from odtk import files
from odtk.errors import CheckpointError, OdtkError
from odtk.explaining.occlusion import SOURCE as OCCLUSION
from odtk.exporting.model import Model
from odtk.exporting.open_model import EXPORTED, kind_of, open_model, open_trained
from odtk.exporting.trained_model import TrainedModel

GRADIENT = "gradient"
METHODS = (GRADIENT, OCCLUSION)


@dataclass(frozen=True)
class Opened:
    """A model, and whether its network can be looked into."""

    model: Model

    @property
    def trained(self) -> TrainedModel | None:
        """The model with its network; None for a SavedModel alone."""
        return self.model if isinstance(self.model, TrainedModel) else None


def open_explained(
    model: str | os.PathLike,
    checkpoint: str | os.PathLike | None,
    method: str | None,
    label_map: str | os.PathLike | None = None,
    devices: str = "auto",
    log: Callable[[str], None] = lambda line: None,
) -> Opened:
    """The model of a model dir, a checkpoint prefix or an exported folder, built from its pipeline.config.

    A SavedModel without the checkpoint beside it is opened for OCCLUSION; for another `method` (None: the layers are
    to be listed) it is a CheckpointError.
    """
    if kind_of(model) == EXPORTED and not _has_checkpoint(model):
        if method != OCCLUSION:
            raise CheckpointError(
                f"{os.fspath(model)} holds a SavedModel alone, whose network cannot be looked into: layers, anchors "
                "and gradients need the checkpoint/ and pipeline.config that `odtk export` writes beside it. Give the "
                "whole exported folder or the model dir; the method occlusion works without them.",
                argument="method" if method else None,
            )
        return Opened(open_model(model, checkpoint, label_map=label_map, devices=devices, log=log))
    if kind_of(model) == EXPORTED and checkpoint is not None:
        raise OdtkError(
            f"{os.fspath(model)} is an exported model, which has one set of weights. To choose among checkpoints, give "
            "the model dir.",
            argument="checkpoint",
        )
    return Opened(open_trained(model, checkpoint, label_map=label_map, devices=devices, log=log, verb="Explaining"))


def _has_checkpoint(model: str | os.PathLike) -> bool:
    return any(name.endswith(".index") for name in files.names_in(files.join(model, "checkpoint")))
