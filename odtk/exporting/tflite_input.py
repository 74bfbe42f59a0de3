"""How the input of a .tflite file is made of a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from odtk import images, pipeline
from odtk.detectors import families
from odtk.detectors.parts.resizer import build_resizer
from odtk.errors import CheckpointError
from odtk.exporting import tflite_archive
from odtk.exporting.tflite_texts import FileTexts

_BESIDE = "pipeline.config"


@dataclass(frozen=True)
class ImageInput:
    """Pictures to inputs of one size, and boxes back to pictures."""

    resize: Callable
    """uint8 [h, w, 3] to (float32 [height, width, 3], true_image_shape int32 [3])."""
    mean: np.ndarray
    std: np.ndarray
    relative: bool
    """Whether boxes are wanted relative to the picture, not to the padded input."""
    keeps_empty: bool = False
    """Whether boxes without area, as those in the padding, are detections: CenterNet leaves out none."""

    def prepare(self, image: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """(the input [1, height, width, 3] in `dtype`, the part of its height and width that the picture fills)."""
        resized, true_shape = (np.asarray(part) for part in self.resize(image))
        fills = true_shape[:2] / np.array(resized.shape[:2])
        if dtype == np.uint8:
            return np.rint(resized).clip(0, 255).astype(np.uint8)[None], fills
        return ((resized - self.mean) / self.std).astype(dtype)[None], fills

    def to_picture(self, boxes: np.ndarray, fills: np.ndarray) -> np.ndarray:
        """Boxes yxyx [n, 4] of the input, clipped to the picture and relative to it."""
        window = np.tile(fills, 2).astype(np.float32)
        clipped = np.clip(boxes, 0.0, window)
        return clipped / window if self.relative else clipped


def build_input(texts: FileTexts, size: tuple[int, int], dtype: np.dtype) -> ImageInput:
    """The input of a file whose tensor has this (height, width) and type.

    By the file's own pipeline.config or one beside it, else by its metadata alone, as MediaPipe does: stretched. Raises
    CheckpointError if how the input is normalized cannot be known.
    """
    own = texts.files.get(tflite_archive.CONFIG)
    beside = Path(texts.path).with_name(_BESIDE)
    if own is None and not beside.is_file():
        mean, std = _normalization(texts, dtype)
        return ImageInput(_tensors(lambda image: images.resize_to_fixed(image, *size)), mean, std, relative=True)
    config = pipeline.parse(own, f"the config in {texts.path}") if own else pipeline.read(beside)
    _require_size(config, texts, size, "its own config" if own else str(beside))
    if texts.metadata is None:
        return _as_trained(config, dtype)
    is_center_net = config.model.HasField("center_net")
    mean, std = _normalization(texts, dtype)
    padding = json.loads(texts.files.get(tflite_archive.INPUT, "{}")).get("padding")

    def color_of(values):
        return tuple(padding) if padding else tuple((np.array(values) * std + mean).tolist())

    resizer = families.of(config).image_resizer(config.model)
    return ImageInput(_tensors(build_resizer(resizer, color_of)), mean, std, _relative(config), is_center_net)


def _as_trained(config, dtype: np.dtype) -> ImageInput:
    """Of a file without metadata, such as TFOD's: its input is what its detector's `preprocess` makes of pixels.

    TFOD's CenterNet takes pixels.
    """
    from odtk.exporting.tflite_graph import IDENTITY, normalization_of

    detector = families.of(config).build(config.model)
    is_center_net = config.model.HasField("center_net")
    pixels = dtype == np.uint8 or is_center_net
    found = IDENTITY if pixels else normalization_of(detector)
    assert found is not None  # an SSD's preprocessing is linear by channel
    mean, std = found
    return ImageInput(_tensors(detector.resize), mean, std, _relative(config), is_center_net)


def _normalization(texts: FileTexts, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    if dtype == np.uint8:
        return np.zeros(1), np.ones(1)
    found = texts.metadata
    if found is None or not found.mean or not found.std:
        raise CheckpointError(
            f"{texts.path} does not say how its input is normalized (it has no TFLite metadata), and a wrong guess "
            f"finds nothing or the wrong things. Put the {_BESIDE} that it was trained with beside it, or export the "
            "checkpoint with odtk, which writes the metadata."
        )
    return np.array(found.mean), np.array(found.std)


def _require_size(config, texts: FileTexts, size: tuple[int, int], whose: str) -> None:
    sides = list(families.of(config).fixed_sides(config.model).values())
    if (sides[0], sides[-1]) != size if sides else True:
        given = f"{sides[0]}x{sides[-1]}" if sides else "images of several sizes"
        raise CheckpointError(
            f"{texts.path} takes images of {size[0]}x{size[1]}, but {whose} says {given}: they do not belong together."
        )


def _relative(config) -> bool:
    """CenterNet's detections are relative to the picture always, an SSD's if its config says so."""
    ssd = config.model.ssd
    return not config.model.HasField("ssd") or ssd.post_processing.batch_non_max_suppression.change_coordinate_frame


def _tensors(resize: Callable) -> Callable:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)], autograph=False)
    def resized(image):
        with tf.device("CPU:0"):
            return resize(tf.cast(image, tf.float32))

    return resized
