"""The channels of a layer's output, and the scores of each cell of a pyramid, as maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from odtk.detectors.candidates import Candidates
from odtk.errors import OdtkError
from odtk.explaining.gradient_maps import is_map
from odtk.explaining.picture_run import PictureRun


@dataclass(frozen=True)
class FeatureMaps:
    """Some channels of one layer's output."""

    name: str
    shape: tuple[int, int, int]  # rows, columns and channels of the whole output
    channels: tuple[int, ...]  # that are here
    values: np.ndarray  # float32 [channels here, rows, columns]


def feature_maps(run: PictureRun, name: str, channels: Sequence[int] | None, most: int) -> FeatureMaps:
    """Channels of an output; None for the `most` that vary most over the picture, best first.

    Raises OdtkError for an output that is no map, or does not have one of the channels.
    """
    output = run.outputs[name]
    if not is_map(output):
        raise OdtkError(
            f"The output of {name} is of shape {tuple(output.shape)}, which is no map over the picture ([1, rows, "
            "columns, channels]). Choose another layer.",
            argument="layer",
        )
    values = np.moveaxis(tf.cast(output[0], tf.float32).numpy(), -1, 0)
    if channels is None:
        channels = np.argsort(-values.std(axis=(1, 2)), kind="stable")[:most].tolist()
    beyond = [channel for channel in channels if not 0 <= channel < len(values)]
    if beyond:
        raise OdtkError(
            f"{name} has no channel {beyond[0]}; it has {len(values)}, numbered from 0. Choose among these.",
            argument="channels",
        )
    rows, columns = values.shape[1:]
    return FeatureMaps(name, (rows, columns, len(values)), tuple(channels), values[list(channels)])


def map_outputs(run: PictureRun) -> list[str]:
    """The names of all outputs that `feature_maps` can show, the pyramid's levels first."""
    others = [name for name in run.outputs if name not in run.levels]
    return [name for name in (*run.levels, *others) if is_map(run.outputs[name])]


def score_maps(candidates: Candidates) -> dict[str, np.ndarray]:
    """The best score of the boxes of each cell, by level: float32 [classes, rows, columns]; empty without levels."""
    return {
        name: np.moveaxis(tf.reduce_max(scores, axis=3)[0].numpy(), -1, 0)
        for name, scores in candidates.of_levels(candidates.scores).items()
    }
