"""Annotated image to Example and back: the features of TFOD's create_pet_tf_record, and COCO's; without TensorFlow."""

import hashlib
import io
from collections.abc import Sequence

from google.protobuf.message import DecodeError

from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
from odtk.errors import DataError
from odtk.protos.example_pb2 import Example

MASK_TYPES = ("png", "numerical")

_MASK = "image/object/mask"
_IMAGE_KINDS = {
    "image/height": "int64_list",
    "image/width": "int64_list",
    "image/filename": "bytes_list",
    "image/source_id": "bytes_list",
    "image/key/sha256": "bytes_list",
    "image/encoded": "bytes_list",
    "image/format": "bytes_list",
}
_OBJECT_KINDS = {
    "image/object/bbox/xmin": "float_list",
    "image/object/bbox/xmax": "float_list",
    "image/object/bbox/ymin": "float_list",
    "image/object/bbox/ymax": "float_list",
    "image/object/class/text": "bytes_list",
    "image/object/class/label": "int64_list",
    "image/object/difficult": "int64_list",
    "image/object/truncated": "int64_list",
    "image/object/view": "bytes_list",
}
# Written only if the data has them; records of the Pet layout have neither.
_COCO_KINDS = {
    "image/object/is_crowd": "int64_list",
    "image/object/area": "float_list",
}
_MASK_KINDS = ("bytes_list", "float_list")


def encode(image: AnnotatedImage, mask_type: str | None = None) -> bytes:
    """The serialized Example of `image`; the same image always gives the same bytes.

    Crowd flags are written if any object is a crowd, areas if every object has one.
    `mask_type` "png" writes each object's mask as a PNG of 0 and 1, "numerical" all masks as one flat list of floats
    (TFOD's two forms); None writes no masks.
    """
    message = Example()
    features = _image_features(image) | _object_features(image.objects) | _coco_features(image.objects)
    for name, values in features.items():
        _set(message, name, (_IMAGE_KINDS | _OBJECT_KINDS | _COCO_KINDS)[name], values)
    masks = [entry.mask for entry in image.objects]
    if mask_type == "png":
        _set(message, _MASK, "bytes_list", [_png(mask) for mask in masks])
    elif mask_type == "numerical":
        _set(message, _MASK, "float_list", [])
        message.features.feature[_MASK].float_list.MergeFromString(_packed_floats(masks))
    return message.SerializeToString(deterministic=True)


def decode(data: bytes) -> AnnotatedImage:
    """The inverse of `encode` (boxes have float32 precision).

    Raises DataError if a feature is missing, unknown, of another kind, or has the wrong number of values; use
    `read_features` for records of other tools with other features.
    """
    kinds, features = _read(data)
    _check_kinds(kinds)
    for name in _IMAGE_KINDS:
        if len(features[name]) != 1:
            raise DataError(f"The example has {len(features[name])} values of {name}, but one is expected.")
    filename = _text(features["image/filename"][0])
    counts = {name: len(features[name]) for name in (_OBJECT_KINDS | _COCO_KINDS) if name in features}
    if len(set(counts.values())) > 1:
        raise DataError(f"The features of the example {filename} have different numbers of objects: {counts}.")
    height, width = features["image/height"][0], features["image/width"][0]
    return AnnotatedImage(
        encoded=features["image/encoded"][0],
        filename=filename,
        height=height,
        width=width,
        objects=_objects(features, _masks(features, height, width)),
        source_id=_text(features["image/source_id"][0]),
        format=_text(features["image/format"][0]),
    )


def read_features(data: bytes) -> dict[str, list]:
    """Every feature of any serialized Example, by name: a list of bytes, floats or ints.

    Raises DataError if the bytes are not an Example.
    """
    return _read(data)[1]


def _image_features(image: AnnotatedImage) -> dict[str, list]:
    return {
        "image/height": [image.height],
        "image/width": [image.width],
        "image/filename": [image.filename.encode()],
        "image/source_id": [image.source_id.encode()],
        "image/key/sha256": [hashlib.sha256(image.encoded).hexdigest().encode()],
        "image/encoded": [image.encoded],
        "image/format": [image.format.encode()],
    }


def _object_features(objects: Sequence[AnnotatedObject]) -> dict[str, list]:
    return {
        "image/object/bbox/ymin": [entry.box[0] for entry in objects],
        "image/object/bbox/xmin": [entry.box[1] for entry in objects],
        "image/object/bbox/ymax": [entry.box[2] for entry in objects],
        "image/object/bbox/xmax": [entry.box[3] for entry in objects],
        "image/object/class/text": [entry.class_name.encode() for entry in objects],
        "image/object/class/label": [entry.class_id for entry in objects],
        "image/object/difficult": [int(entry.difficult) for entry in objects],
        "image/object/truncated": [entry.truncated for entry in objects],
        "image/object/view": [entry.pose.encode() for entry in objects],
    }


