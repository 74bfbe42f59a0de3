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
    place, config = _read(model)
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


def _read(model: str | os.PathLike) -> tuple[str, pipeline_pb2.TrainEvalPipelineConfig]:
    place = os.fspath(model)
    if files.is_folder(place):
        inside = files.join(place, CONFIG)
        if not files.exists(inside):
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
