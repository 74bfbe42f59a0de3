"""The graph of a TFLite file: one image to the four outputs that TFOD's export_tflite_graph_tf2 gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from odtk.boxes.coding import FasterRcnnCoder, SquareCoder
from odtk.boxes.geometry import yxyx_to_cyxhw
from odtk.detectors.center_net.detector import CenterNetDetector
from odtk.detectors.detector import Detector
from odtk.detectors.ssd.detector import SsdDetector

POSTPROCESS = "TFLite_Detection_PostProcess"
"""The custom operation, which every TFLite runtime has: it decodes boxes and suppresses."""
INPUT = "input"
OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
"""In the order of the operation's outputs. Boxes are yxyx relative to the input; classes count from 0."""

_TOLERANCE = 1e-3  # of a preprocessing that is not linear, in units of the network's input


class Normalization(NamedTuple):
    """The network takes (pixel - mean) / std, by channel, float64 [3] each."""

    mean: np.ndarray
    std: np.ndarray

    @property
    def is_uniform(self) -> bool:
        """Whether it treats all channels alike: MediaPipe can do no other."""
        return bool(np.ptp(self.mean) < 1e-6 and np.ptp(self.std) < 1e-6)


IDENTITY = Normalization(np.zeros(3), np.ones(3))


def normalization_of(detector: Detector) -> Normalization | None:
    """What a detector's `preprocess` computes, read off its results; None if it does more, as exchange channels."""
    levels = tf.reshape(tf.constant([0.0, 255.0, 100.0]), [3, 1, 1, 1]) * tf.ones([3, 1, 1, 3])
    black, white, gray = detector.preprocess(levels, None).numpy()[:, 0, 0].astype(np.float64)
    std = 255.0 / (white - black)
    found = Normalization(-black * std, std)
    picture = np.array([10.0, 100.0, 200.0])  # channels that differ, in case they are exchanged
    given = detector.preprocess(tf.constant(picture[None, None, None], tf.float32), None).numpy()[0, 0, 0]
    for pixels, values in ((100.0, gray), (picture, given)):
        if np.abs((pixels - found.mean) / found.std - values).max() > _TOLERANCE:
            return None
    return found


class Stage(tf.Module):
    """A part of the graph, which is converted by itself: `serve` takes float32 tensors and returns others by name.

    An SSD's `serve` only works once it is converted: POSTPROCESS stands in it as a function without a body.
    """

    def __init__(self, function: Callable[..., dict], inputs: Mapping[str, Sequence[int]], variables: Sequence = ()):
        """`inputs`: the arguments' shapes, by their names in the signature; `variables`: what the function reads."""
        super().__init__(name="stage")
        # Only the variables are tracked: a tracked Keras model would add its own call functions to the SavedModel.
        self.model_variables = list(variables)
        signature = [tf.TensorSpec(shape, tf.float32, name=name) for name, shape in inputs.items()]
        self.serve = tf.function(function, input_signature=signature, autograph=False)


def stages(detector: Detector, inside: bool, int8: bool) -> list[Stage]:
    """The graph from one image of the detector's size to OUTPUTS, in parts: each takes what the one before returns.

    `inside`: the image is of pixel values, normalized in the graph; otherwise it was normalized before. With `int8` the
    first alone is to be quantized: each sum of CenterNet's decoding would be rounded to a 255th of its range, several
    pixels of a large image. SSD's boxes are decoded by POSTPROCESS, which computes in float32.
    """
    assert detector.image_size is not None  # other configs were refused
    shape = [1, *detector.image_size, 3]
    normalize = _normalizer(detector) if inside else tf.identity
    network, finish = _halves(detector, shape, int8)

    def whole(image):
        return finish(**network(normalize(image)))

    if not int8 or isinstance(detector, SsdDetector):
        return [Stage(whole, {INPUT: shape}, detector.variables)]
    first = Stage(lambda image: network(normalize(image)), {INPUT: shape}, detector.variables)
    maps = first.serve.get_concrete_function().structured_outputs
    names = sorted(maps)
    second = Stage(
        lambda *values: finish(**dict(zip(names, values, strict=True))), {name: maps[name].shape for name in names}
    )
    return [first, second]


def _normalizer(detector: Detector):
    """The function of pixels in the graph: two operations where that is enough, as int8 rounds after each."""
    found = normalization_of(detector)
    if found is None:
        return lambda image: detector.preprocess(image, None)
    mean, scale = (tf.constant(values, tf.float32) for values in (found.mean, 1 / found.std))
    return lambda image: (image - mean) * scale


