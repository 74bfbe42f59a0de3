"""A model that is ready to detect objects, whatever it was opened from."""

import abc
import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from odtk.detections import Detections
from odtk.errors import DataError
from odtk.exporting.label_maps import read_map
from odtk.report.picture_files import read_picture, upright_rgb


class Model(abc.ABC):
    """Images to detections, with the names of the classes. Made by odtk.exporting.open_model."""

    name_of: Callable[[int], str]
    """A 1-based class to its name."""
    label_map: str | Path | None = None
    """The label map that the names are from; without one, classes are named by number."""
    description: str
    """What runs, as a line for the user, without a full stop."""
    takes_batches: bool = True
    """Whether several images at once are faster than one after the other; `detect_batch` takes several in any case."""

    @property
    def names(self) -> dict[int, str]:
        """The names of the classes that have one, by their 1-based ids; empty without a label map."""
        return _names(self.label_map) if self.label_map else {}

    @abc.abstractmethod
    def place(self, images: Sequence[np.ndarray]) -> Any:
        """Images, uint8 RGB [height, width, 3] of any sizes, on the model's device, in the form that `run` takes."""

    @abc.abstractmethod
    def run(self, placed: Any) -> list[Detections]:
        """The objects in each of the images that were placed; see `detect`. Raises DataError if the model fails."""

    def detect_batch(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """The objects in each of the images, uint8 RGB [height, width, 3]; see `detect`."""
        return self.run(self.place([checked(np.asarray(image)) for image in images]))

    def detect(self, image: Any) -> Detections:
        """The objects in one image, best score first: normalized yxyx boxes, 1-based classes, scores and names.

        `image` is a file's path or a Pillow image (both are rotated by their EXIF orientation), or uint8 RGB
        [height, width, 3] (an array or anything NumPy converts to one). `.best(min_score=0.5)` of the result keeps the
        likely objects. Raises DataError for anything else, and if the model fails on the image.
        """
        return self.detect_batch([np.asarray(_picture(image))])[0]

    def named(self, found: Detections) -> Detections:
        """The same detections with the names of their classes."""
        return dataclasses.replace(found, names=tuple(map(self.name_of, found.classes.tolist())))


def naming(label_map: str | os.PathLike | None) -> Callable[[int], str]:
    """A function from a 1-based class to its name in a label map, or to "class 7" if there is no map or no such id."""
    names = _names(label_map) if label_map else {}
    return lambda class_id: names.get(class_id, f"class {class_id}")


def _names(label_map: str | os.PathLike) -> dict[int, str]:
    return {item["id"]: item["name"] for item in read_map(label_map)[1].categories()}


def checked(image: np.ndarray) -> np.ndarray:
    """The image; DataError if it is not uint8 [height, width, 3]."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        shape = size_in_words(image.shape)
        what = f"An image of shape {shape} and type {image.dtype}" if shape else "What is neither path, image nor array"
        raise DataError(
            f"{what} cannot be used; expected RGB, uint8 [height, width, 3] with values 0 to 255. Convert it first "
            "(with Pillow: image.convert('RGB')).",
            argument="image",
        )
    return image


def size_in_words(shape: Sequence[int]) -> str:
    """`480x640x3`."""
    return "x".join(map(str, shape))


def groups_of(shapes: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """The indices of the shapes that are equal, in the order in which each first occurs."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, shape in enumerate(shapes):
        groups.setdefault(tuple(shape), []).append(index)
    return list(groups.values())


def _picture(image: Any) -> Any:
    if isinstance(image, (str, os.PathLike)):
        return read_picture(image)
    return upright_rgb(image) if isinstance(image, Image.Image) else image
