"""What an evaluation found, image by image: the data that every analysis and every picture of it is made from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class ImageResult:
    """The groundtruth and the detections of one image; boxes are yxyx in pixels of the original image."""

    source_id: str  # its name in the records, mostly a file name
    size: tuple[int, int]  # height and width
    boxes: np.ndarray  # [N, 4] float32
    classes: np.ndarray  # int [N], from 1
    areas: np.ndarray  # float [N], in pixels: the annotation's own where it has one, else the box's
    ignored: np.ndarray  # bool [N]: need not be found (by the metrics set: crowds, difficult ones or groups)
    detected_boxes: np.ndarray  # [M, 4] float32
    detected_classes: np.ndarray  # int [M], from 1
    scores: np.ndarray  # [M], falling
    crowds: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # bool [N] or empty: those of `ignored`
    """that stand for many objects, so that any number of detections inside are neither right nor wrong."""
    place: tuple[str, int] | None = None  # the file and the number of the record that holds its pixels


@dataclass(frozen=True)
class Results:
    """All images of an evaluation, in the order in which they were read."""

    images: Sequence[ImageResult]
    names: Mapping[int, str]  # of every class, by its id from 1
    read_pixels: Callable[[int], np.ndarray] | None = None
    """The index of an image to its pixels, uint8 [height, width, 3]; None if there are no pictures."""

    def name_of(self, class_id: int) -> str:
        """The name of a class; of one without a name its number."""
        return self.names.get(class_id, f"class {class_id}")
