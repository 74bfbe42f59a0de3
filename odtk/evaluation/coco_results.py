"""Detections as COCO results, those of any tool: a list with an entry for each box. Read, and written of an evaluation.

An entry has `image_id`, `category_id`, `bbox` as [x, y, width, height] in pixels, and `score`; odtk's also have
`file_name` and `category_name`. An image without detections has none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from odtk import files
from odtk.annotations.coco_json import plain
from odtk.annotations.value_parsing import finite, short
from odtk.errors import DataError
from odtk.evaluation.results import ImageResult, Results

_EXPECTED = (
    "an image_id, a category_id that is a whole number, a bbox of 4 numbers [x, y, width, height] and a score, all "
    "finite"
)
_LARGEST = 2**53  # of a number, which is exact up to there; the area of a box is then finite, too
# Digits by which a float32 is itself again.
_DIGITS = 9
_ABOVE_ONE = 1e-4  # by which a score may miss the range from 0 to 1, as sums of float32 do


@dataclass
class FoundImage:
    """The detections of one image, as they stand in the file, best first or not."""

    image_id: int | str
    file_name: str | None = None
    boxes: np.ndarray = field(default_factory=lambda: np.zeros([0, 4]))  # float64 [M, 4] yxyx in pixels
    classes: np.ndarray = field(default_factory=lambda: np.zeros(0, int))  # int [M], category_id
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0))  # float64 [M]

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.file_name or f"image_id {self.image_id}"


@dataclass(frozen=True)
class FoundFile:
    """All detections of a file; `names` are those of the categories of which it has them."""

    path: str
    images: Sequence[FoundImage]
    names: Mapping[int, str]

    def notes(self) -> list[str]:
        """A sentence on the boxes that no object can have, which count as false positives."""
        boxes = np.concatenate([np.zeros([0, 4]), *(image.boxes for image in self.images)])
        flat = int((boxes[:, 2:] <= boxes[:, :2]).any(axis=1).sum())
        count = f"{flat} of the {len(boxes)} boxes of {self.path} have no width or no height, and find nothing"
        return [f"{count}; bbox is [x, y, width, height]."] if flat else []


def read_results(path: str | os.PathLike) -> FoundFile:
    """The detections in a file of COCO results. Raises DataError, which names the entry, if it is not one.

    Scores are from 0 to 1, as all thresholds and curves are; else it raises DataError, too.
    """
    where = os.fspath(path)
    rows: dict[int | str, tuple[dict, list[tuple]]] = {}
    names: dict[int, str] = {}
    for number, entry in enumerate(_entries(where), 1):
        image_id, category, values = _checked(where, number, entry)
        first, found = rows.setdefault(image_id, (entry, []))
        if first.get("file_name") != entry.get("file_name"):
            raise DataError(
                f"{where}, entry {number}: the image {short(image_id)} is {short(entry.get('file_name'))} here and "
                f"{short(first.get('file_name'))} before. Give each image an image_id of its own."
            )
        found.append((category, *values))
        if isinstance(entry.get("category_name"), str):
            names[category] = entry["category_name"]
    images = [_image(number, *found) for number, found in rows.items()]
    _check_scores(where, images)
    return FoundFile(where, images, names)


def _check_scores(where: str, images: Sequence[FoundImage]) -> None:
    scores = np.concatenate([np.zeros(0), *(image.scores for image in images)])
    least, most = (scores.min(), scores.max()) if len(scores) else (0, 0)
    if least >= -_ABOVE_ONE and most <= 1 + _ABOVE_ONE:
        return
    percent = least >= 0 and most <= 100
    fix = "divide them by 100" if percent else "write 1 / (1 + exp(-score)) for score, if they are logits"
    raise DataError(
        f"{where}: the scores are from {least:.4g} to {most:.4g}; expected are scores from 0 to 1, as thresholds and "
        f"curves are. Scale them: {fix}. The metrics stay what they are, as only the order of the scores counts there."
    )


def _entries(where: str) -> list:
    try:
        content = json.loads(files.read_text(where))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{where} cannot be read as detections: {error}. Expected were COCO results: a list with an entry for each "
            "box."
        ) from error
    if isinstance(content, dict) and "annotations" in content:
        raise DataError(
            f"{where} has COCO's annotations, not detections: it is groundtruth. Give the detections as the model, and "
            "this file as the groundtruth.",
            argument="groundtruth",
        )
    if not isinstance(content, list):
        raise DataError(
            f"{where} holds a {type(content).__name__}; COCO results are a list with an entry for each box."
        )
    return content


def _checked(where: str, number: int, entry: object) -> tuple[int | str, int, tuple[float, ...]]:
    """Image, category, and the box's numbers as yxyx with the score behind them."""
    if not isinstance(entry, dict):
        raise DataError(f"{where}, entry {number}: it is {short(entry)}; expected was {_EXPECTED}.")
    image_id, category, box = plain(entry.get("image_id")), plain(entry.get("category_id")), entry.get("bbox")
    numbers = [_number(value) for value in (*(box if isinstance(box, list) else ()), entry.get("score"))]
    key = _unusable(image_id, category, numbers)
    if image_id is None or not isinstance(category, int) or key:
        found = f"{key} is {short(entry[key])}" if key in entry else f"it has no {key}"
        raise DataError(f"{where}, entry {number}: {found}; expected was {_EXPECTED}.")
    x, y, width, height, score = (value for value in numbers if value is not None)
    return image_id, category, (y, x, y + height, x + width, score)


