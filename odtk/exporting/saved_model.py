"""Writes a detector as a SavedModel with TFOD's signatures: one input, the eight detection tensors as outputs."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from odtk.detectors.detector import Detector
from odtk.exporting.constants import FixedFunction
from odtk.exporting.formats import Source
from odtk.exporting.signatures import INPUT_TYPES


class ServedDetector(tf.Module):
    """A detector with one input type: `serve` takes `input_tensor` and returns TFOD's tensors, float32.

    `more_variables`: others that its network uses, see use_winograd.
    """

    def __init__(self, detector: Detector, input_type: str, more_variables: Sequence[tf.Variable] = ()):
        super().__init__(name="served_detector")
        # A graph refers to variables without keeping them.
        self.model_variables = [*detector.variables, *more_variables]
        kind = INPUT_TYPES[input_type]

        def serve(input_tensor):
            resized, true_shapes = kind.read(input_tensor, detector.resize)
            detections = detector.detect(resized, true_shapes)
            outputs = {name: tf.cast(value, tf.float32) for name, value in detections.items()}
            outputs["detection_classes"] += 1.0
            keeps = kind.takes_one_image or detector.has_fixed_raw_detections
            return {name: value if keeps else _with_tfods_shape(name, value) for name, value in outputs.items()}

        self.serve = tf.function(serve, input_signature=[kind.spec()], autograph=False)


def save(detector: Detector, input_type: str, folder: str, more_variables: Sequence[tf.Variable] = ()) -> None:
    """Writes the SavedModel to `folder`, its weights as constants; `more_variables`: see ServedDetector."""
    FixedFunction(ServedDetector(detector, input_type, more_variables).serve).save(folder)


def write(source: Source, folder: str) -> None:
    """Writes the SavedModel of an export, see odtk.exporting.formats."""
    save(source.served, source.options.input_type, folder, source.more_variables)


def embed(folder: str, certificate: str) -> None:
    """Puts a certificate, as JSON, where a SavedModel has files that TensorFlow does not read."""
    extra = Path(folder) / "assets.extra"
    extra.mkdir(exist_ok=True)
    (extra / "certificate.json").write_text(certificate, "utf-8")


def _with_tfods_shape(name: str, value):
    """Makes the number of anchors unknown, as in TFOD's signature of all input types but that of one image.

    TFOD leaves the image size unknown there, too, which shifts the anchors of levels whose stride does not divide it
    from where they were in training. odtk does not: every input type uses the detector's own anchors.
    """
    if not name.startswith("raw_"):
        return value
    # By a shape that is computed: of a placeholder with a default, converters want one that is a constant.
    return tf.reshape(value, tf.stack([tf.shape(value)[0], -1, value.shape[-1]]))
