"""Small sets of records that `odtk inspect` has nothing to say about, to be spoiled one thing at a time."""

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from odtk import label_map
from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
from odtk.protos.example_pb2 import Example
from odtk.records import example, shards

SIZE = (120, 90)  # width, height
CLASSES = ("cat", "dog")


def picture(seed: int, size: tuple[int, int] = SIZE, format: str = "JPEG", **options) -> bytes:
    """A few big blots of color, other ones for each seed: nothing that looks like another."""
    blots = np.random.default_rng((11, seed)).integers(0, 256, (6, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(blots).resize(size, Image.Resampling.BICUBIC).save(buffer, format, **options)
    return buffer.getvalue()


def sound_images(count: int, start: int) -> list[AnnotatedImage]:
    """Each with a cat and a dog, elsewhere in each image."""
    images = []
    for number in range(start, start + count):
        shift = 0.01 * (number % 7)
        objects = (
            AnnotatedObject((0.1 + shift, 0.1, 0.5 + shift, 0.4), 1, "cat"),
            AnnotatedObject((0.3 + shift, 0.5, 0.8 + shift, 0.9), 2, "dog"),
        )
        images.append(AnnotatedImage(picture(number), f"{number}.jpg", SIZE[1], SIZE[0], objects))
    return images


def with_objects(image: AnnotatedImage, *objects: AnnotatedObject) -> AnnotatedImage:
    """The image with these objects beside its own."""
    return replace(image, objects=(*image.objects, *objects))


def changed(image: AnnotatedImage, change: Callable) -> bytes:
    """The image's record after `change` has had its features: name to Feature."""
    message = Example.FromString(example.encode(image))
    change(message.features.feature)
    return message.SerializeToString()


def encoded(images: list) -> list[bytes]:
    """Records of annotated images; bytes are records already."""
    return [each if isinstance(each, bytes) else example.encode(each) for each in images]


def write(folder: Path, train: list | None = None, val: list | None = None, names: tuple = CLASSES) -> Path:
    """A folder of two sets of records with its label map."""
    folder.mkdir(parents=True, exist_ok=True)
    train = sound_images(12, 0) if train is None else train
    val = sound_images(10, 100) if val is None else val
    for split, images in (("train", train), ("val", val)):
        shards.write_records(folder / f"{split}.record-00000-of-00001", encoded(images))
    if names:
        label_map.write(label_map.of_names(names), folder / "label_map.pbtxt")
    return folder


def offsets(file: Path) -> list[int]:
    """Where the records of a file begin."""
    data, found = file.read_bytes(), [0]
    while found[-1] < len(data):
        found.append(found[-1] + struct.unpack("<Q", data[found[-1] : found[-1] + 8])[0] + 16)
    return found[:-1]
