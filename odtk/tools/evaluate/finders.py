"""Who finds the objects in an image, where no checkpoint is evaluated on records: an opened model, or a file."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from odtk.evaluation.class_lookup import ClassLookup, look_up_classes
from odtk.evaluation.coco_results import FoundFile, read_results
from odtk.evaluation.image_lookup import ImageLookup
from odtk.exporting.model import Model
from odtk.exporting.open_model import EXPORTED, TRAINED, open_model, open_trained
from odtk.tools.evaluate.measurement import Settings
from odtk.tools.evaluate.sources import Source
from odtk.tools.evaluate.truths import names_of

_BATCH = 8

Boxes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""yxyx in pixels [M, 4], the groundtruth's class ids [M], and scores [M]."""


@dataclass(frozen=True)
class Picture:
    """One image of the groundtruth; without pixels where the finder needs none."""

    name: str
    size: tuple[int, int]  # height and width
    pixels: np.ndarray | None = None
    image_id: int | str | None = None


@dataclass(frozen=True)
class Truth:
    """What a finder must know of the groundtruth."""

    name: str
    classes: Mapping[int, str] | None  # names by id; None if it has only ids
    class_ids: Mapping[int | str, int] | None = None  # those of its file to these


class Finder(abc.ABC):
    """Finds objects, in the groundtruth's classes."""

    names: Mapping[int, str]  # of the groundtruth's classes, and of those that only the model has
    needs_pixels = True
    at_once = 1
    description: str
    notes: Sequence[str] = ()  # on the classes
    checkpoint: str | None = None
    step: int | None = None

    @abc.abstractmethod
    def find(self, pictures: Sequence[Picture]) -> list[Boxes]:
        """The objects in each picture."""

    def finish(self, groundtruth: str) -> list[str]:
        """What did not meet, as sentences, after the last image; raises DataError if nothing did."""
        return []


def open_finder(source: Source, truth: Truth, settings: Settings) -> Finder:
    """The finder of a source: its model is loaded, or its file read."""
    if source.kind == TRAINED:
        model: Model = open_trained(
            source.path,
            source.checkpoint,
            pipeline_config=source.config_path,
            label_map=settings.label_map,
            devices=settings.devices,
            log=settings.log,
            verb="Evaluating",
        )
        return ModelFinder(model, source.path, truth)
    if source.kind == EXPORTED:
        model = open_model(source.path, label_map=settings.label_map, devices=settings.devices, log=settings.log)
        settings.log(f"Evaluating {model.description}.")
        return ModelFinder(model, source.path, truth)
    return FileFinder(read_results(source.path), names_of(settings.label_map), truth)


class ModelFinder(Finder):
    """An opened model."""

    def __init__(self, model: Model, path: str, truth: Truth):
        self._model, self.description = model, path
        self.checkpoint, self.step = getattr(model, "prefix", None), getattr(model, "step", None)
        self.at_once = _BATCH if model.takes_batches else 1
        own = model.names or None
        self._classes = _look_up(own, truth, path)
        self.names, self.notes = self._classes.names, self._classes.notes

    def find(self, pictures: Sequence[Picture]) -> list[Boxes]:
        """The objects in each picture, which has pixels."""
        found = self._model.detect_batch([picture.pixels for picture in pictures if picture.pixels is not None])
        return [
            (each.boxes * np.tile(np.array(picture.size, np.float32), 2), self._classes.of(each.classes), each.scores)
            for picture, each in zip(pictures, found, strict=True)
        ]


class FileFinder(Finder):
    """Detections that were written before."""

    needs_pixels = False

    def __init__(self, found: FoundFile, own: Mapping[int, str] | None, truth: Truth):
        self._lookup, self.description = ImageLookup(found), found.path
        used = {number for image in found.images for number in image.classes.tolist()}
        written = found.names if used <= found.names.keys() else None
        self._classes = _look_up(own or written, truth, found.path, used)
        self.names, self.notes = self._classes.names, [*self._classes.notes, *found.notes()]

    def find(self, pictures: Sequence[Picture]) -> list[Boxes]:
        """What the file has of each picture."""
        return [self._of(picture) for picture in pictures]

    def _of(self, picture: Picture) -> Boxes:
        image = self._lookup.take([picture.name], picture.image_id)
        if image is None:
            return np.zeros([0, 4]), np.zeros(0, int), np.zeros(0)
        return image.boxes, self._classes.of(image.classes), image.scores

    def finish(self, groundtruth: str) -> list[str]:
        """See ImageLookup."""
        return self._lookup.finish(groundtruth)


def _look_up(own: Mapping[int, str] | None, truth: Truth, model: str, used: Iterable[int] = ()) -> ClassLookup:
    if truth.classes is None:
        return ClassLookup({}, {})
    return look_up_classes(own, truth.classes, model, truth.name, used, truth.class_ids)
