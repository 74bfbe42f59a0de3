"""Writes a detector as a SavedModel with TFOD's signatures: one input, the eight detection tensors as outputs."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from odtk.detectors.detector import Detector
from odtk.exporting.constants import with_constants
from odtk.exporting.formats import Source
from odtk.exporting.signatures import INPUT_TYPES


class ServedDetector(tf.Module):
    """A detector with one input type: `serve` takes `input_tensor` and returns TFOD's tensors, float32."""

    def __init__(self, detector: Detector, input_type: str, more_variables: Sequence[tf.Variable] = ()):
        super().__init__(name="served_detector")
        # Only the variables are tracked: a tracked Keras model would add its own call functions to the SavedModel.
        self.model_variables = [*detector.variables, *more_variables]
        kind = INPUT_TYPES[input_type]

        def serve(input_tensor):
            resized, true_shapes = kind.read(input_tensor, detector.resize)
            detections = detector.detect(resized, true_shapes)
            outputs = {name: tf.cast(value, tf.float32) for name, value in detections.items()}
            outputs["detection_classes"] += 1.0
            return {name: _with_tfods_shape(name, value, kind.takes_one_image) for name, value in outputs.items()}

        self.serve = tf.function(serve, input_signature=[kind.spec()], autograph=False)
        # The loaded SavedModel is callable, as TFOD's is: most of its tutorials use it this way.
        self.__call__ = self.serve


class FixedDetector(tf.Module):
    """A served detector whose weights are constants of its graph, by which TensorFlow computes it quicker.

    The runtime folds batch norms into kernels that it knows not to change, and keeps these in the processor's order: a
    fifth of the CPU time of an SSD. The weights as variables are in the export's checkpoint.
    """

    def __init__(self, served: ServedDetector):
        super().__init__(name="served_detector")
        function = served.serve.get_concrete_function()
        fixed = with_constants(function)

        def serve(input_tensor):
            return tf.nest.pack_sequence_as(function.structured_outputs, fixed(input_tensor))

        self.serve = tf.function(serve, input_signature=served.serve.input_signature, autograph=False)
        self.__call__ = self.serve


def save(detector: Detector, input_type: str, folder: str, more_variables: Sequence[tf.Variable] = ()) -> None:
    """Writes the SavedModel to `folder`; `more_variables`: other variables that its network uses, see use_winograd."""
    fixed = FixedDetector(ServedDetector(detector, input_type, more_variables))
    tf.saved_model.save(fixed, folder, signatures={"serving_default": fixed.serve})


def write(source: Source, folder: str) -> None:
    """Writes the SavedModel of an export, see odtk.exporting.formats."""
    save(source.served, source.options.input_type, folder, source.more_variables)


def embed(folder: str, certificate: str) -> None:
    """Puts a certificate, as JSON, where a SavedModel has files that TensorFlow does not read."""
    extra = Path(folder) / "assets.extra"
    extra.mkdir(exist_ok=True)
    (extra / "certificate.json").write_text(certificate, "utf-8")


def _with_tfods_shape(name: str, value, one_image: bool):
    """Makes the number of anchors unknown where it is in TFOD's signature: in all input types but that of one image.

    TFOD leaves the image size unknown there, too, which shifts the anchors of levels whose stride does not divide it
    from where they were in training. odtk does not: every input type uses the detector's own anchors.
    """
    if one_image or not name.startswith("raw_"):
        return value
    # By a shape that is computed: of a placeholder with a default, converters want one that is a constant.
    return tf.reshape(value, tf.stack([tf.shape(value)[0], -1, value.shape[-1]]))
