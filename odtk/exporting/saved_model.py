"""A detector as a SavedModel with TFOD's signatures: one input type in, the eight detection tensors out."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from odtk import images
from odtk.detectors.detector import Detector

# Input type to what `serving_default` takes, as TFOD's exporter has it.
INPUTS = {
    "image_tensor": tf.TensorSpec([1, None, None, 3], tf.uint8, name="input_tensor"),
    "float_image_tensor": tf.TensorSpec([None, None, None, 3], tf.float32, name="input_tensor"),
    "encoded_image_string_tensor": tf.TensorSpec([None], tf.string, name="input_tensor"),
    "tf_example": tf.TensorSpec([None], tf.string, name="input_tensor"),
}


class ServedDetector(tf.Module):
    """The detector behind one input type: `serve` takes `input_tensor` and gives TFOD's tensors, float32."""

    def __init__(self, detector: Detector, input_type: str, more_variables: Sequence[tf.Variable] = ()):
        super().__init__(name="served_detector")
        # The variables alone are tracked: a tracked Keras model would drag its own call functions into the SavedModel.
        self.model_variables = [*detector.variables, *more_variables]
        read, spec = _READERS[input_type], INPUTS[input_type]

        def serve(input_tensor):
            resized, true_shapes = read(input_tensor, detector.resize)
            detections = detector.detect(resized, true_shapes)
            detections["detection_classes"] += 1.0
            outputs = {name: tf.cast(value, tf.float32) for name, value in detections.items()}
            one_image = input_type == "image_tensor"
            return {name: _with_tfods_shape(name, value, one_image) for name, value in outputs.items()}

        self.serve = tf.function(serve, input_signature=[spec], autograph=False)
        # What `tf.saved_model.load` gives can be called, as TFOD's can: most of its tutorials detect in this way.
        self.__call__ = self.serve


def save(detector: Detector, input_type: str, folder: str, more_variables: Sequence[tf.Variable] = ()) -> None:
    """Writes the SavedModel to `folder`; `more_variables`: those that `detector.use_winograd` gave."""
    served = ServedDetector(detector, input_type, more_variables)
    tf.saved_model.save(served, folder, signatures={"serving_default": served.serve})


def _resize_one(image_batch, resize: Callable):
    image, shape = resize(tf.cast(image_batch[0], tf.float32))
    return image[None], shape[None]


def _resize_batch(image_batch, resize: Callable):
    return _map(resize, image_batch)


def _decode_images(encoded, resize: Callable):
    return _map(lambda one: resize(tf.cast(images.decode(one), tf.float32)), encoded)


def _decode_examples(serialized, resize: Callable):
    features = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}

    def read(one):
        encoded = tf.io.parse_single_example(one, features)["image/encoded"]
        return resize(tf.cast(images.decode(encoded), tf.float32))

    return _map(read, serialized)


def _map(read: Callable, batch):
    signature = (tf.TensorSpec([None, None, 3], tf.float32), tf.TensorSpec([3], tf.int32))
    return tf.map_fn(read, batch, fn_output_signature=signature)


def _with_tfods_shape(name: str, value, one_image: bool):
    """Forgets the number of anchors where TFOD's signature does: in every input type but one image's.

    TFOD forgets the image size there too, and so shifts the anchors of levels whose stride does not divide it away from
    where they were trained. odtk does not: every input type has the detector's own anchors.
    """
    if one_image or not name.startswith("raw_"):
        return value
    return tf.compat.v1.placeholder_with_default(value, [None, None, value.shape[-1]])


_READERS = {
    "image_tensor": _resize_one,
    "float_image_tensor": _resize_batch,
    "encoded_image_string_tensor": _decode_images,
    "tf_example": _decode_examples,
}
