"""Draws what a detector got wrong on the pictures of an evaluation."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from PIL import Image

from odtk.errors import DataError
from odtk.evaluation.analysis.error_kinds import MISSED, Errors
from odtk.evaluation.analysis.matching import Matching
from odtk.evaluation.analysis.rankings import ErrorCase, WorstImage
from odtk.evaluation.analysis.suspects import Suspect
from odtk.evaluation.results import ImageResult, Results
from odtk.report.error_pictures import DETECTED, GROUNDTRUTH, MarkedBox, draw_marked, draw_marked_crop
from odtk.report.pictures import Yxyx

MOST_DETECTIONS = 20
"""On one picture: more, as of a model that has learned little, would hide it."""
_KEPT = 4  # decoded pictures


@dataclass(frozen=True)
class Tile:
    """One or two pictures that belong together, with the name of their image and what is to be seen."""

    pictures: Sequence[Image.Image]
    name: str
    text: str
    kinds: frozenset[str]  # of the boxes that are drawn


def tile_of(pictures: Sequence[Image.Image], boxes: Iterable[MarkedBox], name: str, text: str) -> Tile:
    """Of pictures on which `boxes` are drawn."""
    return Tile(pictures, name, text, frozenset(box.kind for box in boxes))


class ErrorDrawing:
    """Draws errors on the pictures of results; `problems` says of each picture that cannot be read why."""

    def __init__(self, results: Results, matching: Matching, errors: Errors):
        """`matching` is at the threshold from which detections are drawn, `errors` are its errors."""
        self._results, self._matching, self._errors = results, matching, errors
        self.problems: list[str] = []
        self.picture: Callable[[int], Image.Image | None] = lru_cache(_KEPT)(self._read)

    def _read(self, index: int) -> Image.Image | None:
        """The picture of an image by its index, if it can be read."""
        if self._results.read_pixels is None:
            return None
        try:
            return Image.fromarray(self._results.read_pixels(index))
        except DataError as error:
            self.problems.append(str(error))
            return None

    def worst(self, images: Iterable[WorstImage]) -> list[Tile]:
        """Groundtruth beside detections, each box in the color of its error."""
        tiles = []
        for each in images:
            if picture := self.picture(each.image):
                sides = self.truths(each.image), self.detections(each.image)
                pair = [draw_marked(picture, boxes) for boxes in sides]
                name = self._results.images[each.image].source_id
                tiles.append(tile_of(pair, chain(*sides), name, _counted(each)))
        return tiles

    def cases(self, found: Iterable[ErrorCase]) -> list[Tile]:
        """The surroundings of each error, with the box that is wrong and the groundtruth that it is about."""
        tiles = []
        for case in found:
            if picture := self.picture(case.image):
                image = self._results.images[case.image]
                boxes = self._truth(image, case.truth, MISSED if case.kind == MISSED else GROUNDTRUTH)
                boxes += self._detection(image, case.detection, case.kind)
                tiles.append(tile_of([draw_marked_crop(picture, boxes)], boxes, image.source_id, self._case_text(case)))
        return tiles

    def suspects(self, found: Iterable[Suspect]) -> list[Tile]:
        """The surroundings of each suspected label error: what the groundtruth says, and what the detector says."""
        tiles = []
        for suspect in found:
            if picture := self.picture(suspect.image):
                image = self._results.images[suspect.image]
                boxes = self._truth(image, suspect.truth, GROUNDTRUTH)
                boxes += self._detection(image, suspect.detection, DETECTED)
                tiles.append(tile_of([draw_marked_crop(picture, boxes)], boxes, image.source_id, suspect.kind))
        return tiles

    def detections(self, index: int) -> list[MarkedBox]:
        """The detections of an image by its index: the MOST_DETECTIONS surest that reach the threshold."""
        image, table = self._results.images[index], self._matching.detected
        rows = np.flatnonzero(table.image == index)
        rows = rows[np.argsort(-table.scores[rows], kind="stable")][:MOST_DETECTIONS]
        return [
            box for row in rows for box in self._detection(image, int(table.index[row]), str(self._errors.kinds[row]))
        ]

    def truths(self, index: int) -> list[MarkedBox]:
        """The groundtruth of an image by its index."""
        image, table = self._results.images[index], self._matching.truth
        rows = np.flatnonzero(table.image == index)
        return [
            box for row in rows for box in self._truth(image, int(table.index[row]), str(self._errors.truth_kinds[row]))
        ]

    def _detection(self, image: ImageResult, index: int | None, kind: str) -> list[MarkedBox]:
        if index is None:
            return []
        label = f"{self._results.name_of(int(image.detected_classes[index]))} {image.scores[index]:.0%}"
        return [MarkedBox(_normalized(image, image.detected_boxes[index]), label, kind)]

    def _truth(self, image: ImageResult, index: int | None, kind: str) -> list[MarkedBox]:
        if index is None:
            return []
        return [
            MarkedBox(_normalized(image, image.boxes[index]), self._results.name_of(int(image.classes[index])), kind)
        ]

    def _case_text(self, case: ErrorCase) -> str:
        name = self._results.name_of(case.class_id)
        if case.kind != MISSED:
            return f"{name} {case.score:.0%}: {case.kind}"
        side = self._results.images[case.image].areas[case.truth] ** 0.5
        return f"{name}, {side:.0f} pixels: missed"


def _normalized(image: ImageResult, box: np.ndarray) -> Yxyx:
    height, width = image.size
    ymin, xmin, ymax, xmax = (float(side) for side in box)
    return ymin / height, xmin / width, ymax / height, xmax / width


def _counted(worst: WorstImage) -> str:
    errors = [f"{count} {kind}" for kind, count in worst.errors.items() if count]
    return f"{worst.right} right; {', '.join(errors) or 'no errors'}"
