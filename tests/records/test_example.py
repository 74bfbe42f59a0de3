import dataclasses
from pathlib import Path

import numpy as np
import pytest

from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
from odtk.errors import DataError
from odtk.protos.example_pb2 import Example
from odtk.records import example, shards

PETS_EXAMPLES = Path(__file__).parents[2] / "../shared/reference/pets_examples.record"

# Boxes that float32 holds exactly, so that a round trip can be compared with ==.
EMPTY = AnnotatedImage(b"not really a jpeg", "Bengal_7.jpg", height=4, width=3)
FULL = dataclasses.replace(
    EMPTY,
    source_id="7",
    objects=(
        AnnotatedObject((0.25, 0.5, 0.75, 1.0), 6, "Bengal", True, 1, "Left", np.eye(4, 3, dtype=np.uint8)),
        AnnotatedObject((0.0, -0.5, 0.5, 1.5), 37, "Tiere_ä", mask=np.zeros((4, 3), np.uint8)),
    ),
)
COCO = dataclasses.replace(
    FULL,
    objects=(
        dataclasses.replace(FULL.objects[0], is_crowd=True, area=12.5),
        dataclasses.replace(FULL.objects[1], area=0.0),
    ),
)


@pytest.mark.parametrize("image", [EMPTY, FULL, COCO], ids=["empty", "full", "coco"])
@pytest.mark.parametrize("mask_type", [None, "png", "numerical"])
def test_round_trip(image, mask_type):
    back = example.decode(example.encode(image, mask_type))
    assert back == image
    for entry, original in zip(back.objects, image.objects, strict=True):
        if mask_type is None:
            assert entry.mask is None
        else:
            np.testing.assert_array_equal(entry.mask, original.mask)


def test_large_masks_of_numbers():
    mask = np.random.default_rng(0).integers(0, 2, (90, 70), np.uint8)
    image = AnnotatedImage(b"", "a", 90, 70, (dataclasses.replace(FULL.objects[0], mask=mask),) * 3)
    data = example.encode(image, "numerical")
    assert example.read_features(data)["image/object/mask"] == np.stack([mask] * 3).reshape(-1).tolist()
    assert all((entry.mask == mask).all() for entry in example.decode(data).objects)


def test_crowds_and_areas_are_written_only_where_the_data_has_them():
    names = {"image/object/is_crowd", "image/object/area"}
    one_area = dataclasses.replace(COCO, objects=(FULL.objects[0], COCO.objects[1]))
    for image, expected in ((EMPTY, set()), (FULL, set()), (one_area, set()), (COCO, names)):
        assert example.read_features(example.encode(image)).keys() & names == expected


def test_same_image_same_bytes():
    assert example.encode(FULL, "png") == example.encode(FULL, "png")


@pytest.mark.parametrize("mask_type", [None, "png", "numerical"])
def test_wire_format_is_tensorflows(mask_type):
    tf = pytest.importorskip("tensorflow")
    for image in (EMPTY, FULL, COCO):
        data = example.encode(image, mask_type)
        theirs = tf.train.Example.FromString(data)
        assert theirs.SerializeToString(deterministic=True) == data
        assert example.decode(theirs.SerializeToString()) == image


@pytest.mark.skipif(not PETS_EXAMPLES.exists(), reason="the reference folder's pets_examples.record is not here")
def test_tfods_own_records_survive():
    for data in shards.read_records(PETS_EXAMPLES):
        again = example.encode(example.decode(data), None)
        assert example.read_features(again) == example.read_features(data)


def _changed(change) -> bytes:
    message = Example.FromString(example.encode(FULL, "png"))
    change(message.features.feature)
    return message.SerializeToString()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda features: features.pop("image/height"), r"missing=\['image/height'\]"),
        (lambda features: features["image/wings"].int64_list.value.append(2), r"unknown=\['image/wings'\]"),
        (lambda features: features["image/width"].float_list.value.append(3), "image/width is a float_list"),
        (lambda features: features["image/height"].int64_list.ClearField("value"), "0 values of image/height"),
        (
            lambda features: features["image/object/bbox/xmin"].float_list.value.append(0),
            "have different numbers of objects",
        ),
        (lambda features: features["image/object/mask"].bytes_list.value.append(b"x"), "not a readable PNG"),
        (lambda features: features["image/object/mask"].bytes_list.value.pop(), "1 masks for 2 objects"),
        (lambda features: features["image/object/mask"].float_list.value.append(1), "1 mask values"),
        (lambda features: features["image/filename"].bytes_list.value.__setitem__(0, b"\xff"), "not UTF-8"),
    ],
)
def test_what_is_not_understood_is_refused(change, complaint):
    with pytest.raises(DataError, match=complaint):
        example.decode(_changed(change))


def test_other_writers_features_can_be_read():
    features = example.read_features(_changed(lambda features: features["image/wings"].int64_list.value.append(2)))
    assert features["image/wings"] == [2]
    assert features["image/object/class/text"] == [b"Bengal", "Tiere_ä".encode()]


def test_bytes_that_are_no_example():
    with pytest.raises(DataError, match="not an Example"):
        example.decode(b"\xff\xff\xff")
