"""Latency of the exported model and the training step, each beside the bare network: 320x320, 37 classes.

Run as `python -m bench.network latency|training FOLDER`; prints one JSON object. The weights are the goldens' formula,
so that the scores are spread as in TFOD's reference run.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

from bench.timing import ratio, take_turns
from odtk import saved_model
from odtk.training.optimizer import build_optimizer
from odtk.training.task import DetectionTask

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "golden"))
from golden_cases import resnet50_case
from synthetic_weights import synthetic_groundtruth, synthetic_image

LATENCY_ROUNDS, TRAINING_ROUNDS = 40, 11
BATCH = 4
MAX_BOXES = 100  # a training batch's groundtruth is padded to this, as the input pipeline does it


def latency(folder: Path) -> dict:
    """The SavedModel `image_tensor` against a SavedModel of its network alone, on one preprocessed image."""
    case = resnet50_case()
    detector = DetectionTask(case.config).build_model()
    case.assign_weights(detector.checkpoint_variables())
    saved_model.save(detector, "image_tensor", str(folder / "whole"))
    _save_network(detector, str(folder / "network"))
    # The loaded objects own the variables, so they are kept.
    loaded = {name: tf.saved_model.load(str(folder / name)) for name in ("whole", "network")}
    whole, network = (loaded[name].signatures["serving_default"] for name in ("whole", "network"))
    image = tf.constant(synthetic_image(1, 320, 320)[None])
    preprocessed = detector.preprocess(tf.cast(image, tf.float32))
    times = take_turns(
        {"whole": lambda: whole(input_tensor=image), "network": lambda: network(images=preprocessed)}, LATENCY_ROUNDS
    )
    return {
        "seconds": times["whole"].seconds,
        "network_seconds": times["network"].seconds,
        **ratio(times["whole"], times["network"]),
    }


def training(folder: Path) -> dict:
    """The task's whole step (losses, penalties, gradients, momentum update) against the network's two passes.

    The two passes are the forward pass in training mode and the gradient of the sum of its outputs in every variable;
    no loss, no penalty and no update belong to them. Both take the same batch out of memory. Beside them the two passes
    of tf_keras's own ResNet50, which tells how fast the machine is: TFOD's step was measured beside those, too.
    """
    case = resnet50_case()
    task = DetectionTask(case.config)
    detector = task.build_model()
    case.assign_weights(detector.checkpoint_variables())
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
        return tape.gradient(total, variables)

    resnet = tf_keras.applications.ResNet50(include_top=False, weights=None, input_shape=(320, 320, 3))

    @tf.function
    def resnet_passes(images):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(resnet(images, training=True))
        return tape.gradient(total, resnet.trainable_variables)

    preprocessed = detector.preprocess(batch[0]["image"])
    works = {
        "step": lambda: step(*batch),
        "network": lambda: two_passes(preprocessed),
        "resnet": lambda: resnet_passes(preprocessed),
    }
    times = take_turns(works, TRAINING_ROUNDS)
    return {
        "seconds": times["step"].seconds,
        "network_seconds": times["network"].seconds,
        "resnet_seconds": times["resnet"].seconds,
        "resnet_ratio": ratio(times["step"], times["resnet"])["ratio"],
        **ratio(times["step"], times["network"]),
    }


def _save_network(detector, folder: str) -> None:
    module = tf.Module()
    module.model_variables = detector.variables

    @tf.function(input_signature=[tf.TensorSpec([1, 320, 320, 3], tf.float32, name="images")])
    def call(images):
        _, encodings, logits = detector.network(images, training=False, norm_training=False)
        return {"box_encodings": encodings, "class_logits": logits}

    module.call = call
    tf.saved_model.save(module, folder, signatures={"serving_default": call})


def _training_batch(num_classes: int):
    drawn = [synthetic_groundtruth(seed, 1 + seed, num_classes) for seed in range(BATCH)]
    counts = [len(boxes) for boxes, _ in drawn]
    images = np.stack([synthetic_image(seed, 320, 320) for seed in range(BATCH)]).astype(np.float32)
    groundtruth = {
        "boxes": tf.stack([np.pad(boxes, [(0, MAX_BOXES - len(boxes)), (0, 0)]) for boxes, _ in drawn]),
        "classes": tf.stack([np.pad(classes, (0, MAX_BOXES - len(classes))) for _, classes in drawn]),
        "weights": tf.sequence_mask(counts, MAX_BOXES, dtype=tf.float32),
        "num_boxes": tf.constant(counts),
    }
    return {"image": tf.constant(images)}, groundtruth


if __name__ == "__main__":
    print(json.dumps({"latency": latency, "training": training}[sys.argv[1]](Path(sys.argv[2]))))
