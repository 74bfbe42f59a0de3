"""One picture's way through a detector, with all that its layers computed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from odtk.detections import Detections
from odtk.detectors import activations
from odtk.detectors.candidates import Candidates, Level
from odtk.detectors.detector import Detector
from odtk.explaining.map_frame import MapFrame

_INDICES = "detection_anchor_indices"


@dataclass(frozen=True)
class PictureRun:
    """What a detector computed of one picture, and the tape that knows how."""

    frame: MapFrame
    predictions: dict
    outputs: dict[str, tf.Tensor]
    """Of every layer by name, see LayerInfo.outputs; the pyramid's levels have a name of their own, too ("P3")."""
    levels: tuple[str, ...]
    """The names of the pyramid's levels, finest first; empty without one."""
    candidates: Candidates | None
    detections: Detections
    """Best first, classes from 1."""
    rows: np.ndarray | None
    """For each detection its row among the candidates; None if the detector does not say."""
    detection_scores: tf.Tensor
    """[1, n] as the detector gave them, in the order of `detections`."""
    tape: tf.GradientTape

    def level(self, index: int) -> Level | None:
        """The level from which detection `index` was predicted; None if the detector does not say."""
        if self.candidates is None or self.rows is None:
            return None
        return self.candidates.level_of(int(self.rows[index]))

    def gradient(self, index: int, names: Sequence[str]) -> dict[str, tf.Tensor]:
        """Of the score of detection `index`, with respect to outputs, of their shapes, by name.

        Those that it does not depend on are left out.
        """
        if self.candidates is not None and self.rows is not None:
            scores, place = self.candidates.scores, [0, int(self.rows[index]), int(self.detections.classes[index]) - 1]
        else:
            scores, place = self.detection_scores, [0, index]
        one = tf.scatter_nd([place], [1.0], scores.shape)
        found = self.tape.gradient(scores, [self.outputs[name] for name in names], output_gradients=one)
        return {name: gradient for name, gradient in zip(names, found, strict=True) if gradient is not None}


def run_picture(detector: Detector, pixels: np.ndarray) -> PictureRun:
    """Runs a detector on a picture, uint8 RGB [height, width, 3], eagerly, and keeps everything."""
    image, true_shape = detector.resize(tf.cast(tf.constant(pixels), tf.float32))
    shapes = true_shape[None]
    with tf.GradientTape(persistent=True) as tape:
        images = tf.identity(image)[None]
        tape.watch(images)  # also where all weights are frozen
        found = activations.run_with_outputs(detector, detector.preprocess(images, shapes), shapes)
        predictions = detector.as_exported(found.predictions)
        candidates = detector.candidates(predictions)
        raw = detector.postprocess(predictions, shapes)
        order = np.argsort(-_used(raw, "detection_scores"), kind="stable")
        scores = tf.gather(raw["detection_scores"], order, axis=1)
    pyramid = detector.pyramid(predictions)
    return PictureRun(
        frame=MapFrame(pixels.shape[:2], _size(true_shape), _size(image.shape)),
        predictions=predictions,
        outputs=found.outputs | pyramid,
        levels=tuple(pyramid),
        candidates=candidates,
        detections=_detections(raw),
        rows=_used(raw, _INDICES)[order] if _INDICES in raw else None,
        detection_scores=scores,
        tape=tape,
    )


def _size(shape) -> tuple[int, int]:
    height, width = (int(side) for side in shape[:2])
    return height, width


def _used(raw: dict, name: str) -> np.ndarray:
    """An output of the first image, without its padding."""
    return raw[name][0, : int(raw["num_detections"][0])].numpy()


def _detections(raw: dict) -> Detections:
    read = {name: np.asarray(value) for name, value in raw.items()}
    return Detections.from_outputs(read | {"detection_classes": read["detection_classes"] + 1})
