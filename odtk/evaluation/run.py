"""Evaluates a detector on a dataset: metrics and losses. The detector may still be in training."""

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from odtk.detectors.detector import Detector
from odtk.detectors.total_loss import REGULARIZATION_LOSS, TOTAL_LOSS
from odtk.evaluation.collecting import ResultsCollector
from odtk.evaluation.evaluator import Evaluator
from odtk.evaluation.scoring import Evaluation, measured
from odtk.evaluation.sharing import ALONE, Sharing, gathered
from odtk.evaluation.step import EvaluationStep, evaluation_step
from odtk.evaluation.stopwatch import READING, SCORING, Stopwatch
from odtk.inputs.freeing import elements


def run_evaluation(
    detector: Detector,
    dataset: tf.data.Dataset,
    evaluators: Sequence[Evaluator],
    advance: Callable[[int], None] = lambda num_images: None,
    with_loss: bool = True,
    step: EvaluationStep | None = None,
    on_batch: Callable | None = None,
    sharing: Sharing = ALONE,
    collector: ResultsCollector | None = None,
) -> Evaluation:
    """Evaluates `detector`, in inference mode, on the batches of `dataset` (see odtk.inputs.dataset for their form).

    Each replica of the strategy in scope evaluates a batch at a time, so that the results are those of one replica.
    `evaluators` must be new, because images added earlier would be counted, too. `advance` is called with the number of
    images that were evaluated at once, a batch on each replica. `step` is the result of `evaluation_step`, which a
    caller keeps to evaluate the same detector repeatedly, and which decides whether losses are computed; None makes it
    here. `on_batch` is called with each batch and what was found on it: the images (a tensor), and dictionaries of
    arrays with the other features, the groundtruth and the detections. With `sharing` the dataset has this process's
    part of the batches (see part_of), which alone `on_batch` is given; the result is that of all parts. A new
    `collector` keeps what was found on each image that counts, as the `results`; ignored is what the first evaluator
    ignores.
    """
    step = step or evaluation_step(detector, dataset, with_loss)
    sums: Counter[str] = Counter()
    num_batches, watch = 0, Stopwatch()
    for results in gathered(_evaluated(dataset, step, on_batch, watch), sharing):
        with watch.timing(SCORING):
            for padded_size, parts, losses in results:
                for index in range(len(parts[0]["source_id"])):
                    image = [{key: values[index] for key, values in part.items()} for part in parts]
                    _add_image(evaluators, collector, padded_size, *image)
                sums.update({tag: float(loss) for tag, loss in losses.items()})
        num_batches += len(results)
        advance(sum(len(parts[0]["source_id"]) for _, parts, _ in results))
    losses = {tag: total / num_batches for tag, total in sums.items()}
    collected = collector.results() if collector is not None else None
    with watch.timing(SCORING):
        evaluation = measured(evaluators, losses, loss_meanings(detector) if losses else {}, collected)
    return dataclasses.replace(evaluation, seconds=watch.seconds, first_images=watch.first_images)


def _evaluated(
    dataset: tf.data.Dataset, step: EvaluationStep, on_batch: Callable | None, watch: Stopwatch
) -> Iterator[list[tuple]]:
    """What was found on a batch of each replica: padded size, (other features, groundtruth, detections), losses."""
    waiting = elements(lambda: iter(dataset))
    while batches := _next(waiting, step.num_replicas, watch):
        spare = [batches[0]] * (step.num_replicas - len(batches))
        with watch.inference(sum(len(features["source_id"]) for features, _ in batches)):
            found = [_arrays(*answer) for answer in step.run([*batches, *spare])[: len(batches)]]
        results = []
        for (features, groundtruth), (detections, losses) in zip(batches, found, strict=True):
            others = {name: value for name, value in features.items() if name != "image"}
            parts = (*_arrays(others, groundtruth), detections)
            if on_batch is not None:
                on_batch(features["image"], *parts)
            results.append((np.array(features["image"].shape[1:3]), parts, losses))
        yield results


def _next(waiting: Iterator[tuple], count: int, watch: Stopwatch) -> list[tuple]:
    with watch.timing(READING):
        return list(itertools.islice(waiting, count))


def _arrays(*tensors: dict) -> tuple[dict, ...]:
    """Dictionaries of arrays; a device's results are waited for."""
    return tf.nest.map_structure(lambda tensor: tensor.numpy(), tensors)


def _add_image(
    evaluators: Sequence[Evaluator],
    collector: ResultsCollector | None,
    padded_size: np.ndarray,
    features: dict,
    groundtruth: dict,
    detections: dict,
) -> None:
    # Groundtruth is relative to the padded image, detections to the true one; both become pixels of the original.
    original = features["original_image_size"].astype(np.float32)
    padding = padded_size / features["true_image_shape"][:2]
    boxes, detected = int(groundtruth["num_boxes"]), int(detections["count"])
    truth = {
        "boxes": groundtruth["boxes"][:boxes] * np.tile(padding * original, 2).astype(np.float32),
        "classes": groundtruth["classes"][:boxes] + 1,
    }
    found = {
        "boxes": detections["boxes"][:detected] * np.tile(original, 2),
        "classes": detections["classes"][:detected].astype(int) + 1,
        "scores": detections["scores"][:detected],
    }
    flags = {name: groundtruth[name][:boxes] for name in ("is_crowd", "difficult", "group_of", "area")}
    source_id = features["source_id"].decode("utf-8", "replace")
    is_new = [evaluator.add_image(source_id, truth | flags, found) for evaluator in evaluators]
    if collector is not None and is_new[0]:
        collector.add(features, truth, found, flags, evaluators[0])


def nothing_measured(detector: Detector, evaluators: Sequence[Evaluator], with_loss: bool = True) -> Evaluation:
    """What is measured, without any image: every metric that `run_evaluation` gives has its name there."""
    meanings = loss_meanings(detector) if with_loss else {}
    return measured(evaluators, dict.fromkeys(meanings, math.nan), meanings)


def loss_meanings(detector: Detector) -> dict[str, str]:
    """Tag to meaning of each loss: the detector's own, the penalty on weights if it has one, and the total."""
    notes = ["mean over batches, in inference mode", *["likewise"] * len(detector.loss_names)]
    texts = [detector.loss_meanings.get(name, "a loss of this model") for name in detector.loss_names]
    own = {name: f"{text}, {note}" for name, text, note in zip(detector.loss_names, texts, notes, strict=False)}
    penalty = {REGULARIZATION_LOSS: "penalty on large weights"} if detector.add_regularization_loss else {}
    return own | penalty | {TOTAL_LOSS: "sum of the losses"}
