"""Images/s of odtk's training loop, beside the bare network's two passes, and on the real input pipeline."""

import gc
from pathlib import Path

import tensorflow as tf

from bench.accelerator import clock, input_rate, models
from bench.accelerator.sizes import Sizes
from bench.turns import ratio
from odtk.training.out_of_memory import is_out_of_memory


def measure(sizes: Sizes, folder: Path, side: int, precision: str, xla: bool, large: bool) -> dict:
    """The whole loop on one batch in memory; `side` is a place in sizes.sides. Memory is that of the loop alone.

    A batch that does not fit is halved.
    """
    precision = models.precision_of(precision)
    batch_size = sizes.large_batch if large else sizes.batches[side]
    too_large: list[int] = []
    while True:
        try:
            found = _measure(sizes, models.config_of(sizes, sizes.sides[side], batch_size), precision, xla)
            return found | {"too_large": too_large}
        except tf.errors.OpError as error:
            if batch_size == 1 or not is_out_of_memory(error):
                raise
        too_large.append(batch_size)
        batch_size //= 2
        gc.collect()


def _measure(sizes: Sizes, config, precision: str, xla: bool) -> dict:
    batch_size = config.train_config.batch_size
    clock.forget_peak_memory()
    trainer = models.memory_trainer(config, precision, xla)
    whole = _training_work(trainer)
    whole(1)
    peak_at_first = clock.peak_memory()
    clock.forget_peak_memory()
    whole(2)
    peak = clock.peak_memory()
    works = {"whole": whole, "network": _network_work(trainer, xla)}
    times, counts = clock.times(works, sizes.turns, sizes.turn_seconds)
    return {
        "side": trainer.batch[0]["image"].shape[1],
        "batch": batch_size,
        "precision": precision,
        "xla": xla,
        "tf32": _tf32(precision),
        **clock.rate(times["whole"], batch_size, counts["whole"]),
        "network_images_per_second": clock.rate(times["network"], batch_size, 0)["images_per_second"],
        "ratio": ratio(times["whole"], times["network"]),
        "peak_bytes": peak,
        "peak_bytes_of_the_first_step": peak_at_first,
        **_loss_scale(trainer),
    }


def measure_fed(sizes: Sizes, folder: Path, precision: str, ahead: bool = True) -> dict:
    """The whole loop on the input pipeline of drawn pets, at the first side; `ahead`: see models.fed_trainer."""
    precision, batch_size = models.precision_of(precision), sizes.batches[0]
    config = models.config_of(sizes, sizes.sides[0], batch_size)
    input_rate.read_pets(config, input_rate.pets(sizes, folder))
    trainer = models.fed_trainer(config, precision, ahead)
    times, counts = clock.times({"fed": _training_work(trainer)}, sizes.turns, sizes.turn_seconds)
    figures = clock.rate(times["fed"], batch_size, counts["fed"])
    return {
        "side": sizes.sides[0],
        "batch": batch_size,
        "precision": precision,
        "tf32": _tf32(precision),
        "ahead": ahead,
        **figures,
    }


def _tf32(precision: str) -> bool | None:
    """Whether float32 products may be rounded to TF32; None where there are hardly any, or no such device."""
    if precision != "float32" or not tf.config.get_visible_devices("GPU"):
        return None
    return tf.config.experimental.tensor_float_32_execution_enabled()


def _training_work(trainer):
    return lambda steps: trainer.train(tf.constant(steps))  # reads the losses, so it waits for the device


def _network_work(trainer, xla: bool):
    """Forward pass in training mode and the gradient of the sum of its outputs for every variable."""
    detector = trainer.model
    variables = detector.trainable_variables
    images = detector.preprocess(trainer.batch[0]["image"], None)

    @tf.function(jit_compile=xla or None)
    def two_passes(images):
        with tf.GradientTape() as tape:
            _, *outputs = detector.network(images, training=True, norm_training=True)
            total = tf.add_n([tf.reduce_sum(tf.cast(output, tf.float32)) for output in outputs])
        # The sum, too: of the outputs' last convolutions the gradient alone would leave the forward pass out.
        return total, tape.gradient(total, variables)

    def work(times: int) -> None:
        for _ in range(times):
            _, gradients = two_passes(images)
        float(gradients[0][(0,) * gradients[0].shape.rank])  # waits for the device

    return work


def _loss_scale(trainer) -> dict:
    split = trainer._split
    if split is None or split.loss_scale is None:
        return {}
    return {"loss_scale": float(split.loss_scale.scale), "overflows": int(split.loss_scale.overflows)}
