"""Whether the scores of detections are probabilities: of those with a score of 0.7, 70 % should be right."""

from dataclasses import dataclass

import numpy as np

from odtk.evaluation.analysis.matching import Matching
from odtk.thresholds import reaches

NUM_BINS = 10
LEAST_SCORE = 0.1
"""Below are any number of unlikely boxes, which would hide the others in a mean over detections."""


@dataclass(frozen=True)
class Calibration:
    """The reliability diagram: detections in bins of equal width of their score, from 0 to 1."""

    iou: float
    least_score: float  # detections below are left out
    edges: np.ndarray  # [B + 1]
    count: np.ndarray  # int [B]
    confidence: np.ndarray  # [B]: mean score; NaN in a bin without detections
    precision: np.ndarray  # [B]: the share that is right; NaN likewise

    @property
    def expected_error(self) -> float:
        """ECE: the mean of |precision - confidence| over detections (Guo et al. 2017); NaN without any."""
        return self._mean(np.abs(self.precision - self.confidence))

    @property
    def bias(self) -> float:
        """The mean score minus the share that is right: above 0, the detector is too sure of itself."""
        return self._mean(self.confidence - self.precision)

    def _mean(self, values: np.ndarray) -> float:
        filled = self.count > 0
        return float(np.average(values[filled], weights=self.count[filled])) if filled.any() else np.nan


def calibration_of(matching: Matching, least_score: float = LEAST_SCORE, num_bins: int = NUM_BINS) -> Calibration:
    """The calibration of the detections of all classes together; those on ignored objects are left out."""
    detected = matching.detected
    kept = ~detected.ignored & reaches(detected.scores, least_score)
    scores, right = detected.scores[kept].astype(float), detected.right[kept]
    edges = np.linspace(0, 1, num_bins + 1)
    # A score of an edge belongs to the bin above it, 1 to the last one.
    bins = np.clip(
        np.searchsorted(edges.astype(np.float32), scores.astype(np.float32), side="right") - 1, 0, num_bins - 1
    )
    count = np.bincount(bins, minlength=num_bins)

    def mean(values: np.ndarray) -> np.ndarray:
        total = np.bincount(bins, values, minlength=num_bins)
        return np.divide(total, count, out=np.full(num_bins, np.nan), where=count > 0)

    return Calibration(matching.iou, least_score, edges, count, mean(scores), mean(right.astype(float)))
