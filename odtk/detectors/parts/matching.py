"""Builds functions that match boxes and anchors from Matcher and RegionSimilarityCalculator messages."""

import functools
from collections.abc import Callable

from odtk.boxes import geometry
from odtk.boxes.matching import argmax_match
from odtk.detectors.parts.anchor_grid import AnchorMatching
from odtk.protos import matcher_pb2, region_similarity_calculator_pb2


def build_argmax_match(message: matcher_pb2.Matcher) -> Callable:
    """`argmax_match` of (similarity, valid), with the parameters of the argmax_matcher."""
    matcher, low, high = message.argmax_matcher, *_thresholds(message.argmax_matcher)
    return functools.partial(
        argmax_match,
        matched_threshold=high,
        unmatched_threshold=low,
        negatives_lower_than_unmatched=matcher.negatives_lower_than_unmatched,
        force_match=matcher.force_match_for_each_row,
    )


def build_similarity(calculator: region_similarity_calculator_pb2.RegionSimilarityCalculator) -> Callable:
    """A function of (boxes, anchors)."""
    if calculator.HasField("thresholded_iou_similarity"):
        threshold = calculator.thresholded_iou_similarity.iou_threshold
        return functools.partial(geometry.thresholded_iou, iou_threshold=threshold)
    return {
        "iou_similarity": geometry.iou,
        "ioa_similarity": geometry.ioa,
        "neg_sq_dist_similarity": geometry.neg_sq_dist,
    }[calculator.WhichOneof("region_similarity")]


def build_anchor_matching(
    matcher: matcher_pb2.Matcher, calculator: region_similarity_calculator_pb2.RegionSimilarityCalculator
) -> AnchorMatching:
    """The parameters that determine whether a box gets an anchor."""
    return AnchorMatching(
        similarity_name=calculator.WhichOneof("region_similarity").removesuffix("_similarity"),
        similarity=build_similarity(calculator),
        matched_threshold=_thresholds(matcher.argmax_matcher)[1],
        force_match=matcher.argmax_matcher.force_match_for_each_row,
    )


def _thresholds(matcher) -> tuple[float, float]:
    """(unmatched, matched)."""
    if matcher.ignore_thresholds:
        return float("-inf"), float("-inf")
    return matcher.unmatched_threshold, matcher.matched_threshold
