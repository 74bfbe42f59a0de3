"""The checkpoint paths of heads of which each map has its own (`odtk.layers.map_heads`)."""

from collections.abc import Sequence

import tf_keras

from odtk.detectors.ssd.checkpoint_paths import CheckpointPaths, of_block
from odtk.layers.conv import DepthwiseBlock
from odtk.layers.map_heads import MapHead, MapHeads

TOWER = "model/_box_predictor/_shared_nets/{}"
BOXES = "model/_box_predictor/_prediction_heads/box_encodings/{}/_box_encoder_layers"
CLASSES = "model/_box_predictor/_prediction_heads/class_predictions_with_background/{}/_class_predictor_layers"


def map_heads_paths(heads: MapHeads) -> CheckpointPaths:
    """The paths of built heads."""
    paths = CheckpointPaths()
    for index, head in enumerate(heads.heads):
        paths = paths | _of_map(head, index)
    return paths


def _of_map(head: MapHead, index: int) -> CheckpointPaths:
    tower = TOWER.format(index)
    paths = CheckpointPaths(bare=() if head.tower else (tower,))
    for number, block in enumerate(head.tower):
        paths = paths | of_block(block, tower, 3 * number)
    boxes = _prediction(BOXES.format(index), [], head.box_depthwise, head.box_conv)
    dropout = [] if head.dropout is None else [head.dropout]
    return paths | boxes | _prediction(CLASSES.format(index), dropout, head.class_depthwise, head.class_conv)


def _prediction(
    at: str, before: Sequence[tf_keras.layers.Layer], depthwise: DepthwiseBlock | None, conv: tf_keras.layers.Layer
) -> CheckpointPaths:
    """A list of layers at `at`: those `before`, the depthwise block's, the last convolution."""
    first, bare = len(before), tuple(f"{at}/{number}" for number in range(len(before)))
    if depthwise is None:
        return CheckpointPaths({f"{at}/{first}": conv}, bare=bare)
    return of_block(depthwise, at, first) | CheckpointPaths({f"{at}/{first + 3}": conv}, bare=bare)
