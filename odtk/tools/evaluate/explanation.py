"""Why a detector has the metrics that it has: all analyses of an evaluation in one, in words and as JSON data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from odtk.evaluation.analysis.average_precision import AveragePrecision, measure_precision
from odtk.evaluation.analysis.calibration import Calibration, calibration_of
from odtk.evaluation.analysis.class_ids import all_class_ids
from odtk.evaluation.analysis.comparison import Comparison, compare
from odtk.evaluation.analysis.confidence import ConfidenceCurves, confidence_curves
from odtk.evaluation.analysis.confusion import Confusion, confusion_matrix
from odtk.evaluation.analysis.error_kinds import Errors, classify_errors
from odtk.evaluation.analysis.matching import Matching, match_images
from odtk.evaluation.analysis.metric_explanations import explain_metrics
from odtk.evaluation.analysis.oracle import Oracle
from odtk.evaluation.analysis.outcomes import Outcomes, count_outcomes
from odtk.evaluation.analysis.rankings import (
    ConfusedPair,
    ErrorCase,
    WorstImage,
    confused_pairs,
    largest_missed,
    surest_false_positives,
    worst_images,
)
from odtk.evaluation.analysis.self_check import SelfCheck
from odtk.evaluation.analysis.suspects import Suspect, find_suspects
from odtk.evaluation.analysis.top_findings import Commands, Threshold, top_findings
from odtk.evaluation.results import Results
from odtk.findings import Finding
from odtk.thresholds import Thresholds
from odtk.tools.evaluate.explanation_document import document

IOU = 0.5
"""At which a detection has found an object, in all analyses but the metrics."""
DEFAULT_SCORE = 0.5
"""The threshold that `odtk predict` uses unless told otherwise."""

MAP, MAP_50 = "DetectionBoxes_Precision/mAP", "DetectionBoxes_Precision/mAP@.50IOU"
"""The metrics at the top, if the config's metrics set is COCO's."""

_MOST_WORST = 50


@dataclass(frozen=True)
class Measured:
    """What was evaluated, on what, and its metrics: the numbers that the analyses explain."""

    model: str  # as the user knows it: "model/ckpt-600 (step 600)", "detections.json"
    groundtruth: str  # likewise: "val.record", "instances_val.json"
    metrics: Mapping[str, float]  # by TFOD's name
    meanings: Mapping[str, str]  # of each metric that is not of a single class
    losses: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)  # stage to the seconds that it took for all images
    first_images: int = 0  # how many of the images the first step had, which are not those of inference
    notes: Sequence[str] = ()  # sentences on what the numbers leave out, such as bad records
    target: str = ""  # the words behind `odtk evaluate` that evaluate the same again
    commands: Commands = field(default_factory=Commands)  # what the commands to run next have to name
    input_size: tuple[int, int] | None = None  # the model's height and width, if it is known
    training_boxes: Mapping[int, int] | None = None  # boxes of each class that it was trained on, if known


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
class AtThreshold:
    """The detections that a user sees, those from the best threshold on, matched and judged."""

    threshold: float
    matching: Matching
    errors: Errors
    outcomes: Outcomes
    confusion: Confusion
    false_positives: Sequence[ErrorCase]  # all, the surest first
    missed: Sequence[ErrorCase]  # all, the largest first
    worst: Sequence[WorstImage]


@dataclass(frozen=True)
class Compared:
    """Another model, and what changes from it to the one that is explained."""

    model: str
    results: Results
    metrics: Mapping[str, float]
    threshold: float  # the best of the other model
    comparison: Comparison  # before: the other model


@dataclass(frozen=True)
class Explanation:
    """All that is known about an evaluation."""

    measured: Measured
    names: Mapping[int, str]  # of the classes below, by id
    num_images: int
    num_boxes: int
    num_detections: int
    findings: Sequence[Finding]  # the three things to do next, the costliest first
    notes: Sequence[Finding]  # what else explains the metrics
    precision: AveragePrecision
    confidence: ConfidenceCurves
    thresholds: Thresholds
    calibration: Calibration
    costs: Mapping[str, float]  # kind of error to the mAP at IoU 0.5 that it costs
    pairs: Sequence[ConfusedPair]
    suspects: Sequence[Suspect]
    seen: AtThreshold
    self_check: SelfCheck | None = None
    compared: Compared | None = None
    checkpoints: Sequence[CheckpointMetrics] = ()

    def document(self) -> dict[str, Any]:
        """All of it as JSON data, classes by name; NaN and infinity, which JSON does not have, are None."""
        return document(self)


def explain(
    results: Results,
    measured: Measured,
    *,
    other: Other | None = None,
    checkpoints: Sequence[CheckpointMetrics] = (),
    self_check: SelfCheck | None = None,
) -> Explanation:
    """Analyzes the results of an evaluation; `other` is compared with them, `checkpoints` are the curve over training.

    `self_check` is what the groundtruth gets as detections; its findings are the first. Raises DataError if `other` has
    none of the images of `results`.
    """
    class_ids = all_class_ids(results)
    matching = match_images(results.images, IOU)
    errors = classify_errors(results.images, matching)
    oracle = Oracle(matching, errors)
    confidence = confidence_curves(matching, class_ids)
    suspects = find_suspects(results, matching)
    seen = _at_threshold(results, class_ids, confidence.chosen)
    precision = measure_precision(results, class_ids)
    explanations = [*_of(self_check), *explain_metrics(results, measured.metrics, DEFAULT_SCORE)]
    findings = top_findings(
        results,
        oracle,
        suspects,
        explanations,
        threshold=_threshold(matching, class_ids, confidence),
        input_size=measured.input_size,
        training_boxes=measured.training_boxes,
        commands=measured.commands,
        precision=precision,
        shortfall=self_check.shortfall if self_check else 0.0,
    )
    return Explanation(
        measured=measured,
        names={class_id: results.name_of(class_id) for class_id in class_ids},
        num_images=len(results.images),
        num_boxes=len(matching.truth.image),
        num_detections=sum(len(image.scores) for image in results.images),
        findings=findings,
        notes=[each for each in explanations if each not in findings],
        precision=precision,
        confidence=confidence,
        thresholds=confidence.thresholds(results.name_of),
        calibration=calibration_of(matching),
        costs=oracle.costs(),
        pairs=confused_pairs(oracle, confidence.chosen),
        suspects=suspects,
        seen=seen,
        self_check=self_check,
        compared=None if other is None else _compare(other, results, confidence.chosen),
        checkpoints=checkpoints,
    )


def _of(self_check: SelfCheck | None) -> Sequence[Finding]:
    return () if self_check is None else self_check.findings


def _compare(other: Other, results: Results, threshold: float) -> Compared:
    own = confidence_curves(match_images(other.results.images, IOU), all_class_ids(other.results)).chosen
    comparison = compare(other.results, results, (own, threshold))
    return Compared(other.model, other.results, other.metrics, own, comparison)


def _at_threshold(results: Results, class_ids: Sequence[int], threshold: float) -> AtThreshold:
    matching = match_images(results.images, IOU, threshold)
    errors = classify_errors(results.images, matching)
    return AtThreshold(
        threshold=threshold,
        matching=matching,
        errors=errors,
        outcomes=count_outcomes(matching, class_ids, threshold),
        confusion=confusion_matrix(results, matching, class_ids, threshold),
        false_positives=surest_false_positives(matching, errors, len(errors.kinds)),
        missed=largest_missed(matching, errors, len(errors.missed)),
        worst=worst_images(matching, errors, len(results.images), _MOST_WORST),
    )


def _threshold(matching: Matching, class_ids: Sequence[int], confidence: ConfidenceCurves) -> Threshold:
    used = count_outcomes(matching, class_ids, DEFAULT_SCORE).micro.f1
    return Threshold(DEFAULT_SCORE, confidence.chosen, used, confidence.overall.best_f1)
