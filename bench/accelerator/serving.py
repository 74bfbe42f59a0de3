"""Latency of one image and throughput of a batch, of exported models."""

from pathlib import Path

import tensorflow as tf

from bench import workload
from bench.accelerator import clock, models
from bench.accelerator.sizes import Sizes
from odtk.detectors.build import build_detector
from odtk.exporting import saved_model


def measure(sizes: Sizes, folder: Path, precision: str) -> dict:
    """Of SavedModels for images of the first side; each call gives its image to the device and fetches the boxes."""
    side, batch_size = sizes.sides[0], sizes.served_batch
    detector = build_detector(models.config_of(sizes, side, 1), precision)
    models.assign_weights(detector)
    pictures = workload.training_batch(models.NUM_CLASSES, side, batch_size)["images"]
    clock.forget_peak_memory()
    inputs = {"image_tensor": tf.cast(pictures[:1], tf.uint8), "float_image_tensor": tf.constant(pictures)}
    found = {}
    for input_type, images in inputs.items():
        place = str(folder / f"{input_type}-{precision}")
        saved_model.save(detector, input_type, place)
        loaded = tf.saved_model.load(place)
        times, counts = clock.times(
            {input_type: _calls(loaded.signatures["serving_default"], images.numpy())}, sizes.turns, sizes.turn_seconds
        )
        found[input_type] = clock.rate(times[input_type], len(images), counts[input_type])
    one, many = found["image_tensor"], found["float_image_tensor"]
    return {
        "side": side,
        "precision": precision,
        "latency_milliseconds": 1000 * one["seconds"],
        "one_image": one,
        "batch": batch_size,
        "many_images": many,
        "peak_bytes": clock.peak_memory(),
    }


def _calls(signature, images):
    def work(times: int) -> None:
        for _ in range(times):
            signature(input_tensor=tf.constant(images))["detection_boxes"].numpy()

    return work
