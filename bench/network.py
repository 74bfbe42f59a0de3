"""Latency of the exported model and the training step, each compared with the bare network: 320x320, 37 classes.

Run as `python -m bench.network latency|training FOLDER`, a worker of bench/turns.py. Either leaves the weights in
FOLDER/checkpoint for TFOD's counterpart (bench/tfod_speed.py): the time of suppression depends on the scores.
"""

import sys
from pathlib import Path

import tensorflow as tf
import tf_keras

from bench import workload
from bench.turns import Work, serve
from odtk.exporting import saved_model
from odtk.exporting.constants import FixedFunction
from odtk.exporting.winograd import use_winograd
from odtk.training.optimizer import build_optimizer
from odtk.training.task import DetectionTask

sys.path.insert(0, str(workload.GOLDEN))
from golden_cases import resnet50_case


def latency(folder: Path) -> dict[str, Work]:
    """The SavedModel `image_tensor`, with and without `--winograd`, against one of only the network."""
    case = resnet50_case()
    detector = DetectionTask(case.config).build_model()
    _write_checkpoint(case, detector, folder)
    saved_model.save(detector, "image_tensor", str(folder / "whole"))
    _save_network(detector, str(folder / "network"))
    saved_model.save(detector, "image_tensor", str(folder / "winograd"), use_winograd(detector))
    loaded = {name: tf.saved_model.load(str(folder / name)) for name in ("whole", "network", "winograd")}
    whole, network, winograd = (module.signatures["serving_default"] for module in loaded.values())
    image = tf.constant(workload.image())
    preprocessed = detector.preprocess(tf.cast(image, tf.float32), None)
    return {
        "whole": workload.calls(lambda: whole(input_tensor=image)),
        "network": workload.calls(lambda: network(images=preprocessed)),
        "winograd": workload.calls(lambda: winograd(input_tensor=image)),
    }


def training(folder: Path) -> dict[str, Work]:
    """The task's whole step (losses, penalties, gradients, momentum update) against the network's two passes.

    The two passes are the forward pass in training mode and the gradient of the sum of its outputs for every variable,
    without loss, penalty and update. The sum is returned, too: of the outputs' last convolutions the gradient alone
    would leave the forward pass out. Both use the same batch in memory. The two passes of tf_keras's own ResNet50 are a
    measure of the machine's speed: on the reference machine TFOD's step was also measured next to them.
    """
    case = resnet50_case()
    task = DetectionTask(case.config)
    detector = task.build_model()
    _write_checkpoint(case, detector, folder)
    optimizer, metrics = build_optimizer(case.config.train_config.optimizer), task.build_metrics()
    variables = detector.trainable_variables
    batch = _training_batch(case.num_classes)

    @tf.function
    def step(features, groundtruth):
        return task.train_step((features, groundtruth), detector, optimizer, metrics)

    @tf.function
    def two_passes(images):
        with tf.GradientTape() as tape:
            _, encodings, logits = detector.network(images, training=True, norm_training=True)
            total = tf.reduce_sum(encodings) + tf.reduce_sum(logits)
        return total, tape.gradient(total, variables)

    resnet = tf_keras.applications.ResNet50(include_top=False, weights=None, input_shape=(320, 320, 3))

    @tf.function
    def resnet_passes(images):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(resnet(images, training=True))
        return total, tape.gradient(total, resnet.trainable_variables)

    preprocessed = detector.preprocess(batch[0]["image"], None)
    return {
        "whole": workload.calls(lambda: step(*batch)),
        "network": workload.calls(lambda: two_passes(preprocessed)),
        "resnet": workload.calls(lambda: resnet_passes(preprocessed)),
    }


def _write_checkpoint(case, detector, folder: Path) -> None:
    case.assign_weights(detector.checkpoint_variables())
    tf.train.Checkpoint(**detector.checkpoint_objects()).save(str(folder / "checkpoint" / "ckpt"))


def _save_network(detector, folder: str) -> None:
    @tf.function(input_signature=[tf.TensorSpec([1, 320, 320, 3], tf.float32, name="images")])
    def call(images):
        _, encodings, logits = detector.network(images, training=False, norm_training=False)
        return {"box_encodings": encodings, "class_logits": logits}

    FixedFunction(call).save(folder)


def _training_batch(num_classes: int):
    batch = {name: tf.constant(value) for name, value in workload.training_batch(num_classes).items()}
    images = batch.pop("images")
    shapes = tf.repeat(tf.shape(images)[None, 1:], len(images), axis=0)
    return {"image": images, "true_image_shape": shapes}, batch


if __name__ == "__main__":
    serve(lambda: {"latency": latency, "training": training}[sys.argv[1]](Path(sys.argv[2])))
