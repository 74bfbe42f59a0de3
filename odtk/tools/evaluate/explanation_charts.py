"""The charts of an explanation, by the name of their file."""

from collections.abc import Callable

import numpy as np

from odtk.evaluation.analysis.average_precision import RECALLS, SIZES
from odtk.evaluation.analysis.confidence import CONFIDENCES
from odtk.evaluation.analysis.error_kinds import KINDS
from odtk.report import class_charts, evaluation_charts
from odtk.report.chart_style import Chart
from odtk.tools.evaluate.explanation import IOU, MAP, MAP_50, Explanation


def all_charts(found: Explanation) -> dict[str, Chart]:
    """Those that there are numbers for."""
    return {name: chart for name, draw in _CHARTS.items() if (chart := draw(found)) is not None}


def _error_costs(found: Explanation) -> Chart | None:
    if not any(found.costs.values()):
        return None
    kinds = sorted(KINDS, key=lambda kind: -found.costs[kind])
    return class_charts.error_costs(kinds, np.array([found.costs[kind] for kind in kinds]))


def _precision_recall(found: Explanation) -> Chart | None:
    rows = _with_objects(found)
    if not len(rows):
        return None
    curves = found.precision.curves(IOU)[rows]
    means = {f"mean, IoU {iou:g}": found.precision.mean_curve(iou) for iou in (IOU, 0.75)}
    return evaluation_charts.precision_recall(RECALLS, _names(found, rows), curves, means)


def _confidence(found: Explanation) -> Chart | None:
    overall = found.confidence.overall
    if not found.num_boxes:
        return None
    return evaluation_charts.confidence_curves(CONFIDENCES, overall.precision, overall.recall, overall.f1, overall.best)


def _class_f1(found: Explanation) -> Chart | None:
    curves, names = found.confidence.classes, [found.names[class_id] for class_id in found.confidence.class_ids]
    if len(curves) < 2:  # one class has the curve of all
        return None
    f1, best = np.stack([curve.f1 for curve in curves]), [curve.best for curve in curves]
    return evaluation_charts.class_f1(CONFIDENCES, names, f1, best)


def _confusion(found: Explanation, normalized: bool = False) -> Chart | None:
    confusion = found.seen.confusion
    if not confusion.counts.any():
        return None
    names = [found.names[class_id] for class_id in confusion.class_ids]
    return class_charts.confusion_matrix(names, confusion.counts, normalized)


def _outcomes(found: Explanation) -> Chart | None:
    counts, rows = found.seen.outcomes, np.arange(len(found.names))
    if not len(rows):
        return None
    return class_charts.outcome_bars(_names(found, rows), counts.right, counts.wrong, counts.missed)


def _sizes(found: Explanation) -> Chart | None:
    rows = _with_objects(found)
    if not len(rows):
        return None
    values = {size: found.precision.of_classes(size=size)[rows] for size in SIZES}
    return class_charts.size_dots(_names(found, rows), values)


def _calibration(found: Explanation) -> Chart | None:
    bins = found.calibration
    if not bins.count.any():
        return None
    return evaluation_charts.calibration(bins.edges, bins.confidence, bins.precision, bins.count, bins.expected_error)


def _checkpoints(found: Explanation) -> Chart | None:
    curve = [each for each in found.checkpoints if each.step is not None]
    if len(curve) < 2:
        return None
    steps = np.array([each.step for each in curve])
    names = {"mAP": MAP, "mAP at IoU 0.5": MAP_50}
    columns = {
        label: np.array([each.metrics.get(name, np.nan) for each in curve], float) for label, name in names.items()
    }
    best = None if np.isnan(columns["mAP"]).all() else int(steps[np.nanargmax(columns["mAP"])])
    return evaluation_charts.checkpoint_curve(steps, columns, best)


def _class_changes(found: Explanation) -> Chart | None:
    changes = found.compared.comparison.classes if found.compared else ()
    if not any(each.precision.difference for each in changes):
        return None
    before, after = (np.array([getattr(each.precision, side) for each in changes]) for side in ("before", "after"))
    return class_charts.class_changes([each.name for each in changes], before, after)


def _with_objects(found: Explanation) -> np.ndarray:
    return np.flatnonzero(found.precision.objects[:, 0])


def _names(found: Explanation, rows: np.ndarray) -> list[str]:
    return [found.names[found.precision.class_ids[row]] for row in rows]


_CHARTS: dict[str, Callable[[Explanation], Chart | None]] = {
    "error-costs": _error_costs,
    "precision-recall": _precision_recall,
    "confidence": _confidence,
    "class-f1": _class_f1,
    "confusion": _confusion,
    "confusion-normalized": lambda found: _confusion(found, normalized=True),
    "outcomes": _outcomes,
    "average-precision-by-size": _sizes,
    "calibration": _calibration,
    "checkpoints": _checkpoints,
    "compared-classes": _class_changes,
}
