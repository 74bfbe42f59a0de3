"""TFOD's input types: what an exported detector takes, and how it is converted to images of the detector's size.

To add an input type, add a row to INPUT_TYPES. Reading the table does not load TensorFlow (only calling its functions
does), because the command line lists the names in its help.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

INPUT_NAME = "input_tensor"
_PARSING_OPS = frozenset({"ParseExample", "ParseExampleV2", "ParseSingleExample"})


@dataclass(frozen=True)
class InputType:
    """One of the values of `--input_type` of TFOD's exporter."""

    name: str
    meaning: str
    dtype: str
    shape: tuple[int | None, ...]
    read: Callable
    """(tensor of that dtype and shape, a detector's `resize`) to (float32 images [B, h, w, 3], true_image_shapes)."""
    from_image: Callable
    """An image, uint8 [h, w, 3], to a tensor of that dtype and shape, with the same pixels."""
    ops: frozenset[str] = frozenset()
    """The graph of an exported model of this type has one of these operations; distinguishes types with equal dtype."""

    @property
    def takes_one_image(self) -> bool:
        """Whether batches always have one image. In TFOD's other signatures the number of anchors is unknown."""
        return self.shape[0] == 1

    def spec(self):
        """The tf.TensorSpec of the signature's input."""
        import tensorflow as tf

        return tf.TensorSpec(self.shape, self.dtype, name=INPUT_NAME)


def input_type_of(dtype: str, find_ops: Callable[[], Container[str]]) -> InputType | None:
    """The input type of a model that takes `dtype` and whose graph has these operations; None for any other model.

    `find_ops` is only called if several input types have this dtype.
    """
    fitting = [kind for kind in INPUT_TYPES.values() if kind.dtype == dtype]
    if len(fitting) > 1:
        ops = find_ops()
        marked = [kind for kind in fitting if any(op in ops for op in kind.ops)]
        fitting = marked or [kind for kind in fitting if not kind.ops]
    return next(iter(fitting), None)


def _resize_one(batch, resize: Callable):
    import tensorflow as tf

    image, shape = resize(tf.cast(batch[0], tf.float32))
    return image[None], shape[None]


def _resize_each(batch, resize: Callable, image_of: Callable = lambda one: one):
    import tensorflow as tf

    signature = (tf.TensorSpec([None, None, 3], tf.float32), tf.TensorSpec([3], tf.int32))
    return tf.map_fn(lambda one: resize(tf.cast(image_of(one), tf.float32)), batch, fn_output_signature=signature)


def _decode_images(encoded, resize: Callable):
    from odtk import images

    return _resize_each(encoded, resize, images.decode)


def _decode_examples(serialized, resize: Callable):
    import tensorflow as tf

    from odtk import images

    def image_of(one):
        features = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        return images.decode(tf.io.parse_single_example(one, features)["image/encoded"])

    return _resize_each(serialized, resize, image_of)


def _as_float(image):
    import tensorflow as tf

    return tf.cast(image, tf.float32)[tf.newaxis]


def _as_png(image):
    import tensorflow as tf

    # PNG is lossless: the model sees exactly the pixels that were read.
    return tf.io.encode_png(image, compression=1)[tf.newaxis]


def _as_example(image):
    import tensorflow as tf

    encoded = tf.io.encode_png(image, compression=1).numpy()
    bytes_list = tf.train.BytesList(value=[encoded])
    features = tf.train.Features(feature={"image/encoded": tf.train.Feature(bytes_list=bytes_list)})
    return tf.constant([tf.train.Example(features=features).SerializeToString()])


INPUT_TYPES = {
    kind.name: kind
    for kind in (
        InputType(
            "image_tensor", "uint8, one image", "uint8", (1, None, None, 3), _resize_one, lambda image: image[None]
        ),
        InputType("float_image_tensor", "a batch", "float32", (None, None, None, 3), _resize_each, _as_float),
        InputType("encoded_image_string_tensor", "JPEG or PNG bytes", "string", (None,), _decode_images, _as_png),
        InputType(
            "tf_example", "serialized tf.train.Examples", "string", (None,), _decode_examples, _as_example, _PARSING_OPS
        ),
    )
}


def input_types_in_words() -> str:
    """Every input type with its meaning: "a (...), b (...) or c (...)"."""
    *others, last = (f"{kind.name} ({kind.meaning})" for kind in INPUT_TYPES.values())
    return f"{', '.join(others)} or {last}"
