"""Decodes serialized Examples, as written by TFOD's converters, to image and groundtruth tensors."""

import itertools
from collections.abc import Callable

import tensorflow as tf

from odtk import images
from odtk.annotations.image_files import MAX_PIXELS
from odtk.errors import LabelMapError
from odtk.inputs import groundtruth
from odtk.inputs.bad_boxes import BadBoxes, usable
from odtk.inputs.image_cache import decoded
from odtk.label_map import LabelMap

UNKNOWN_CLASS = -1

_OF_PARSER = ("encoded", "cached", "has_bad_boxes")
_HASHES = 2**62

_UNLIKE = "the image/object lists of an Example (ymin, xmin, ymax, xmax, class) differ in length"

_STRING = tf.io.FixedLenFeature([], tf.string, "")


def _list_of(dtype) -> tf.io.FixedLenSequenceFeature:
    return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True)


# Masks, truncated, view and other features of a record are not parsed, as box detectors do not use them.
_FEATURES = {
    "image/encoded": _STRING,
    "image/filename": _STRING,
    "image/source_id": _STRING,
    "image/key/sha256": _STRING,
    "image/object/bbox/ymin": _list_of(tf.float32),
    "image/object/bbox/xmin": _list_of(tf.float32),
    "image/object/bbox/ymax": _list_of(tf.float32),
    "image/object/bbox/xmax": _list_of(tf.float32),
    "image/object/class/text": _list_of(tf.string),
    "image/object/class/label": _list_of(tf.int64),
    "image/object/weight": _list_of(tf.float32),
    "image/object/is_crowd": _list_of(tf.int64),
    "image/object/difficult": _list_of(tf.int64),
    "image/object/group_of": _list_of(tf.int64),
    "image/object/area": _list_of(tf.float32),
    "image/class/text": _list_of(tf.string),
    "image/class/label": _list_of(tf.int64),
}


def make_decoder(label_map: LabelMap | None, num_classes: int, bad_boxes: BadBoxes | None = None) -> Callable:
    """The function (serialized Example, its place) -> example dictionary (see odtk.inputs.groundtruth).

    A box's class comes from `image/object/class/text`, looked up among the label map's names and then its display
    names; `image/object/class/label` (1-based) is only used if an example has no text, or without label map, as in
    TFOD. Boxes that odtk.records.box_errors rejects are dropped, and recorded by `bad_boxes` if a place (int64 [2]:
    file and record) is given; TFOD only drops those with a NaN. Boxes with an unknown name or with a class outside
    1..num_classes are dropped, too; TFOD keeps the latter as objects without a class. `image/class` names in the same
    way the classes that an image was labeled for; without it, it was labeled for all.
    """
    parse = make_parser(label_map, num_classes, bad_boxes)
    return lambda serialized, place=None: decode_image(parse(serialized, place))


def decode_image(example: dict) -> dict:
    """The example of a parser with its decoded image, which `cached` may have (see odtk.inputs.image_cache)."""
    encoded, cached = example["encoded"], example.get("cached")
    image = images.decode(encoded, MAX_PIXELS) if cached is None else decoded(encoded, cached)
    others = {name: value for name, value in example.items() if name not in _OF_PARSER}
    return {"image": image, "original_image_size": tf.shape(image)[:2], **others}


def make_parser(label_map: LabelMap | None, num_classes: int, bad_boxes: BadBoxes | None = None) -> Callable:
    """Like `make_decoder`, but the examples have `encoded`, the bytes of the image, for `decode_image`.

    They also have `has_bad_boxes`: whether boxes were dropped that `bad_boxes` would record.
    """
    class_ids = _make_class_lookup(label_map)

    def labeled_classes(features) -> tf.Tensor:
        # Classes that are not known are rows of zeros.
        rows = tf.one_hot(tf.cast(class_ids(features, "image/class"), tf.int32) - 1, num_classes)
        return tf.where(tf.reduce_any(rows > 0), tf.reduce_max(rows, axis=0), 1.0)

    def parse(serialized, place=None) -> dict:
        features = tf.io.parse_single_example(serialized, _FEATURES)
        example = {
            "encoded": features["image/encoded"],
            "source_id": _source_id(features, serialized),
            **_boxes(features, class_ids(features, "image/object/class")),
            "labeled_classes": labeled_classes(features),
        }
        good = usable(example["boxes"])
        if bad_boxes is not None and place is not None:
            with tf.control_dependencies([bad_boxes.note(place, example["source_id"], example["boxes"], good)]):
                good = tf.identity(good)
        known = (example["classes"] >= 0) & (example["classes"] < num_classes)
        return {**groundtruth.keep(example, good & known), "has_bad_boxes": ~tf.reduce_all(good)}

    return parse


