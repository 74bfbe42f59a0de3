"""Latency of the exported model of each family, compared with its network alone, at the size of its shipped pipeline.

Run as `python -m bench.families FOLDER`, a worker of bench/turns.py. It leaves each model's weights in
FOLDER/PIPELINE/checkpoint for TFOD's counterpart (bench/tfod_speed.py).
"""

import sys
from pathlib import Path

import tensorflow as tf
import tf_keras

from bench import workload
from bench.turns import Work, serve
from odtk import pipeline
from odtk.detectors.build import build_detector
from odtk.detectors.detector import Detector
from odtk.exporting import saved_model
from odtk.exporting.constants import FixedFunction


def latency(folder: Path) -> dict[str, Work]:
    """The SavedModel `image_tensor` and a SavedModel of what it does between preprocessing and post-processing."""
    image, works, loaded = tf.constant(workload.image()), {}, []
    for name in workload.PIPELINES:
        tf_keras.utils.set_random_seed(1)
        detector = build_detector(pipeline.read(name))
        objects = detector.checkpoint_objects()
        tf.train.Checkpoint(**objects).save(str(folder / name / "checkpoint" / "ckpt"))
        saved_model.save(detector, "image_tensor", str(folder / name / "whole"))
        resized, shape = detector.resize(tf.cast(image[0], tf.float32))
        preprocessed = detector.preprocess(resized[None], shape[None])
        _save_network(detector, preprocessed, shape[None], str(folder / name / "network"))
        whole, network = (tf.saved_model.load(str(folder / name / part)) for part in ("whole", "network"))
        loaded += [whole, network]
        works[name] = _calls(whole, image, loaded)
        works[workload.network_of(name)] = _calls(network, preprocessed, loaded)
    return works


def _calls(model, argument: tf.Tensor, alive: list) -> Work:
    function = model.signatures["serving_default"]
    (name,) = function.structured_input_signature[1]
    return workload.calls(lambda: (function(**{name: argument}), alive))


def _save_network(detector: Detector, images: tf.Tensor, shapes: tf.Tensor, folder: str) -> None:
    @tf.function(input_signature=[tf.TensorSpec(images.shape, tf.float32, name="images")])
    def call(images):
        predictions = detector.predict(images, shapes)
        read = {name: predictions[name] for name in detector.postprocess_reads or predictions}
        return {f"output_{index}": tensor for index, tensor in enumerate(tf.nest.flatten(read))}

    FixedFunction(call).save(folder)


if __name__ == "__main__":
    serve(lambda: latency(Path(sys.argv[1])))
