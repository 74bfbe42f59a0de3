"""A detector as a SavedModel with TFOD's signatures: one input type in, the eight detection tensors out."""

from collections.abc import Sequence

import tensorflow as tf

from odtk.detectors.detector import Detector
from odtk.exporting.signatures import INPUT_TYPES


class ServedDetector(tf.Module):
    """The detector behind one input type: `serve` takes `input_tensor` and gives TFOD's tensors, float32."""

    def __init__(self, detector: Detector, input_type: str, more_variables: Sequence[tf.Variable] = ()):
        super().__init__(name="served_detector")
        # The variables alone are tracked: a tracked Keras model would drag its own call functions into the SavedModel.
        self.model_variables = [*detector.variables, *more_variables]
        kind = INPUT_TYPES[input_type]

        def serve(input_tensor):
            resized, true_shapes = kind.read(input_tensor, detector.resize)
            detections = detector.detect(resized, true_shapes)
            outputs = {name: tf.cast(value, tf.float32) for name, value in detections.items()}
            outputs["detection_classes"] += 1.0
            return {name: _with_tfods_shape(name, value, kind.takes_one_image) for name, value in outputs.items()}

        self.serve = tf.function(serve, input_signature=[kind.spec()], autograph=False)
        # What `tf.saved_model.load` gives can be called, as TFOD's can: most of its tutorials detect in this way.
        self.__call__ = self.serve


def save(detector: Detector, input_type: str, folder: str, more_variables: Sequence[tf.Variable] = ()) -> None:
    """Writes the SavedModel to `folder`; `more_variables`: what else its network uses, see use_winograd."""
    served = ServedDetector(detector, input_type, more_variables)
    tf.saved_model.save(served, folder, signatures={"serving_default": served.serve})


def _with_tfods_shape(name: str, value, one_image: bool):
    """Forgets the number of anchors where TFOD's signature does: in every input type but one image's.

    TFOD forgets the image size there too, and so shifts the anchors of levels whose stride does not divide it away from
    where they were trained. odtk does not: every input type has the detector's own anchors.
    """
    if one_image or not name.startswith("raw_"):
        return value
    return tf.compat.v1.placeholder_with_default(value, [None, None, value.shape[-1]])
