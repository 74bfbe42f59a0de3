"""Where TFOD's checkpoints hold the objects of an SSD, with the variables among them.

odtk's network has other objects than TFOD's. So that TFOD can restore all objects of a checkpoint, with any TensorFlow
version, they have the names that TFOD gives them (in its meta_architectures/ssd_meta_arch.py,
feature_map_generators.py and convolutional_keras_box_predictor.py). A feature extractor and the heads each know theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import tensorflow as tf
import tf_keras

from odtk.layers.conv import Block


@dataclass(frozen=True)
class CheckpointPaths:
    """The objects of a built network, or of a part, by their paths from the root (`model/...`)."""

    layers: dict[str, tf_keras.layers.Layer] = field(default_factory=dict)
    """Every layer with variables."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Further paths of objects, and the path of each in `layers` or `bare`."""
    bare: tuple[str, ...] = ()
    """Objects without variables."""

    def __or__(self, other: CheckpointPaths) -> CheckpointPaths:
        """The objects of both parts."""
        return CheckpointPaths(
            self.layers | other.layers, self.aliases | other.aliases, (*self.bare, *other.bare)
        )  # fmt: skip

    def variables(self) -> dict[str, tf.Variable]:
        """Every variable by its checkpoint key."""
        return {
            f"{path}/{variable.name.split('/')[-1].split(':')[0]}": variable
            for path, layer in self.layers.items()
            for variable in layer.weights
        }

    def batch_norm_axes(self) -> Iterator[str]:
        """The paths of batch norms' axes: an axis is a list, and lists are objects, too."""
        norms = tf_keras.layers.BatchNormalization
        return (f"{path}/axis" for path, layer in self.layers.items() if isinstance(layer, norms))


def of_block(block: Block, at: str, first: int = 0) -> CheckpointPaths:
    """The layers of a block, from index `first` on in the list at `at`."""
    # Padding (if it is explicit), convolution, batch norm (or an identity in its place), activation.
    places = [None] * (block.padding is not None) + [block.conv, block.norm, None]
    named = {f"{at}/{place}": layer for place, layer in enumerate(places, start=first)}
    layers = {path: layer for path, layer in named.items() if layer is not None}
    return CheckpointPaths(layers, bare=tuple(path for path in named if path not in layers))


def of_functional(model: tf_keras.Model, at: str, shape_is_list: bool = True) -> CheckpointPaths:
    """The layers of a functional model whose place in a checkpoint is `at`, in the order of the model's layers.

    `shape_is_list`: whether TFOD gives its input's shape as a list, which is an object, too.
    """
    with_weights = [layer for layer in model.layers if layer.weights]
    layers = {f"{at}/layer_with_weights-{index}": layer for index, layer in enumerate(with_weights)}
    aliases, bare = {}, [f"{at}/layer-0/_init_input_shape"] if shape_is_list else []
    for index, layer in enumerate(model.layers):
        if layer.weights:
            aliases[f"{at}/layer-{index}"] = f"{at}/layer_with_weights-{len(aliases)}"
        else:
            bare.append(f"{at}/layer-{index}")
    return CheckpointPaths(layers, aliases, tuple(bare))


# Every SSD of TFOD has these.
MODEL = CheckpointPaths(
    bare=(
        "model/_groundtruth_lists",
        "model/_batched_prediction_tensor_names",
        "model/_box_predictor/_sorted_head_names",
    )
)
