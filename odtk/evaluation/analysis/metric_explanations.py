"""Why a metric is 0, -1 or NaN: groundtruth that is not there, classes that never meet, boxes in other units."""

from collections.abc import Mapping

from odtk.evaluation.results import Results
from odtk.findings import Finding


def explain_metrics(
    results: Results, metrics: Mapping[str, float] | None = None, min_score: float | None = None
) -> list[Finding]:
    """What explains metrics that say nothing or are suspiciously low, errors first; empty if nothing is wrong.

    `metrics` are those that were measured: only what explains a -1, NaN or 0 among them is said about groundtruth that
    is not there; without them, everything. `min_score` is the threshold that a user sees detections from.
    """
    return []