def _coco_features(objects: Sequence[AnnotatedObject]) -> dict[str, list]:
    features: dict[str, list] = {}
    if any(entry.is_crowd for entry in objects):
        features["image/object/is_crowd"] = [int(entry.is_crowd) for entry in objects]
    if objects and all(entry.area is not None for entry in objects):
        features["image/object/area"] = [entry.area for entry in objects]
    return features


def _set(message: Example, name: str, kind: str, values: Sequence) -> None:
    feature = getattr(message.features.feature[name], kind)
    # Empty lists are written too: by its kind a reader can tell an empty list from a missing feature.
    feature.SetInParent()
    feature.value.extend(values)


def _read(data: bytes) -> tuple[dict[str, str | None], dict[str, list]]:
    try:
        message = Example.FromString(data)
    except DecodeError as error:
        raise DataError(f"The record of {len(data)} bytes is not an Example message ({error}).") from error
    kinds = {name: feature.WhichOneof("kind") for name, feature in message.features.feature.items()}
    values = message.features.feature
    return kinds, {name: list(getattr(values[name], kind).value) if kind else [] for name, kind in kinds.items()}


def _check_kinds(kinds: dict[str, str | None]) -> None:
    needed = _IMAGE_KINDS | _OBJECT_KINDS
    expected = needed | _COCO_KINDS
    missing, unknown = sorted(needed.keys() - kinds.keys()), sorted(kinds.keys() - expected.keys() - {_MASK})
    if missing or unknown:
        raise DataError(f"The example's features are not those of TFOD's Pet records: {missing=}, {unknown=}.")
    for name, kind in kinds.items():
        allowed = _MASK_KINDS if name == _MASK else [expected[name]]
        if kind not in allowed:
            raise DataError(f"The example's feature {name} is a {kind}, but {' or '.join(allowed)} is expected.")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"The example has the text {value!r}, which is not UTF-8.") from error


def _objects(features: dict[str, list], masks: list) -> tuple[AnnotatedObject, ...]:
    boxes = zip(*(features[f"image/object/bbox/{side}"] for side in ("ymin", "xmin", "ymax", "xmax")), strict=True)
    columns = ("class/label", "class/text", "difficult", "truncated", "view")
    crowds = map(bool, features.get("image/object/is_crowd", [0] * len(masks)))
    areas = features.get("image/object/area", [None] * len(masks))
    values = (features[f"image/object/{column}"] for column in columns)
    return tuple(
        AnnotatedObject(box, class_id, _text(name), bool(difficult), truncated, _text(pose), mask, is_crowd, area)
        for box, class_id, name, difficult, truncated, pose, mask, is_crowd, area in zip(
            boxes, *values, masks, crowds, areas, strict=True
        )
    )


def _masks(features: dict[str, list], height: int, width: int) -> list:
    count, values = len(features["image/object/class/label"]), features.get(_MASK)
    if values is None:
        return [None] * count
    if values and isinstance(values[0], bytes):
        masks = [_read_png(value) for value in values]
    elif len(values) == count * height * width:
        masks = _unflatten(values, height, width)
    else:
        raise DataError(f"The example has {len(values)} mask values, not {count} masks of {height} x {width}.")
    if len(masks) != count:
        raise DataError(f"The example has {len(masks)} masks for {count} objects.")
    return masks


def _png(mask) -> bytes:
    from PIL import Image

    output = io.BytesIO()
    Image.fromarray(mask).save(output, format="PNG")
    return output.getvalue()


def _read_png(encoded: bytes):
    import numpy as np
    from PIL import Image

    try:
        return np.asarray(Image.open(io.BytesIO(encoded)))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"The example has a mask that is not a readable PNG ({error}).") from error


def _packed_floats(masks: Sequence) -> bytes:
    """The wire form of a FloatList of all masks' pixels; a list of that many Python floats takes 20 times as long."""
    import numpy as np

    values = b"".join(np.asarray(mask, "<f4").tobytes() for mask in masks)
    length, prefix = len(values), b""
    while length > 0x7F:
        length, prefix = length >> 7, prefix + bytes([length & 0x7F | 0x80])
    return b"\x0a" + prefix + bytes([length]) + values


def _unflatten(values: Sequence[float], height: int, width: int) -> list:
    import numpy as np

    return list(np.asarray(values, np.uint8).reshape(-1, height, width))
