"""Where a detection comes from: activations weighted by the gradient of its score."""

from collections.abc import Sequence

import tensorflow as tf

from odtk.errors import OdtkError
from odtk.explaining.heat_map import HeatMap
from odtk.explaining.picture_run import PictureRun


def gradient_map(run: PictureRun, index: int, outputs: Sequence[str] = ()) -> HeatMap:
    """The heat map of detection `index` at the first of `outputs` on which its score depends.

    Of a layer that the levels share, it depends on one. Without `outputs`, at the map that it was predicted from, or at
    the last one before if that has one cell, which says nothing about places.

    The positive part of the sum over channels of activation times gradient of the detection's score. As in Grad-CAM
    (Selvaraju et al. 2017), but with the gradient of each place in place of its mean, as in HiResCAM (Draelos and Carin
    2020) and, for detectors, ODAM (Zhao and Chan 2023): a mean would show all objects of the class, and not the one of
    this detection. Raises OdtkError if the score depends on none of `outputs`, or not differentiably.
    """
    if outputs:
        found = run.gradient(index, outputs)
        used = next((name for name, gradient in found.items() if tf.reduce_any(gradient != 0)), None)
        if used is None:
            raise OdtkError(_no_gradient(run, outputs[0]), argument="heat_layer")
        return _weighted(run, used, found[used])
    level = run.level(index)
    if level is not None and is_map(run.outputs[level.name]):
        return _weighted(run, level.name, run.gradient(index, [level.name])[level.name])
    return _weighted(run, *_last_map(run, index))


def _weighted(run: PictureRun, name: str, gradient: tf.Tensor) -> HeatMap:
    output = run.outputs[name]
    if not is_map(output):
        raise OdtkError(
            f"The output of {name} is of shape {tuple(output.shape)}; for a heat map it has to be [1, rows, columns, "
            "channels]. Choose another layer.",
            argument="heat_layer",
        )
    heat = tf.reduce_sum(tf.cast(output * gradient, tf.float32), axis=-1)[0]
    return HeatMap(tf.nn.relu(heat).numpy(), name, run.frame)


def is_map(output: tf.Tensor) -> bool:
    """Whether a layer's output is a map of one picture, [1, rows, columns, channels] with several places."""
    return output.shape.rank == 4 and output.shape[0] == 1 and output.shape[1] * output.shape[2] > 1


def _last_map(run: PictureRun, index: int) -> tuple[str, tf.Tensor]:
    """The last map on which the score depends at several places, as its own place would say nothing; or any."""
    names = [name for name, output in run.outputs.items() if is_map(output)]
    found = run.gradient(index, names)
    places = {name: int(tf.math.count_nonzero(tf.reduce_any(each != 0, axis=-1))) for name, each in found.items()}
    for least in (2, 1):
        for name in reversed(names):
            if places.get(name, 0) >= least:
                return name, found[name]
    raise OdtkError(
        "No gradient leads from the scores of this detector to the maps of its network. Occlusion needs none.",
        argument="method",
    )


def _no_gradient(run: PictureRun, output: str) -> str:
    layer = output.split(":")[0]
    hint = f"one of {', '.join(run.levels)}, or a layer before them" if run.levels else "a layer before the last ones"
    return (
        f"The score of the detection does not depend on the output of {layer}, or only through what has "
        f"no gradient. Choose {hint}."
    )
