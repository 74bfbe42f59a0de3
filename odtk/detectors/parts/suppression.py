"""Reads the parameters of a BatchNonMaxSuppression message."""

from odtk.boxes.suppression import SuppressionParams
from odtk.protos import post_processing_pb2


def build_suppression(nms: post_processing_pb2.BatchNonMaxSuppression) -> SuppressionParams:
    """The parameters of non-maximum suppression."""
    return SuppressionParams(
        score_threshold=nms.score_threshold,
        iou_threshold=nms.iou_threshold,
        max_per_class=nms.max_detections_per_class,
        max_total=nms.max_total_detections,
        soft_sigma=nms.soft_nms_sigma,
        change_coordinate_frame=nms.change_coordinate_frame,
    )
