"""Measures any model, or a file of detections, against annotations that are no records."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from odtk.errors import DataError
from odtk.evaluation.groundtruth import Groundtruth, with_detections
from odtk.evaluation.metrics_sets import build_evaluators
from odtk.evaluation.results import ImageResult, Results
from odtk.evaluation.scoring import score
from odtk.evaluation.stopwatch import READING, SCORING, Stopwatch
from odtk.exporting.open_model import read_config
from odtk.progress import track
from odtk.protos import pipeline_pb2
from odtk.prototext.schema import some
from odtk.tools.evaluate.finders import Finder, Picture, Truth, open_finder
from odtk.tools.evaluate.measurement import Measurement, Settings
from odtk.tools.evaluate.sources import Source

_NAMED = 4


def measure_images(source: Source, truth: Groundtruth, settings: Settings) -> Measurement:
    """The metrics of the config's eval_config, or COCO's without a config. Raises DataError if a model finds no images.

    Pictures that cannot be read are left out, up to max_bad_records, and named.
    """
    config = read_config(source.config_path) if source.config_path else pipeline_pb2.TrainEvalPipelineConfig()
    finder = open_finder(source, Truth(truth.name, truth.results.names, truth.class_ids or None), settings)
    if finder.needs_pixels and truth.results.read_pixels is None:
        raise DataError(
            f"The pictures of {truth.name} are not found around it (the first is "
            f"{truth.results.images[0].source_id}), and {source.path} needs them. Give the folder with annotations and "
            "pictures.",
            argument="groundtruth",
        )
    watch, reading = Stopwatch(), _Reading(truth, finder.needs_pixels, settings.max_bad_records)
    with track("Evaluating", len(truth.results.images), "images", compiles=finder.needs_pixels) as progress:
        images = []
        for indices, pictures in reading.groups(finder.at_once, watch):
            images += _found(finder, [truth.results.images[index] for index in indices], pictures, watch)
            progress.advance(len(pictures))
    notes = [*truth.notes, *finder.notes, *finder.finish(truth.name), *reading.notes()]
    read = truth.results.read_pixels
    results = Results(images, finder.names, read and (lambda index: read(reading.kept[index])))
    categories = [{"id": number, "name": name} for number, name in truth.results.names.items()]
    new_evaluators = functools.partial(build_evaluators, config.eval_config, categories)
    with watch.timing(SCORING):
        evaluation = score(results, new_evaluators())
    return Measurement(
        model=finder.checkpoint or finder.description,
        groundtruth=truth.name,
        evaluation=dataclasses.replace(evaluation, seconds=watch.seconds, first_images=watch.first_images),
        new_evaluators=new_evaluators,
        checkpoint=finder.checkpoint,
        step=finder.step,
        notes=notes,
    )


def _found(
    finder: Finder, images: Sequence[ImageResult], pictures: Sequence[Picture], watch: Stopwatch
) -> Iterator[ImageResult]:
    with watch.inference(len(pictures)) if finder.needs_pixels else watch.timing(READING):
        found = finder.find(pictures)
    for image, boxes in zip(images, found, strict=True):
        yield with_detections(image, *boxes)


@dataclass
class _Reading:
    """Reads the pictures, and remembers those that cannot be read."""

    truth: Groundtruth
    needs_pixels: bool
    max_bad: int
    kept: list[int] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def groups(self, count: int, watch: Stopwatch) -> Iterator[tuple[list[int], list[Picture]]]:
        """So many pictures at once, with their indices."""
        total = len(self.truth.results.images)
        for start in range(0, total, count):
            with watch.timing(READING):
                pictures = {index: self._picture(index) for index in range(start, min(start + count, total))}
            usable = {index: picture for index, picture in pictures.items() if picture is not None}
            self.kept += usable
            if usable:
                yield list(usable), list(usable.values())

    def _picture(self, index: int) -> Picture | None:
        image, ids = self.truth.results.images[index], self.truth.image_ids
        read = self.truth.results.read_pixels if self.needs_pixels else None
        try:
            pixels = read(index) if read else None
        except DataError as error:
            self.bad.append(str(error))
            if len(self.bad) > self.max_bad:
                raise DataError(
                    f"{len(self.bad)} pictures of {self.truth.name} cannot be read, more than the limit: "
                    f"{some(self.bad, _NAMED)}",
                    argument="max_bad_records",
                ) from error
            return None
        return Picture(image.source_id, image.size, pixels, ids[index] if ids else None)

    def notes(self) -> list[str]:
        """A sentence on the pictures that were left out."""
        count = f"{len(self.bad)} pictures of {self.truth.name} cannot be read, and are left out:"
        return [f"{count} {some(self.bad, _NAMED)}"] if self.bad else []
