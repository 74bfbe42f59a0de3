"""`odtk summary`: what the model of a config consists of and costs, layer by layer, and where a size does not fit."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from odtk import files, pipeline
from odtk.detectors import families
from odtk.errors import ConfigError
from odtk.exporting.open_model import CONFIG, config_of, read_config
from odtk.findings import ERROR
from odtk.tools.arguments import require_whole
from odtk.tools.summary.anchor_levels import anchor_levels
from odtk.tools.summary.image_sizes import DEFAULT_SIZE, resized, typical_size
from odtk.tools.summary.report import SummaryReport, document, memory_of

if TYPE_CHECKING:
    from odtk.detectors.detector import Detector
    from odtk.protos import pipeline_pb2

__all__ = ["SummaryReport", "document", "summary"]

_PARTS = ("saved_model", "checkpoint", "best")
"""Folders of an exported folder or a model dir."""


def summary(
    model: str | os.PathLike,
    *,
    image_size: tuple[int, int] | None = None,
    batch_size: int | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> SummaryReport:
    """Layers, parameters, multiply-adds, memory and anchors of a model, without its weights.

    `model` is a pipeline.config (a file or a shipped name), or a model dir, checkpoint or exported folder with one.
    `image_size` is (width, height) of an original image; None for that of most of the config's training images, where
    they are there. `batch_size`: of a training step, None for the config's. Raises ConfigError for a model that cannot
    be built at all; one that does not take its images is reported up to the layer where it breaks.
    """
    require_whole(1, batch_size=batch_size)
    place, config = read_model_config(model)
    family = families.of(config)
    size = image_size or typical_size(config)
    if size is None:
        size = DEFAULT_SIZE
        log(f"The config's training images are not here, so the numbers are of images of {size[0]}x{size[1]} pixels.")
    detector = _build(config, family)
    from odtk.detectors.network_costs import measure_costs

    frame = resized(detector, size)
    costs = measure_costs(detector, frame.padded)
    batch = batch_size or config.train_config.batch_size or 1
    return SummaryReport(
        model=os.fspath(model),
        pipeline_config=place,
        kind=families.type_of(config.model),
        num_classes=family.num_classes(config.model),
        image_size=size,
        input_size=frame.padded,
        batch_size=batch,
        costs=costs,
        memory=memory_of(costs, batch, config.train_config),
        anchors=[] if costs.broken else anchor_levels(family.anchor_grid(config.model, frame.padded), frame),
        findings=family.validate(config.model),
    )


def read_model_config(model: str | os.PathLike) -> tuple[str, pipeline_pb2.TrainEvalPipelineConfig]:
    """Where the config of a model is, and its message; raises ConfigError if it has none."""
    place = os.fspath(model)
    if files.is_folder(place):
        # Of an exported folder's parts the config is beside them.
        folders = (
            [place, os.path.dirname(place.rstrip("/"))] if os.path.basename(place.rstrip("/")) in _PARTS else [place]
        )
        inside = next((path for folder in folders if files.exists(path := files.join(folder, CONFIG))), None)
        if inside is None:
            raise ConfigError(f"{place} has no {CONFIG}, which says what its model is. Give the config itself instead.")
        return inside, read_config(inside)
    if files.exists(f"{place}.index"):
        return config_of(place), read_config(config_of(place))
    return place, pipeline.read(model)


def _build(config: pipeline_pb2.TrainEvalPipelineConfig, family) -> Detector:
    """The detector, also of a config whose images it does not take: the summary shows where."""
    from odtk.detectors.build import build_detector

    try:
        return build_detector(config)
    except ConfigError:
        sized = (family.image_resizer_field, f"{family.path}.feature_extractor.pad_to_multiple")
        if not all(
            finding.path.startswith(sized) for finding in family.validate(config.model) if finding.severity == ERROR
        ):
            raise
        detector = family.build(config.model)
        detector.ensure_built()
        return detector
