"""The feature vector of a box: what a layer computed there, averaged, as RoIAlign reads it (He et al. 2017)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from odtk.detectors import activations
from odtk.detectors.detector import Detector
from odtk.errors import OdtkError
from odtk.explaining.map_frame import MapFrame, stride

_POINTS = 7  # in each direction of a box, at which a map is read between its cells
_CELLS = 5.0  # of the level that detects a box, along its side: anchors have 4 to 8
_BLANK = 64  # pixels of the picture by which layers are found, where the detector takes any size


class Vectors(NamedTuple):
    """Of one picture, in float32."""

    picture: np.ndarray  # [channels], that of a box around the whole picture
    boxes: np.ndarray  # [n, channels]


class BoxFeatures:
    """Runs a detector's network on pictures, and pools the output of a layer in boxes."""

    def __init__(self, detector: Detector, layer: str | None = None):
        """`layer`: as `odtk explain --list-layers` names it, or a level of the pyramid ("P3"); None for all levels.

        Of a layer with several outputs, as of the pyramid, a box is read in that of which it has about five cells
        along its side, so where boxes of its size are detected. Raises OdtkError for a layer that there is not, or
        whose outputs are no feature maps, and without `layer` for a detector that has no pyramid.
        """
        self._detector, self._layer = detector, layer
        height, width = detector.image_size or (_BLANK, _BLANK)
        image, shape = detector.resize(tf.zeros([height, width, 3]))
        known = activations.list_layers(detector, image[None], shape[None])
        levels = detector.pyramid(detector.predict(detector.preprocess(image[None], shape[None]), shape[None]))
        outputs = [output for each in known for output in each.outputs]
        self._names = list(levels) if layer is None else activations.find_outputs([layer], [*outputs, *levels])
        self._run = activations.compiled(detector, [name for name in self._names if name not in levels])
        self._check(self._maps(image, shape), [each.name for each in known])

    def __call__(self, pixels: np.ndarray, boxes: np.ndarray) -> Vectors:
        """The vectors of a picture, uint8 RGB [height, width, 3], and of normalized yxyx boxes [n, 4] in it."""
        image, shape = self._detector.resize(tf.cast(tf.constant(pixels), tf.float32))
        frame = MapFrame(pixels.shape[:2], _size(shape), _size(image.shape))
        whole = np.array([[0, 0, 1, 1]], np.float32)
        corners = frame.to_padded(np.concatenate([whole, np.clip(boxes.reshape(-1, 4), 0, 1)]))
        corners *= np.tile(np.array(frame.padded, np.float32), 2)  # pixels of the padded image
        vectors = _pooled(self._maps(image, shape), corners, frame.padded)
        return Vectors(vectors[0], vectors[1:])

    def _maps(self, image, shape) -> list[tf.Tensor]:
        found = self._run(image[None], shape[None])
        outputs = found.outputs | self._detector.pyramid(found.predictions)
        return [outputs[name] for name in self._names]

    def _check(self, maps: Sequence[tf.Tensor], layers: Sequence[str]) -> None:
        if not maps:
            raise OdtkError(
                "The detector has no pyramid, from whose levels features are taken if no layer is named. Name one of "
                f"its {len(layers)} layers, such as {layers[0]}.",
                argument="layer",
            )
        several = list(dict.fromkeys(name.split(":")[0] for name in self._names))
        if len(several) > 1 and self._layer is not None:
            raise OdtkError(
                f"{self._layer} means {len(several)} layers, {several[0]}, {several[1]} ...; name one of them.",
                argument="layer",
            )
        if any(each.shape.rank != 4 for each in maps) or len({each.shape[-1] for each in maps}) > 1:
            shapes = ", ".join(str(each.shape) for each in maps)
            of_all = f"The maps {', '.join(self._names)}, which are read if no layer is named,"
            what = of_all if self._layer is None else f"The outputs of {self._layer}"
            fix = f"Name one of them, such as {self._names[0]}" if self._layer is None else "Name another layer"
            raise OdtkError(
                f"{what} have the shapes {shapes}; feature maps [batch, rows, columns, channels] with the same "
                f"channels are needed. {fix}, or one of a layer's outputs.",
                argument="layer",
            )


def _pooled(maps: Sequence[tf.Tensor], corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[n, channels] for boxes yxyx [n, 4] in pixels of an image of `size`; each in the map that suits its size."""
    strides = np.array(
        [[stride(side, cells) for side, cells in zip(size, each.shape[1:3], strict=True)] for each in maps]
    )
    sides = np.maximum(corners[:, 2:] - corners[:, :2], 1e-6)  # [n, 2]
    cells = np.sqrt(np.prod(sides[:, None] / strides, axis=-1))  # [n, maps]
    chosen = np.abs(np.log2(cells / _CELLS)).argmin(axis=1)
    pooled = np.zeros([len(corners), maps[0].shape[-1]], np.float32)
    for index, each in enumerate(maps):
        rows = np.flatnonzero(chosen == index)
        if len(rows):
            pooled[rows] = _averages(tf.cast(each, tf.float32), corners[rows] / np.tile(strides[index], 2))
    return pooled


def _averages(feature_map: tf.Tensor, corners: np.ndarray) -> np.ndarray:
    """The mean of _POINTS x _POINTS values of a map [1, rows, columns, channels] in boxes yxyx [n, 4], in cells.

    The points are the centers of as many parts of the box, and the center of a cell is at 0.5, 0.5.
    """
    part = (corners[:, 2:] - corners[:, :2]) / _POINTS
    first, last = corners[:, :2] + part / 2 - 0.5, corners[:, 2:] - part / 2 - 0.5
    greatest = np.maximum(np.array(feature_map.shape[1:3]) - 1, 1)
    # crop_and_resize counts from the center of the first cell to that of the last.
    places = np.clip(np.concatenate([first, last], axis=1) / np.tile(greatest, 2), 0, 1).astype(np.float32)
    crops = tf.image.crop_and_resize(feature_map, places, np.zeros(len(places), np.int32), [_POINTS, _POINTS])
    return tf.reduce_mean(crops, axis=[1, 2]).numpy()


def _size(shape) -> tuple[int, int]:
    height, width = (int(side) for side in shape[:2])
    return height, width
