"""Draws what a detector got wrong on the pictures of an evaluation."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from odtk.errors import DataError
from odtk.evaluation.analysis.error_kinds import MISSED, NO_ERROR, Errors
from odtk.evaluation.analysis.matching import UNMATCHED, Matching
from odtk.evaluation.analysis.rankings import ErrorCase, WorstImage
from odtk.evaluation.analysis.suspects import Suspect
from odtk.evaluation.results import ImageResult, Results
from odtk.report.error_pictures import (
    CORRECT,
    DETECTED,
    GROUNDTRUTH,
    IGNORED,
    MarkedBox,
    draw_marked,
    draw_marked_crop,
)
from odtk.report.pictures import Yxyx

_KEPT = 4  # decoded pictures


@dataclass(frozen=True)
class Tile:
    """One or two pictures that belong together, with the name of their image and what is to be seen."""

    pictures: Sequence[Image.Image]
    name: str
    text: str


class ErrorDrawing:
    """Draws errors on the pictures of results; `problems` are the images that could not be read."""

    def __init__(self, results: Results, matching: Matching, errors: Errors):
        """`matching` is at the threshold from which detections are drawn, `errors` are its errors."""
        self._results, self._matching, self._errors = results, matching, errors
        self.problems: list[str] = []
        self._read: Callable[[int], Image.Image | None] = lru_cache(_KEPT)(self._read_picture)

    def _read_picture(self, index: int) -> Image.Image | None:
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
            if picture := self._read(each.image):
                pair = [draw_marked(picture, boxes) for boxes in (self._truth(each.image), self._detected(each.image))]
                tiles.append(Tile(pair, self._results.images[each.image].source_id, _counted(each)))
        return tiles

    def cases(self, found: Iterable[ErrorCase]) -> list[Tile]:
        """The surroundings of each error, with the box that is wrong and the groundtruth that it is about."""
        tiles = []
        for case in found:
            if picture := self._read(case.image):
                image = self._results.images[case.image]
                truth = _boxes(image, image.boxes, case.truth, self._name(image.classes, case.truth), GROUNDTRUTH)
                if case.kind == MISSED:
                    focus = [MarkedBox(truth[0].box, truth[0].label, MISSED)]
                else:
                    focus = [
                        *truth,
                        *_boxes(
                            image, image.detected_boxes, case.detection, self._said(image, case.detection), case.kind
                        ),
                    ]
                tiles.append(Tile([draw_marked_crop(picture, focus)], image.source_id, self._case_text(case)))
        return tiles

    def suspects(self, found: Iterable[Suspect]) -> list[Tile]:
        """The surroundings of each suspected label error: what the detector says, and what the groundtruth says."""
        tiles = []
        for suspect in found:
            if picture := self._read(suspect.image):
                image = self._results.images[suspect.image]
                truth = _boxes(image, image.boxes, suspect.truth, self._name(image.classes, suspect.truth), GROUNDTRUTH)
                said = _boxes(
                    image, image.detected_boxes, suspect.detection, self._said(image, suspect.detection), DETECTED
                )
                tiles.append(Tile([draw_marked_crop(picture, [*truth, *said])], image.source_id, suspect.kind))
        return tiles

    def _name(self, classes: np.ndarray, index: int | None) -> str:
        return "" if index is None else self._results.name_of(int(classes[index]))

    def _said(self, image: ImageResult, index: int | None) -> str:
        return "" if index is None else f"{self._name(image.detected_classes, index)} {image.scores[index]:.0%}"

    def _case_text(self, case: ErrorCase) -> str:
        name = self._results.name_of(case.class_id)
        if case.truth is not None and case.kind == MISSED:
            side = float(self._results.images[case.image].areas[case.truth]) ** 0.5
            return f"{name}, {side:.0f} pixels: missed"
        return f"{name} {case.score:.0%}: {case.kind}"

    def _detected(self, index: int) -> list[MarkedBox]:
        image, table = self._results.images[index], self._matching.detected
        boxes = []
        for row in np.flatnonzero(table.image == index):
            kind = str(self._errors.kinds[row])
            kind = kind if kind != NO_ERROR else IGNORED if table.ignored[row] else CORRECT
            number = int(table.index[row])
            boxes += _boxes(image, image.detected_boxes, number, self._said(image, number), kind)
        return boxes

    def _truth(self, index: int) -> list[MarkedBox]:
        image, table = self._results.images[index], self._matching.truth
        about = {int(target): str(kind) for target, kind in zip(self._errors.targets, self._errors.kinds, strict=True)
                 if target != UNMATCHED}  # fmt: skip
        boxes = []
        for row in np.flatnonzero(table.image == index):
            if table.ignored[row]:
                kind = IGNORED
            elif table.match[row] != UNMATCHED:
                kind = CORRECT
            else:
                kind = MISSED if self._errors.missed[row] else about.get(int(row), MISSED)
            number = int(table.index[row])
            boxes += _boxes(image, image.boxes, number, self._name(image.classes, number), kind)
        return boxes


def _boxes(image: ImageResult, boxes: np.ndarray, index: int | None, label: str, kind: str) -> list[MarkedBox]:
    return [] if index is None else [MarkedBox(_normalized(image, boxes[index]), label, kind)]


def _normalized(image: ImageResult, box: np.ndarray) -> Yxyx:
    height, width = image.size
    ymin, xmin, ymax, xmax = (float(side) for side in box)
    return ymin / height, xmin / width, ymax / height, xmax / width


def _counted(worst: WorstImage) -> str:
    errors = [f"{count} {kind}" for kind, count in worst.errors.items() if count]
    return f"{worst.right} right; {', '.join(errors) or 'no errors'}"


def few_of_each(found: Sequence[ErrorCase], per_class: int, most: int) -> list[ErrorCase]:
    """The first of each class in the given order, at most `most`."""
    counts: Counter[int] = Counter()
    chosen = []
    for case in found:
        counts[case.class_id] += 1
        if counts[case.class_id] <= per_class:
            chosen.append(case)
    return chosen[:most]
