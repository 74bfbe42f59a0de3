"""Measures an exported model, or a file of detections, on records, which are read as for a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from odtk import label_map
from odtk.detections import Detections
from odtk.detectors import families
from odtk.evaluation.build import ConfiguredEvaluation
from odtk.evaluation.outside_models import OutsideModel, outside_step
from odtk.evaluation.stopwatch import READING, SCORING
from odtk.progress import track
from odtk.protos import pipeline_pb2
from odtk.tools.evaluate.finders import Finder, Picture, Truth, open_finder
from odtk.tools.evaluate.measurement import Measurement, Settings
from odtk.tools.evaluate.sources import Source
from odtk.tools.evaluate.truths import RecordsTruth


def measure_on_records(source: Source, truth: RecordsTruth, settings: Settings) -> Measurement:
    """The metrics of the eval_config on the records; there are no losses, as nothing knows the network's outputs."""
    config = pipeline_pb2.TrainEvalPipelineConfig()
    config.CopyFrom(truth.config)
    config.eval_config.batch_size = 1  # the images have many sizes
    config.eval_config.use_dummy_loss_in_eval = True
    names = _names(config)
    finder = open_finder(source, Truth(truth.name, names), settings)
    model: Any = OutsideModel(_num_classes(config, names))  # all that is read of a detector when the step is given
    measured = ConfiguredEvaluation(
        config,
        model,
        max_bad_records=settings.max_bad_records,
        log=settings.log,
        step=outside_step(_detecting(finder), finder.at_once),
    )
    with track("Evaluating", measured.num_images, "images", compiles=finder.needs_pixels) as progress:
        evaluation = measured.run(progress.advance, collect=True)
    results, seconds = evaluation.results, evaluation.seconds
    assert results is not None
    if names:
        results = dataclasses.replace(results, names=finder.names)
    if not finder.needs_pixels:  # what looks like inference is looking up what was read
        seconds = _without_inference(seconds)
    return Measurement(
        model=finder.description,
        groundtruth=truth.name,
        evaluation=dataclasses.replace(evaluation, results=results, seconds=seconds),
        new_evaluators=measured.new_evaluators,
        bad_records=measured.bad_records,
        bad_boxes=measured.bad_boxes,
        notes=[*finder.notes, *finder.finish(truth.name)],
    )


def _without_inference(seconds: Mapping[str, float]) -> dict[str, float]:
    return {READING: sum(seconds.values()) - seconds.get(SCORING, 0.0), SCORING: seconds.get(SCORING, 0.0)}


def _names(config: pipeline_pb2.TrainEvalPipelineConfig) -> dict[int, str] | None:
    """The classes of the records; None if they have ids alone."""
    path = config.eval_input_reader[0].label_map_path
    return {item["id"]: item["name"] for item in label_map.read(path).categories()} if path else None


def _num_classes(config: pipeline_pb2.TrainEvalPipelineConfig, names: dict[int, str] | None) -> int:
    return max(names) if names else families.of(config).num_classes(config.model)


def _detecting(finder: Finder) -> Callable[[Sequence[str], Sequence[np.ndarray]], list[Detections]]:
    def detect(names: Sequence[str], pixels: Sequence[np.ndarray]) -> list[Detections]:
        images = zip(names, pixels, strict=True)
        pictures = [Picture(name, (image.shape[0], image.shape[1]), image) for name, image in images]
        sizes = [np.tile(np.array(picture.size, np.float64), 2) for picture in pictures]
        return [
            Detections((boxes / size).astype(boxes.dtype), classes, scores)
            for size, (boxes, classes, scores) in zip(sizes, finder.find(pictures), strict=True)
        ]

    return detect