def _boxes(features: dict, class_ids) -> dict:
    sides = [features[f"image/object/bbox/{side}"] for side in ("ymin", "xmin", "ymax", "xmax")]
    count = tf.size(sides[0])
    alike = tf.reduce_all(tf.stack([tf.size(each) for each in (*sides[1:], class_ids)]) == count)
    # All uses of the lists run after the assertion, so that they do not fail with another message.
    with tf.control_dependencies([tf.raw_ops.Assert(condition=alike, data=[_UNLIKE])]):
        sides, class_ids = [tf.identity(side) for side in sides], tf.identity(class_ids)
    numbers = tf.range(count)

    def one_per_box(feature: str, default) -> tf.Tensor:
        return _one_per_box(features[f"image/object/{feature}"], numbers, count, default)

    return {
        "boxes": tf.stack(sides, axis=1),
        "classes": tf.cast(class_ids, tf.int32) - 1,
        "weights": one_per_box("weight", 1.0),
        "is_crowd": tf.cast(one_per_box("is_crowd", 0), tf.bool),
        "difficult": tf.cast(one_per_box("difficult", 0), tf.bool),
        "group_of": tf.cast(one_per_box("group_of", 0), tf.bool),
        "area": one_per_box("area", 0.0),
    }


def _one_per_box(values, numbers, count, default) -> tf.Tensor:
    """The record's values if it has one for every box, else the default for all of them; numbers: of the boxes."""
    size = tf.size(values)
    with_default = tf.concat([values, tf.constant([default], values.dtype)], 0)
    return tf.gather(with_default, tf.where(size == count, numbers, size))


def _either(is_first, first, second) -> tf.Tensor:
    """`first` [n] if `is_first`, else `second` [m]. tf.cond would have a function for each: runs would start later."""
    begin = tf.where(is_first, 0, tf.size(first))
    return tf.concat([first, second], 0)[begin : begin + tf.where(is_first, tf.size(first), tf.size(second))]


def _source_id(features: dict, serialized) -> tf.Tensor:
    # Evaluation identifies images by this string, so an Example without a name gets one from its bytes.
    names = [features["image/source_id"], features["image/filename"], features["image/key/sha256"]]
    name = tf.as_string(tf.strings.to_hash_bucket_fast(serialized, 2**62))
    for candidate in reversed(names):
        name = tf.where(tf.strings.length(candidate) > 0, candidate, name)
    return name


def _make_class_lookup(label_map: LabelMap | None) -> Callable:
    """The function of (features, the beginning of the names of `text` and `label`) to 1-based ids int64 [n]."""
    if label_map is None:
        return lambda features, of: features[f"{of}/label"]
    look_up_texts = _make_text_lookup(label_map.texts)

    def look_up(features, of: str):
        text, label = features[f"{of}/text"], features[f"{of}/label"]
        return _either(tf.size(text) > 0, look_up_texts(text), label)

    return look_up


def _make_text_lookup(ids: dict[str, int]) -> Callable:
    """The ids of texts [n]. It is no table, which would be a resource of this process: a dataset may run in another."""
    ids = {"": UNKNOWN_CLASS, **ids}
    hashed = sorted(zip(tf.strings.to_hash_bucket_fast(list(ids), _HASHES).numpy().tolist(), ids.items(), strict=True))
    hashes = [number for number, _ in hashed]
    for (number, (name, _)), (following, (other, _)) in itertools.pairwise(hashed):
        if number == following:
            raise LabelMapError(
                f"The names '{name}' and '{other}' of the label map have the same hash, by which records' names are "
                "looked up. Rename one of the two classes, there and in the records."
            )

    def look_up(texts):
        names = tf.constant([name for _, (name, _) in hashed])
        sorted_hashes = tf.constant(hashes, tf.int64)[None]
        # Not tf.searchsorted, which takes no empty list.
        found = tf.raw_ops.LowerBound(
            sorted_inputs=sorted_hashes, values=tf.strings.to_hash_bucket_fast(texts, _HASHES)[None]
        )[0]
        found = tf.minimum(found, len(hashes) - 1)
        values = tf.constant([number for _, (_, number) in hashed], tf.int64)
        return tf.where(tf.gather(names, found) == texts, tf.gather(values, found), UNKNOWN_CLASS)

    return look_up
