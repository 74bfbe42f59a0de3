"""TFOD's box coders, similarities and matches on boxes that are drawn here, degenerate ones among them.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/targets.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from object_detection.builders import box_coder_builder, matcher_builder, region_similarity_calculator_builder
from object_detection.core import box_list
from object_detection.protos import box_coder_pb2, matcher_pb2, region_similarity_calculator_pb2

CODERS = [
    "faster_rcnn_box_coder { }",
    "faster_rcnn_box_coder { y_scale: 1 x_scale: 2 height_scale: 3 width_scale: 4 }",
    "mean_stddev_box_coder { }",
    "mean_stddev_box_coder { stddev: 0.5 }",
    "square_box_coder { }",
    "square_box_coder { y_scale: 1 x_scale: 2 length_scale: 3 }",
]
SIMILARITIES = [
    "iou_similarity { }",
    "ioa_similarity { }",
    "thresholded_iou_similarity { }",
    "thresholded_iou_similarity { iou_threshold: 0.2 }",
    "neg_sq_dist_similarity { }",
]
MATCHERS = [
    "argmax_matcher { }",
    "argmax_matcher { matched_threshold: 0.5 unmatched_threshold: 0.3 }",
    "argmax_matcher { matched_threshold: 0.5 unmatched_threshold: 0.3 force_match_for_each_row: true }",
    "argmax_matcher { matched_threshold: 0.5 unmatched_threshold: 0.3 negatives_lower_than_unmatched: false }",
    "argmax_matcher { matched_threshold: 0.4 unmatched_threshold: 0.4 force_match_for_each_row: true }",
    "argmax_matcher { ignore_thresholds: true }",
    "argmax_matcher { ignore_thresholds: true force_match_for_each_row: true }",
]
DEGENERATE = [[0.5, 0.5, 0.5, 0.5], [0.2, 0.2, 0.2, 0.7], [0, 0, 0, 0], [0, 0, 1, 1], [0.1, 0.1, 1e-4 + 0.1, 0.1001]]
IMAGES, MOST_BOXES, ANCHORS = 6, 6, 60


def main() -> None:
    """Writes targets.npz beside this file: boxes and anchors, and the answers by config."""
    rng = np.random.default_rng(25)
    # Anchors have an area, but where a coder looks from one that has none.
    anchors = drawn(rng, ANCHORS)
    anchors[1] = anchors[0]
    seen_from = np.concatenate([drawn(rng, ANCHORS - len(DEGENERATE)), np.float32(DEGENERATE)])
    groundtruth = np.stack([drawn(rng, MOST_BOXES) for _ in range(IMAGES)])
    # Boxes that are anchors, twice the same box, and no box.
    groundtruth[1, :2] = anchors[[0, 7]]
    groundtruth[2, 1] = groundtruth[2, 0]
    groundtruth[3, : len(DEGENERATE)] = DEGENERATE
    counts = np.array([6, 3, 4, 5, 0, 1])
    coded = np.concatenate([drawn(rng, ANCHORS - len(DEGENERATE)), np.float32(DEGENERATE[::-1])])
    encodings = rng.normal(0, 2, [ANCHORS, 4]).astype(np.float32)
    written = {
        "anchors": anchors,
        "groundtruth": groundtruth * (np.arange(MOST_BOXES) < counts[:, None])[..., None],
        "counts": counts,
        "coded": coded,
        "seen_from": seen_from,
        "encodings": encodings,
    }
    for config in CODERS:
        coder = box_coder_builder.build(text_format.Parse(config, box_coder_pb2.BoxCoder()))
        written[f"encoded {config}"] = coder.encode(boxlist(coded), boxlist(seen_from)).numpy()
        codes = encodings[:, : coder.code_size]
        written[f"decoded {config}"] = coder.decode(tf.constant(codes), boxlist(seen_from)).get().numpy()
    for similarity in SIMILARITIES:
        message = text_format.Parse(similarity, region_similarity_calculator_pb2.RegionSimilarityCalculator())
        compare = region_similarity_calculator_builder.build(message).compare
        per_image = [
            compare(boxlist(boxes[:count]), boxlist(anchors)) for boxes, count in zip(groundtruth, counts, strict=True)
        ]
        written[f"similarity {similarity}"] = np.stack(
            [np.pad(matrix, [(0, MOST_BOXES - len(matrix)), (0, 0)]) for matrix in per_image]
        )
        for config in MATCHERS:
            matcher = matcher_builder.build(text_format.Parse(config, matcher_pb2.Matcher()))
            matches = [matcher.match(matrix).match_results.numpy() for matrix in per_image]
            written[f"match {similarity} {config}"] = np.stack(matches).astype(np.int8)
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **written)


def drawn(rng: np.random.Generator, count: int) -> np.ndarray:
    """Boxes in the unit square, large enough that many of them overlap."""
    centers, sizes = rng.uniform(0.2, 0.8, [count, 2]), rng.uniform(0.1, 0.4, [count, 2])
    return np.concatenate([centers - sizes / 2, centers + sizes / 2], axis=1).astype(np.float32)


def boxlist(boxes: np.ndarray) -> box_list.BoxList:
    """TFOD's boxes, with the score that its target assigner gives to boxes of any class."""
    boxes = box_list.BoxList(tf.constant(boxes, tf.float32))
    boxes.add_field("scores", tf.ones([boxes.num_boxes_static()]))
    return boxes


if __name__ == "__main__":
    main()
