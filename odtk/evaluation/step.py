"""The step of an evaluation: batches to detections and losses, on the replicas of the strategy in scope."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

from odtk import static_shapes, step_random
from odtk.detectors.detector import Detector
from odtk.detectors.total_loss import total_losses
from odtk.hardware import is_on_tpu

_DETECTED = ("boxes", "classes", "scores")


@dataclass(frozen=True)
class EvaluationStep:
    """Evaluates as many batches at once as there are replicas in this process."""

    num_replicas: int
    run: Callable[[Sequence], list]
    """`num_replicas` batches (features, groundtruth) to (detections, losses) of each.

    detections: boxes, classes (0-based), scores and count, as from `Detector.postprocess`; losses by TFOD's tag.
    """


def evaluation_step(detector: Detector, dataset: tf.data.Dataset, with_loss: bool = True) -> EvaluationStep:
    """The step on batches of `dataset`, on the replicas of the strategy in scope; no losses without `with_loss`.

    Tracing it takes seconds. Raises OdtkError on a TPU if the detector takes images of several sizes.
    """
    strategy = tf.distribute.get_strategy()
    numbers = strategy.experimental_distribute_values_from_function(lambda context: tf.constant(0))
    if is_on_tpu():
        static_shapes.require_one_size(detector.image_size, "evaluation", "tpu")
        run = _run_in_two_parts(detector, with_loss)
    else:
        run = _run_whole(detector, dataset, with_loss)
    return EvaluationStep(len(strategy.experimental_local_results(numbers)), run)


def compiled_part(detector: Detector, with_loss: bool) -> Callable:
    """What of a step a TPU computes: (images, true_image_shapes, groundtruth) to predictions and losses.

    Of the predictions those that `postprocess` reads, as they leave the device.
    """

    def predict(images, true_image_shapes, groundtruth):
        with static_shapes.needed():
            predictions = _predictions(detector, images, true_image_shapes)
            losses = _losses(detector, predictions, groundtruth, true_image_shapes, with_loss)
        return {name: predictions[name] for name in detector.postprocess_reads or predictions}, losses

    return predict


def _run_whole(detector: Detector, dataset: tf.data.Dataset, with_loss: bool) -> Callable[[Sequence], list]:
    """All of the step on the replicas' devices."""

    def evaluate(images, true_image_shapes, groundtruth):
        predictions = _predictions(detector, images, true_image_shapes)
        losses = _losses(detector, predictions, groundtruth, true_image_shapes, with_loss)
        return _detections(detector, predictions, true_image_shapes), losses

    strategy = tf.distribute.get_strategy()
    options = tf.distribute.InputOptions(experimental_fetch_to_device=False)  # source_id is text, which no GPU holds
    spec = strategy.distribute_datasets_from_function(lambda context: dataset, options).element_spec

    # One trace for all batches, including the short last one: the specification leaves the batch size open.
    @tf.function(input_signature=_inputs(*spec), autograph=False)
    def evaluate_each(images, true_image_shapes, groundtruth):
        return strategy.run(evaluate, args=(images, true_image_shapes, groundtruth))

    return lambda batches: _on_each(strategy, evaluate_each, batches)


def _run_in_two_parts(detector: Detector, with_loss: bool) -> Callable[[Sequence], list]:
    """The compiled part on the replicas, and post-processing, whose shapes depend on the scores, on their host's CPU.

    All replicas run one program, which is compiled for batches of one size: the short last batch has a run of its own.
    """
    strategy, predict = tf.distribute.get_strategy(), compiled_part(detector, with_loss)

    @tf.function(autograph=False)
    def predict_each(*inputs):
        return strategy.run(predict, args=inputs)

    @tf.function(autograph=False)
    def detect(predictions, true_image_shapes):
        return _detections(detector, predictions, true_image_shapes)

    def run(batches: Sequence) -> list:
        sizes, found = [len(features["image"]) for features, _ in batches], {}
        for size in dict.fromkeys(sizes):
            spare = batches[sizes.index(size)]
            alike = [batch if own == size else spare for batch, own in zip(batches, sizes, strict=True)]
            found[size] = _on_each(strategy, predict_each, alike)
        with tf.device("CPU:0"):
            return [
                (detect(predictions, features["true_image_shape"]), losses)
                for (features, _), (predictions, losses) in zip(
                    batches, (found[size][replica] for replica, size in enumerate(sizes)), strict=True
                )
            ]

    return run


def _predictions(detector: Detector, images, true_image_shapes) -> dict:
    return detector.predict(detector.preprocess(images, true_image_shapes), true_image_shapes)


def _losses(detector: Detector, predictions: dict, groundtruth: dict, true_image_shapes, with_loss: bool) -> dict:
    with step_random.seeded(tf.zeros([2], tf.int64)):  # losses of the same weights are the same each time
        return total_losses(detector, predictions, groundtruth, true_image_shapes) if with_loss else {}


def _detections(detector: Detector, predictions: dict, true_image_shapes) -> dict:
    answer = detector.postprocess(predictions, true_image_shapes)
    return {name: answer[f"detection_{name}"] for name in _DETECTED} | {"count": answer["num_detections"]}


def _on_each(strategy: tf.distribute.Strategy, function: Callable, batches: Sequence) -> list:
    """What the function gives for a batch on each replica."""
    waiting = iter(batches)
    inputs = strategy.experimental_distribute_values_from_function(lambda context: _inputs(*next(waiting)))
    results = function(*inputs)
    parts = [strategy.experimental_local_results(part) for part in tf.nest.flatten(results)]
    return [tf.nest.pack_sequence_as(results, values) for values in zip(*parts, strict=True)]


def _inputs(features: dict, groundtruth: dict) -> list:
    """What of a batch, or its specification, the step reads."""
    return [features["image"], features["true_image_shape"], groundtruth]
