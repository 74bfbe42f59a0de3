"""Precision, recall and F1 of counts."""

import math

import numpy as np

Counts = np.ndarray | int


def precision_of(right: Counts, wrong: Counts) -> np.ndarray:
    """The share of the detections that are right; NaN where there are none."""
    return _ratio(right, np.asarray(right) + wrong)


def recall_of(right: Counts, missed: Counts) -> np.ndarray:
    """The share of the objects that are found; NaN where there are none."""
    return _ratio(right, np.asarray(right) + missed)


def f1_of(right: Counts, wrong: Counts, missed: Counts) -> np.ndarray:
    """The harmonic mean of precision and recall; NaN where there are neither detections nor objects."""
    return _ratio(2 * np.asarray(right), 2 * np.asarray(right) + wrong + missed)


def _ratio(part: Counts, whole: Counts) -> np.ndarray:
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(whole.shape, math.nan), where=whole > 0)