def _halves(detector: Detector, shape: list[int], int8: bool) -> tuple[Callable[..., dict], Callable[..., dict]]:
    """From a normalized image to the network's tensors by name, and from these, in `int8` rounded, to OUTPUTS."""
    if isinstance(detector, SsdDetector):
        return _halves_of_ssd(detector, shape)
    assert isinstance(detector, CenterNetDetector)  # others were refused
    return _halves_of_center_net(detector, shape, int8)


def _halves_of_center_net(detector: CenterNetDetector, shape: list[int], int8: bool):
    read = {name.replace("/", "_"): name for name in detector.postprocess_reads}

    def network(image):
        predictions = detector.as_exported(detector.predict(image, tf.constant([shape[1:]])))
        return {short: predictions[name][-1] for short, name in read.items()}

    def finish(**maps):
        predictions = {name: [maps[short]] for short, name in read.items()}
        found = detector.postprocess(predictions, tf.constant([shape[1:]]), rounded=int8)
        return {name: tf.cast(found[name], tf.float32) for name in OUTPUTS}

    return network, finish


def _halves_of_ssd(detector: SsdDetector, shape: list[int]):
    # Their values, not what computes them: they have to be a constant of the file.
    anchors = center_size_anchors(detector, shape)
    suppress = _postprocess(detector)

    def network(image):
        predictions = detector.as_exported(detector.predict(image, None))
        encodings = predictions["box_encodings"]
        if isinstance(detector.coder, SquareCoder):
            encodings = tf.concat([encodings, encodings[..., 2:]], axis=-1)
        return {"encodings": encodings, "scores": detector.score_converter(predictions["class_logits"])}

    def finish(encodings, scores):
        return dict(zip(OUTPUTS, suppress(encodings, scores, tf.constant(anchors)), strict=True))

    return network, finish


def later_attributes(detector: Detector) -> dict[str, int]:
    """Attributes of POSTPROCESS that the converter does not pass on."""
    return {"detections_per_class": detector.suppression.max_per_class} if isinstance(detector, SsdDetector) else {}


def center_size_anchors(detector: SsdDetector, shape: list[int]) -> np.ndarray:
    """The anchors of an image of this shape [1, h, w, 3] as (center y, center x, height, width), float32 [anchors, 4].

    Those of square boxes are the squares of their area.
    """
    predict = tf.function(lambda image: detector.predict(image, None)["anchors"], autograph=False)
    center_y, center_x, height, width = (side.numpy() for side in yxyx_to_cyxhw(predict(tf.zeros(shape))))
    if isinstance(detector.coder, SquareCoder):
        height = width = np.sqrt(height * width)
    return np.stack([center_y, center_x, height, width], axis=-1)


def _postprocess(detector: SsdDetector):
    """The stand-in of POSTPROCESS, which the converter replaces: (encodings, scores, anchors) to OUTPUTS."""
    count = detector.suppression.max_total

    @tf.function(experimental_implements=_attributes(detector), autograph=False)
    def postprocess(box_encodings, class_predictions, anchors):
        sizes = ([1, count, 4], [1, count], [1, count], [1])
        return tuple(tf.zeros(size) for size in sizes)

    return postprocess


def _attributes(detector: SsdDetector) -> str:
    """The operation's name and attributes, as the text of a NameAttrList."""
    nms, background = detector.suppression, detector.background
    columns = background.columns(detector.num_classes)
    y_scale, x_scale, height_scale, width_scale = _scales(detector)
    values = {
        "max_detections": ("i", nms.max_total),
        # One: further classes of a box would be detections that it does not have after TFOD's suppression.
        "max_classes_per_detection": ("i", 1),
        # Class by class. Without, each anchor only has its best class, as where suppression disregards classes.
        "use_regular_nms": ("b", str(not detector.class_agnostic).lower()),
        "nms_score_threshold": ("f", nms.score_threshold),
        "nms_iou_threshold": ("f", nms.iou_threshold),
        "y_scale": ("f", y_scale),
        "x_scale": ("f", x_scale),
        "h_scale": ("f", height_scale),
        "w_scale": ("f", width_scale),
        # The scores may have one column more, the first: the background's.
        "num_classes": ("i", columns - (background.added or background.explicit)),
    }
    attributes = (f'attr {{ key: "{key}" value {{ {kind}: {value} }} }}' for key, (kind, value) in values.items())
    return " ".join([f'name: "{POSTPROCESS}"', *attributes])


def _scales(detector: SsdDetector) -> tuple[float, float, float, float]:
    coder = detector.coder
    if isinstance(coder, SquareCoder):
        return coder.y_scale, coder.x_scale, coder.length_scale, coder.length_scale
    assert isinstance(coder, FasterRcnnCoder)  # others were refused
    return coder.y_scale, coder.x_scale, coder.height_scale, coder.width_scale
