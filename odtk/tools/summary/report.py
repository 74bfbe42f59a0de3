"""What `odtk summary` answers, and the same as a JSON document."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odtk.findings import Finding
from odtk.tools.summary.anchor_levels import AnchorLevel

if TYPE_CHECKING:
    from odtk.detectors.network_costs import LayerCost, NetworkCosts

FLOAT_BYTES = 4
# How many values each optimizer keeps beside a weight.
_SLOTS = {"momentum_optimizer": 1, "adam_optimizer": 2, "rms_prop_optimizer": 2}


@dataclass(frozen=True)
class Memory:
    """Bytes in float32; None for what a model that takes no image would need."""

    weights: int
    image: int | None  # the peak of what is computed for one image
    training_image: int | None  # the same in training, where gradients read it again
    optimizer: int  # its slots, and moving averages
    gradients: int
    training_batch: int | None  # all of a training step


@dataclass(frozen=True)
class SummaryReport:
    """A model, its layers in order and their costs, for images of one size."""

    model: str
    pipeline_config: str
    kind: str  # the feature extractor's type
    num_classes: int
    image_size: tuple[int, int]  # (width, height) of an original image
    input_size: tuple[int, int]  # (height, width) of the model's input, padding included
    batch_size: int
    costs: NetworkCosts
    memory: Memory
    anchors: Sequence[AnchorLevel]
    findings: Sequence[Finding]


def memory_of(costs: NetworkCosts, batch_size: int, train_config) -> Memory:
    """The memory of weights and of a training step; `train_config` decides on the optimizer's part."""
    optimizer = train_config.optimizer
    slots = _SLOTS.get(optimizer.WhichOneof("optimizer") or "", 1) + optimizer.use_moving_average
    weights, trained = FLOAT_BYTES * costs.parameters, FLOAT_BYTES * costs.trainable_parameters
    batch = (
        None if costs.training_bytes is None else weights + (slots + 1) * trained + batch_size * costs.training_bytes
    )
    return Memory(weights, costs.inference_bytes, costs.training_bytes, slots * trained, trained, batch)


def document(report: SummaryReport) -> dict:
    """The report for JSON; sizes are [height, width] unless the name says otherwise."""
    costs, (width, height) = report.costs, report.image_size
    return {
        "model": report.model,
        "pipeline_config": report.pipeline_config,
        "feature_extractor": report.kind,
        "num_classes": report.num_classes,
        "image_width": width,
        "image_height": height,
        "input_size": list(report.input_size),
        "parameters": costs.parameters,
        "trainable_parameters": costs.trainable_parameters,
        "multiply_adds": costs.multiply_adds,
        "memory_bytes": dataclasses.asdict(report.memory) | {"batch_size": report.batch_size},
        "layers": [_layer(cost) for cost in costs.layers],
        "broken": None if costs.broken is None else dataclasses.asdict(costs.broken),
        "anchors": [dataclasses.asdict(level) | {"count": level.count} for level in report.anchors],
        "findings": [str(finding) for finding in report.findings],
    }


def _layer(cost: LayerCost) -> dict:
    return {
        "name": cost.info.name,
        "kind": cost.info.kind,
        "output_shapes": [list(shape[1:]) for shape in cost.info.shapes],
        "parameters": cost.info.parameters,
        "multiply_adds": cost.multiply_adds,
        "output_bytes": cost.activation_bytes,
        "is_group": cost.info.is_group,
    }
