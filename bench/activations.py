"""Bytes per image that a training step keeps from its forward for its backward pass, counted in its graph.

Run as `python -m bench.activations`: one JSON object. No memory is measured: the step is traced, not run. A step takes
more than this: cuDNN's workspaces, and the gradients that are passed down.
"""

import json

import tensorflow as tf

from bench import workload
from bench.accelerator import models
from bench.accelerator.sizes import FULL
from odtk.detectors.total_loss import TOTAL_LOSS
from odtk.layers.precision import PRECISIONS
from odtk.training.task import DetectionTask

IMAGES = 3  # of the traced batch; a first dimension of 3 is that of the batch, or of its anchors


def count(side: int, precision: str) -> dict[str, int]:
    """Bytes per image, and those of the weights with what a momentum step keeps of each."""
    task = DetectionTask(models.config_of(FULL, side, IMAGES), precision=precision)
    model = task.build_model()
    batch = workload.training_batch(models.NUM_CLASSES, 32, IMAGES)  # for its groundtruth
    del batch["images"]
    kept: dict = {}

    @tf.function(autograph=False)
    def trace():
        operations = tf.compat.v1.get_default_graph().get_operations
        features = {"image": tf.zeros([IMAGES, side, side, 3]), "true_image_shape": tf.fill([IMAGES, 3], side)}
        with tf.GradientTape() as tape:
            losses = task.losses(model, features, {name: tf.constant(value) for name, value in batch.items()})
        forward = {op.name for op in operations()}
        tape.gradient(losses[TOTAL_LOSS], model.trainable_variables)
        backward = [op for op in operations() if op.name not in forward]
        kept.update({each.name: each for op in backward for each in op.inputs if each.op.name in forward})

    trace.get_concrete_function()
    return {
        "per_image": sum(_bytes(each) for each in kept.values() if _is_of_the_batch(each)) // IMAGES,
        "weights": 4 * sum(each.shape.num_elements() for each in model.trainable_variables),
    }


def _is_of_the_batch(tensor: tf.Tensor) -> bool:
    shape = tensor.shape
    return shape.is_fully_defined() and shape.rank > 0 and shape[0] % IMAGES == 0 and _is_computed(tensor.op)


def _is_computed(op) -> bool:
    """Not a weight, nor its value in another precision."""
    while op.type in ("Cast", "Identity"):
        op = op.inputs[0].op
    return op.type not in ("ReadVariableOp", "Const", "VarHandleOp", "Placeholder")


def _bytes(tensor: tf.Tensor) -> int:
    return tensor.shape.num_elements() * tensor.dtype.size


if __name__ == "__main__":
    counted = {str(side): {precision: count(side, precision) for precision in PRECISIONS[::2]} for side in FULL.sides}
    print(json.dumps(counted, indent=1))