def _unusable(image_id: object, category: object, numbers: Sequence[float | None]) -> str | None:
    """The first key of an entry that cannot be used; None if all can."""
    if image_id is None:
        return "image_id"
    if not isinstance(category, int) or _number(category) is None:
        return "category_id"
    if len(numbers) != 5 or None in numbers[:4]:
        return "bbox"
    return "score" if numbers[4] is None else None


def _number(value: object) -> float | None:
    number = finite(value)
    return None if number is None or abs(number) > _LARGEST else number


def _image(image_id: int | str, first: dict, rows: list[tuple]) -> FoundImage:
    name, table = first.get("file_name"), np.array(rows, np.float64)
    return FoundImage(
        image_id,
        name if isinstance(name, str) and name else None,
        table[:, 1:5],
        table[:, 0].astype(int),
        table[:, 5],
    )


def write_results(path: str | os.PathLike, results: Results) -> None:
    """Writes all detections, a box per line, so that they can be read and compared later; `path` may be in a store."""
    separator = "[\n"
    with files.create(path) as file:  # image by image: the whole may be larger than the memory
        for number, image in _numbered(results.images):
            if lines := ",\n".join(_lines(number, image, results)):
                # A name of a file that is no UTF-8 has surrogates, which JSON can only have as escapes.
                file.write(f"{separator}{lines}".encode("utf-8", "backslashreplace"))
                separator = ",\n"
        file.write(b"[]\n" if separator == "[\n" else b"\n]\n")


def _numbered(images: Sequence[ImageResult]) -> Iterator[tuple[int, ImageResult]]:
    """The images with their image_id: COCO's own, by which such files are named, else numbers from 1."""
    stems = [os.path.splitext(image.source_id)[0] for image in images]
    digits = all(stem.isascii() and stem.isdigit() for stem in stems)
    numbers = [int(stem) for stem in stems] if digits else []
    return zip(numbers if len(set(numbers)) == len(images) else range(1, len(images) + 1), images, strict=True)


def _lines(number: int, image: ImageResult, results: Results) -> Iterator[str]:
    start = json.dumps({"image_id": number, "file_name": image.source_id}, ensure_ascii=False)[:-1]
    boxes = image.detected_boxes.astype(np.float64)
    sizes = boxes[:, 2:] - boxes[:, :2]
    rows = np.stack([boxes[:, 1], boxes[:, 0], sizes[:, 1], sizes[:, 0], image.scores.astype(np.float64)], axis=1)
    for category, row in zip(image.detected_classes.tolist(), rows.tolist(), strict=True):
        x, y, width, height, score = (float(f"{value:.{_DIGITS}g}") for value in row)
        name = json.dumps(results.name_of(category), ensure_ascii=False)
        yield (
            f'{start}, "category_id": {category}, "category_name": {name}, "bbox": [{x}, {y}, {width}, {height}], '
            f'"score": {score}}}'
        )
