"""The heads of an SSD: of any feature extractor with any anchors, as in TFOD."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tf_keras

from odtk.detectors.parts.heads import build_map_heads, build_shared_heads
from odtk.detectors.ssd.checkpoint_paths import CheckpointPaths
from odtk.detectors.ssd.map_heads_paths import map_heads_paths
from odtk.detectors.ssd.shared_heads_paths import shared_heads_paths
from odtk.protos import box_predictor_pb2


class BoxPredictor(NamedTuple):
    """Heads, and the function that gives the checkpoint paths of built ones."""

    heads: tf_keras.layers.Layer
    paths: Callable[[tf_keras.layers.Layer], CheckpointPaths]


def makes_sigmoids(predictor: box_predictor_pb2.BoxPredictor) -> bool:
    """Whether exported models make sigmoids of its logits, before those of post_processing."""
    shared = predictor.weight_shared_convolutional_box_predictor
    return predictor.HasField("weight_shared_convolutional_box_predictor") and shared.score_converter == shared.SIGMOID


def build_box_predictor(
    predictor: box_predictor_pb2.BoxPredictor, channels: Sequence[int], per_location: Sequence[int], num_outputs: int
) -> BoxPredictor:
    """For maps with these `channels` and anchors `per_location`; `num_outputs`: of class logits per anchor."""
    if predictor.HasField("convolutional_box_predictor"):
        of_maps = build_map_heads(predictor.convolutional_box_predictor, channels, per_location, num_outputs)
        return BoxPredictor(of_maps, map_heads_paths)
    shared = predictor.weight_shared_convolutional_box_predictor
    # All maps have as many; families refuse others, as TFOD does.
    return BoxPredictor(build_shared_heads(shared, channels, per_location[0], num_outputs), shared_heads_paths)
