"""What an evaluation found, image by image: the data that every analysis and every picture of it is made from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from odtk.errors import DataError

Numbers: TypeAlias = Sequence | np.ndarray


@dataclass(frozen=True)
class ImageResult:
    """The groundtruth and the detections of one image; boxes are yxyx in pixels of the original image.

    `image_result` makes one of plain lists.
    """

    source_id: str  # its name in the records, mostly a file name
    size: tuple[int, int]  # height and width
    boxes: np.ndarray  # [N, 4] float32, or float64 where they come from text
    classes: np.ndarray  # int [N], from 1
    areas: np.ndarray  # float [N], in pixels: the annotation's own where it has one, else the box's
    ignored: np.ndarray  # bool [N]: need not be found (by the metrics set: crowds, difficult ones or groups)
    detected_boxes: np.ndarray  # [M, 4] likewise
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


def image_result(
    source_id: str,
    size: tuple[int, int],
    boxes: Numbers,
    classes: Numbers,
    detected_boxes: Numbers,
    detected_classes: Numbers,
    scores: Numbers,
    *,
    areas: Numbers | None = None,
    ignored: Numbers | None = None,
    crowds: Numbers | None = None,
    place: tuple[str, int] | None = None,
) -> ImageResult:
    """An ImageResult of arrays or lists, which may be empty: with their types, and sorted by score.

    Boxes are yxyx in pixels; an area that is not above 0 becomes the box's own. `ignored` are the crowds if it is None.
    float32 stays, any other number becomes float64, so that scoring sees it as it was written. Copies are kept. Raises
    DataError if lists that belong together differ in length.
    """
    truth, found = _boxes(boxes), _boxes(detected_boxes)
    crowd = _column(source_id, "crowds", crowds, truth, bool)
    own = (truth[:, 2] - truth[:, 0]) * (truth[:, 3] - truth[:, 1])
    given = _column(source_id, "areas", areas, truth, float)
    score = _column(source_id, "scores", scores, found, None)
    order = np.argsort(-score, kind="stable")
    return ImageResult(
        source_id=source_id,
        size=(int(size[0]), int(size[1])),
        boxes=truth,
        classes=_column(source_id, "classes", classes, truth, int),
        areas=np.where(given > 0, given, own),
        ignored=crowd if ignored is None else _column(source_id, "ignored", ignored, truth, bool),
        detected_boxes=found[order],
        detected_classes=_column(source_id, "detected_classes", detected_classes, found, int)[order],
        scores=score[order],
        crowds=crowd,
        place=place,
    )


def _boxes(boxes: Numbers) -> np.ndarray:
    return _floats(boxes).reshape(-1, 4)


def _floats(values: Numbers) -> np.ndarray:
    return np.array(values, None if getattr(values, "dtype", None) == np.float32 else np.float64)


def _column(source_id: str, name: str, values: Numbers | None, boxes: np.ndarray, dtype: type | None) -> np.ndarray:
    if values is None:
        return np.zeros(len(boxes), dtype)
    column = _floats(values) if dtype is None else np.array(values, dtype)
    if column.shape != (len(boxes),):
        raise DataError(
            f"Image {source_id}: {len(boxes)} boxes came with {name} of shape {list(column.shape)}. Pass one value for "
            "each box."
        )
    return column
