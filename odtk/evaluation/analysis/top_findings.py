"""The things to do next about a detector, in words, ranked by what they cost."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from odtk.evaluation.analysis.average_precision import AveragePrecision
from odtk.evaluation.analysis.causes import confused_classes, label_errors, small_objects
from odtk.evaluation.analysis.evidence import Cause, Commands, Evidence, Threshold
from odtk.evaluation.analysis.oracle import Oracle
from odtk.evaluation.analysis.remaining_errors import remaining_errors
from odtk.evaluation.analysis.suspects import Suspect
from odtk.evaluation.analysis.weaknesses import few_objects, loose_boxes, rare_classes, weakest_class, wrong_threshold
from odtk.evaluation.results import Results
from odtk.findings import ERROR, WARNING, Finding

__all__ = ["Commands", "Threshold", "top_findings"]

CAUSES = (label_errors, confused_classes, small_objects)
"""In this order: an error that one of them explains is not explained again by a later one."""
WEAKNESSES = (rare_classes, weakest_class, loose_boxes, wrong_threshold, few_objects)


def top_findings(
    results: Results,
    oracle: Oracle,
    suspects: Sequence[Suspect],
    explanations: Sequence[Finding] = (),
    *,
    threshold: Threshold | None = None,
    input_size: tuple[int, int] | None = None,
    training_boxes: Mapping[int, int] | None = None,
    commands: Commands = Commands(),  # noqa: B008 - it is frozen
    precision: AveragePrecision | None = None,
    shortfall: float = 0.0,
    most: int = 3,
) -> list[Finding]:
    """The `most` things to do next, the costliest first; fewer if little is wrong.

    `oracle` is of all detections at an IoU of 0.5, `suspects` those of find_suspects, `explanations` those of
    explain_metrics: if one is an error, the evaluation is broken and nothing else is said. `input_size` is the model's
    (height, width), in which small objects are measured; without it, in pixels of the images. `training_boxes` says how
    many boxes of each class it was trained on; without it, those of the images count. With `precision`, classes are
    compared over IoU 0.5 to 0.95, and boxes that fit loosely are found. `shortfall` is what the self-check's warnings
    among the explanations cost.
    """
    broken = [finding for finding in explanations if finding.severity == ERROR]
    if broken:
        return broken[:most]
    evidence = Evidence(results, oracle, suspects, threshold, input_size, training_boxes, commands, precision)
    found = [*_explained(evidence, explanations, shortfall), *_causes(evidence)]
    return [cause.finding for cause in sorted(found, key=lambda cause: -cause.cost)[:most]]


def _causes(evidence: Evidence) -> Iterator[Cause]:
    errors = evidence.oracle.errors
    covered, explained = np.zeros(len(errors.kinds), bool), np.zeros(len(errors.truth_kinds), bool)
    for find in CAUSES:
        for cause in find(evidence, covered):
            yield cause
            covered |= False if cause.detections is None else cause.detections
            explained |= False if cause.missed is None else cause.missed
    yield from remaining_errors(evidence, covered, explained)
    for weakness in WEAKNESSES:
        yield from weakness(evidence)


def _explained(evidence: Evidence, explanations: Sequence[Finding], shortfall: float) -> Iterator[Cause]:
    """The warnings, as causes: classes that are never detected cost their share, most others everything."""
    for finding in explanations:
        if finding.severity == WARNING:
            cost = 1.0
            if finding.kind == "classes-never-detected":
                cost = finding.count / len(evidence.oracle.precisions)
            elif finding.kind == "self-check":
                cost = shortfall
            yield Cause(cost, finding)
