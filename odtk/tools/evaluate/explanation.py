"""Why a detector has the metrics that it has: all analyses of an evaluation in one, in words and as JSON data."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odtk.evaluation.results import Results
from odtk.findings import Finding

_DIGITS = 6


@dataclass(frozen=True)
class Measured:
    """What was evaluated, on what, and its metrics: the numbers that the analyses explain."""

    model: str  # as the user knows it: "model/ckpt-600 (step 600)", "detections.json"
    groundtruth: str  # likewise: "val.record", "instances_val.json"
    metrics: Mapping[str, float]  # by TFOD's name
    meanings: Mapping[str, str]  # of each metric that is not of a single class
    classes: Sequence[Mapping[str, Any]] = ()  # of the first metrics set, see Evaluator.classes
    losses: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)  # stage to the seconds that it took for all images
    notes: Sequence[str] = ()  # sentences on what the numbers leave out, such as bad records
    target: str = "MODEL"
    """The arguments of `odtk evaluate` that name this model, as they stand in the commands to run next."""


@dataclass(frozen=True)
class Other:
    """Another model's results on the same images, to compare with."""

    model: str
    results: Results
    metrics: Mapping[str, float] = field(default_factory=dict)  # by TFOD's name


@dataclass(frozen=True)
class CheckpointMetrics:
    """The metrics of one checkpoint of several."""

    checkpoint: str
    step: int | None
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Explanation:
    """All that is known about an evaluation."""

    measured: Measured
    num_images: int
    num_boxes: int
    num_detections: int
    findings: Sequence[Finding]  # the three things to do next, the costliest first
    checkpoints: Sequence[CheckpointMetrics] = ()

    def document(self) -> dict[str, Any]:
        """All of it as JSON data; NaN and infinity, which JSON does not have, are None."""
        found = as_json(self)
        assert isinstance(found, dict)
        return found


def explain(
    results: Results,
    measured: Measured,
    *,
    other: Other | None = None,
    checkpoints: Sequence[CheckpointMetrics] = (),
) -> Explanation:
    """Analyzes the results of an evaluation; `other` is compared with them, `checkpoints` are the curve over training.

    Raises DataError if the images of `other` are not those of `results`.
    """
    return Explanation(
        measured=measured,
        num_images=len(results.images),
        num_boxes=sum(len(image.boxes) for image in results.images),
        num_detections=sum(len(image.scores) for image in results.images),
        findings=(),
        checkpoints=checkpoints,
    )


def as_json(value: Any) -> Any:
    """Dataclasses, mappings, sequences, arrays and numbers as JSON data, numbers rounded to six digits."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: as_json(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, np.generic):
        return as_json(value.item())
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return [as_json(each) for each in value]
