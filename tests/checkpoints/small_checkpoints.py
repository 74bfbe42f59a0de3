"""A small model's variables and checkpoints of them."""

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from odtk.checkpoints.object_graph import as_trackable

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
BACKBONE, HEAD = "model/_feature_extractor/backbone", "model/_box_predictor/head"


def make_variables(start: float = 0.0, **shapes) -> dict[str, tf.Variable]:
    """A small model's variables, all values different; `shapes` replace those of the keys' last part."""
    sizes = {f"{BACKBONE}/kernel": (2, 3), f"{BACKBONE}/beta": (3,), f"{HEAD}/kernel": (4,), f"{HEAD}/bias": ()}
    variables = {}
    for key, shape in sizes.items():
        shape = shapes.get(key.rsplit("/", 1)[1], shape)
        count = int(np.prod(shape))
        variables[key] = tf.Variable(tf.reshape(tf.range(start, start + count), shape))
        start += count
    return variables


def values(variables: dict[str, tf.Variable]) -> dict[str, list]:
    return {key: variable.numpy().tolist() for key, variable in variables.items()}


def save(variables: dict, prefix, **others) -> str:
    return tf.train.Checkpoint(**as_trackable(variables), **others).write(str(prefix))


def object_graph(prefix: str) -> trackable_object_graph_pb2.TrackableObjectGraph:
    serialized = tf.train.load_checkpoint(prefix).get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    return trackable_object_graph_pb2.TrackableObjectGraph.FromString(serialized)


def make_model_dir(folder, numbers=(8, 9, 10), max_to_keep=3) -> None:
    """A model dir with checkpoints of these steps, saved by TensorFlow's manager."""
    step = tf.Variable(0, dtype=tf.int64)
    trackable = tf.train.Checkpoint(**as_trackable(make_variables(100)), step=step, global_step=step)
    manager = tf.train.CheckpointManager(trackable, str(folder), max_to_keep=max_to_keep)
    for number in numbers:
        step.assign(number)
        manager.save(checkpoint_number=number)
