"""The explanation of an evaluation as JSON data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from odtk.evaluation.analysis.average_precision import SIZES
from odtk.evaluation.analysis.confidence import CONFIDENCES
from odtk.tools.evaluate.json_data import as_json

if TYPE_CHECKING:
    from odtk.tools.evaluate.explanation import Compared, Explanation


def document(found: Explanation) -> dict[str, Any]:
    """All of it, classes by name; NaN and infinity, which JSON does not have, are None."""
    measured, precision, seen = found.measured, found.precision, found.seen
    return as_json(
        {
            "model": measured.model,
            "groundtruth": measured.groundtruth,
            "images": found.num_images,
            "boxes": found.num_boxes,
            "detections": found.num_detections,
            "findings": found.findings,
            "explanations": found.notes,
            "metrics": measured.metrics,
            "losses": measured.losses,
            "seconds": measured.seconds,
            "notes": measured.notes,
            "classes": _classes(found),
            "threshold": seen.threshold,
            "thresholds": found.thresholds,
            "micro": seen.outcomes.micro,
            "macro": seen.outcomes.macro,
            "precision_recall": {
                "iou": found.confidence.iou,
                "mean": precision.mean_curve(found.confidence.iou),
                "classes": dict(zip(_names(found), precision.curves(found.confidence.iou), strict=True)),
            },
            "confidence": {"scores": CONFIDENCES, **as_json(found.confidence.overall), "classes": _curves(found)},
            "confusion": _confusion(found),
            "calibration": {**as_json(found.calibration), "expected_error": found.calibration.expected_error},
            "errors": {kind: {"count": count, "cost": found.costs[kind]}
                       for kind, count in seen.errors.counts().items()},
            "confused_pairs": found.pairs,
            "suspects": found.suspects,
            "false_positives": seen.false_positives,
            "missed": seen.missed,
            "worst_images": seen.worst,
            "self_check": found.self_check and found.self_check.metrics,
            "comparison": found.compared and _comparison(found.compared),
            "checkpoints": found.checkpoints,
        }
    )  # fmt: skip


def _curves(found: Explanation) -> dict[str, Any]:
    curves = zip(found.confidence.class_ids, found.confidence.classes, strict=True)
    return {found.names[class_id]: curve for class_id, curve in curves}


def _confusion(found: Explanation) -> dict[str, Any]:
    confusion = found.seen.confusion
    shares = {"by_object": confusion.by_object, "by_detection": confusion.by_detection}
    return {"rows": [*_names(found), "background"], "counts": confusion.counts, **shares}


def _comparison(compared: Compared) -> dict[str, Any]:
    facts = {"model": compared.model, "metrics": compared.metrics, "verdict": compared.comparison.verdict}
    return {**facts, **as_json(compared.comparison)}


def _names(found: Explanation) -> list[str]:
    return [found.names[class_id] for class_id in found.precision.class_ids]


def _classes(found: Explanation) -> list[dict[str, Any]]:
    precision, outcomes = found.precision, found.seen.outcomes
    columns: dict[str, np.ndarray] = {
        "objects": precision.objects[:, 0],
        "AP": precision.of_classes(),
        "AP50": precision.of_classes(found.confidence.iou),
        **{f"AP_{size}": precision.of_classes(size=size) for size in SIZES[1:]},
        "right": outcomes.right,
        "wrong": outcomes.wrong,
        "missed": outcomes.missed,
        "precision": outcomes.precision,
        "recall": outcomes.recall,
        "f1": outcomes.f1,
    }
    return [
        {"id": class_id, "name": name, **{key: values[row] for key, values in columns.items()}}
        for row, (class_id, name) in enumerate(zip(precision.class_ids, _names(found), strict=True))
    ]
