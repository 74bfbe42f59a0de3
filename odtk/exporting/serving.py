"""A folder for TensorFlow Serving: the SavedModel under a name and a version, warm-up requests, and a page on its use.

    serving/README.md
    serving/NAME/1/saved_model.pb, variables/, assets.extra/tf_serving_warmup_requests

TensorFlow Serving is a server of its own (a container or a Debian package, not a package of Python).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow as tf

from odtk.errors import CheckpointError
from odtk.exporting import runtime, saved_model, serving_page
from odtk.exporting.constants import FixedFunction
from odtk.exporting.label_maps import FILE as LABEL_MAP
from odtk.exporting.signatures import INPUT_NAME, INPUT_TYPES

if TYPE_CHECKING:
    from odtk.exporting.formats import Source

VERSION = "1"
SERVING_DEFAULT = "serving_default"
OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
EXTRA, WARM_UP = "assets.extra", "tf_serving_warmup_requests"
"""Where Serving looks for the requests that it sends a model before it serves it."""
PAGE = "README.md"
_INSIDE = ("best", "checkpoint")
_WARM_UP_SIDE = 640  # pixels, for detectors that take any size
_COARSE = 8

# Numbers of fields in tensorflow_serving/apis/{prediction_log,predict,model}.proto.
_LOG_PREDICT, _PREDICT_REQUEST, _REQUEST_MODEL, _REQUEST_INPUTS = 6, 1, 1, 2
_MODEL_NAME, _MODEL_SIGNATURE, _MAP_KEY, _MAP_VALUE = 1, 3, 1, 2


def write(source: Source, path: str) -> None:
    """Writes the folder."""
    name, input_type = name_of(source.prefix), source.options.input_type
    folder = Path(path) / name / VERSION
    _save(source, str(folder))
    extra = folder / EXTRA
    extra.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(extra / WARM_UP)) as writer:
        for signature in (SERVING_DEFAULT, serving_page.DETECTIONS):
            writer.write(warm_up_request(name, signature, {INPUT_NAME: _picture(source)}))
    if source.label_map is not None:
        (Path(path) / LABEL_MAP).write_bytes(source.label_map)
    (Path(path) / PAGE).write_text(serving_page.text(name, input_type, source.names), "utf-8")
    if input_type in serving_page.WITH_PIXELS:
        source.log(
            f"note: the served model takes {input_type}, so a REST request has each pixel as a number. With the input "
            "type encoded_image_string_tensor it takes JPEG files, which are a hundredth of that."
        )


def _save(source: Source, folder: str) -> None:
    """A SavedModel with TFOD's signature and a smaller one, because REST cannot ask for some of the outputs."""
    kind = INPUT_TYPES[source.options.input_type]
    served = FixedFunction(saved_model.ServedDetector(source.served, kind.name, source.more_variables).serve)

    @tf.function(input_signature=[kind.spec()], autograph=False)
    def detections(input_tensor):
        outputs = served.serve(input_tensor)
        return {name: outputs[name] for name in OUTPUTS}

    signatures = {SERVING_DEFAULT: served.serve, serving_page.DETECTIONS: detections}
    tf.saved_model.save(served, folder, signatures=signatures)


def embed(path: str, certificate: str) -> None:
    """Puts a certificate, as JSON, beside the warm-up requests."""
    saved_model.embed(str(find_version(path)), certificate)


def load(path: str | os.PathLike, *, label_map: str | os.PathLike | None = None, devices: str = "auto"):
    """The detector of the folder's highest version, which is the one that Serving serves; see odtk.load."""
    beside = Path(path) / LABEL_MAP
    return runtime.load(
        find_version(path), label_map=label_map or (beside if beside.exists() else None), devices=devices
    )


def find_version(path: str | os.PathLike) -> Path:
    """The folder of the highest version of the one model; raises CheckpointError if there is none, or are several."""
    found = [each.parent for each in Path(path).glob("*/*/saved_model.pb") if each.parent.name.isdigit()]
    if len({each.parent for each in found}) != 1:
        models = ", ".join(sorted({each.parent.name for each in found})) or "none"
        raise CheckpointError(f"{path} should hold one model, as NAME/VERSION/saved_model.pb; it holds {models}.")
    return max(found, key=lambda each: int(each.name))


def name_of(prefix: str) -> str:
    """A name that is valid in URLs, from the model dir of a checkpoint: models/pets/best/ckpt-6 gives "pets"."""
    folder = os.path.dirname(prefix if "://" in prefix else os.path.abspath(prefix))
    while os.path.basename(folder) in _INSIDE:
        folder = os.path.dirname(folder)
    return re.sub(r"[^A-Za-z0-9_-]+", "_", os.path.basename(folder)).strip("_") or "detector"


def warm_up_request(name: str, signature: str, inputs: Mapping[str, tf.Tensor]) -> bytes:
    """A serialized tensorflow.serving.PredictionLog that asks a signature of the model `name` about `inputs`.

    Written field by field: its message class is in the package tensorflow-serving-api, which nothing else here needs.
    """
    model = _field(_MODEL_NAME, name.encode()) + _field(_MODEL_SIGNATURE, signature.encode())
    request = _field(_REQUEST_MODEL, model)
    for key, tensor in inputs.items():
        value = tf.make_tensor_proto(tensor).SerializeToString()
        request += _field(_REQUEST_INPUTS, _field(_MAP_KEY, key.encode()) + _field(_MAP_VALUE, value))
    return _field(_LOG_PREDICT, _field(_PREDICT_REQUEST, request))


def _field(number: int, content: bytes) -> bytes:
    """A field with a length, as protocol buffers encode strings, bytes and messages."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _picture(source: Source) -> tf.Tensor:
    """A drawn picture of the model's own size, as the model takes it."""
    size = source.detector.image_size or (_WARM_UP_SIDE, _WARM_UP_SIDE)
    coarse = tf.random.stateless_uniform([_COARSE, _COARSE, 3], (0, 1), 0.0, 255.0)
    return INPUT_TYPES[source.options.input_type].from_image(tf.cast(tf.image.resize(coarse, size), tf.uint8))
