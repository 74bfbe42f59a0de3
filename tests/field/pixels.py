"""Records compared with their own pixels: each box on its object, each object with its box."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from odtk.annotations.annotated_image import AnnotatedImage
from odtk.records import example, shards

# JPEG smears edges over its blocks of 8 pixels, and boxes are rounded; a wrong frame or convention is off by far more.
TOLERANCE = 3.0  # pixels


def records(folder: str | Path) -> dict[str, AnnotatedImage]:
    """The records of an output of make-tfrecords, by the file name that they carry."""
    paths = sorted(Path(folder).glob("*.record-*"))
    found = [example.decode(data) for path in paths for data in shards.read_records(path)]
    by_name = {image.filename: image for image in found}
    assert len(by_name) == len(found), "an image is in two records"
    return by_name


def check_on_objects(folder: str | Path) -> dict[str, int]:
    """Asserts that boxes and colored areas of all records are the same; the number of boxes of each record."""
    found = records(folder)
    for name, image in found.items():
        check_boxes(name, image)
    return {name: len(image.objects) for name, image in found.items()}


def check_boxes(name: str, image: AnnotatedImage) -> None:
    """Asserts for one record that each object of its pixels has its box, and each box its object."""
    pixels = np.asarray(Image.open(io.BytesIO(image.encoded)).convert("RGB")).astype(int)
    height, width, _ = pixels.shape
    assert (image.width, image.height) == (width, height), f"{name}: the record states another size"
    drawn = {label: box for label, mask in masks(pixels).items() if (box := bounds(mask)) is not None}
    boxes = {entry.class_name: np.multiply(entry.box, (height, width, height, width)) for entry in image.objects}
    assert len(boxes) == len(image.objects), f"{name}: two boxes of one class"
    assert boxes.keys() == drawn.keys(), f"{name}: boxes of {sorted(boxes)}, but its pixels show {sorted(drawn)}"
    for label, box in boxes.items():
        off = np.abs(box - drawn[label]).max()
        assert off <= TOLERANCE, f"{name}: the box of the {label} is {box}, its pixels are {drawn[label]} (yxyx)"


def masks(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Where a picture [height, width, 3] is as red as a cat, or as blue as a dog: bool [height, width]."""
    red, green, blue = np.moveaxis(pixels, -1, 0)
    return {"cat": (red > 150) & (green < 80) & (blue < 100), "dog": (blue > 150) & (green < 80) & (red < 100)}


def bounds(mask: np.ndarray) -> tuple[float, float, float, float] | None:
    """The yxyx box around a mask, in pixels; None where fewer than 12 pixels are set."""
    if mask.sum() < 12:
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(rows[0]), float(columns[0]), float(rows[-1] + 1), float(columns[-1] + 1)
