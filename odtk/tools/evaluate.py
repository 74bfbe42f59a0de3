"""Measures a trained detector on the config's evaluation records: metrics and losses, as a file and for TensorBoard."""

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from odtk import atomic, label_map, pipeline
from odtk.checkpoints import loading
from odtk.detectors.build import build_detector
from odtk.detectors.detector import Detector
from odtk.devices import keep_freed_memory, prepare_gpus
from odtk.errors import DataError
from odtk.evaluation import coco, pascal
from odtk.evaluation.coco import CocoEvaluator
from odtk.evaluation.pascal import PascalEvaluator
from odtk.inputs.bad_boxes import BadBoxes
from odtk.inputs.bad_records import BadRecord, BadRecordFilter
from odtk.inputs.build import build_eval_dataset, build_fault_finder
from odtk.inputs.record_errors import naming_the_record
from odtk.pipeline.support import METRICS_SETS
from odtk.progress import Progress, track
from odtk.records import shards
from odtk.records.box_errors import ImageWithBadBoxes
from odtk.tools.check_config import WARNING, require_sound
from odtk.tools.trained_classes import require_trained_classes
from odtk.training.task import REGULARIZATION_LOSS, TOTAL_LOSS

Evaluator = CocoEvaluator | PascalEvaluator

DEFAULT_MAX_BAD_RECORDS = 100

LOSS_MEANINGS = {
    "Loss/localization_loss": "loss of the boxes, mean over batches, in inference mode",
    "Loss/classification_loss": "loss of the classes, likewise",
    REGULARIZATION_LOSS: "penalty on large weights",
    TOTAL_LOSS: "sum of the losses",
}
MEANINGS = coco.METRIC_MEANINGS | pascal.METRIC_MEANINGS | LOSS_MEANINGS
"""What each metric that is not of one class alone says, by its name."""


@dataclass(frozen=True)
class EvaluationReport:
    """What was measured, on what, and where it is written."""

    metrics: dict[str, float]  # TFOD's name to value: each metrics set of the config, then the losses
    num_images: int
    repeated_images: int  # ignored, as their source_id had been seen
    checkpoint: Path  # prefix
    step: int | None  # None where the checkpoint does not say
    metrics_path: Path
    classes: Sequence[dict] = ()  # of the first metrics set: id, name, images, boxes, AP of each class
    classes_path: Path | None = None  # the same as a file
    bad_records: Sequence[BadRecord] = ()  # left out
    bad_boxes: Sequence[ImageWithBadBoxes] = ()  # images that are measured without some of their boxes

    @property
    def summary(self) -> dict[str, float]:
        """The metrics and losses without those of one class or super-category alone."""
        return {name: value for name, value in self.metrics.items() if name in MEANINGS}


def evaluate(
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
    *,
    max_bad_records: int = DEFAULT_MAX_BAD_RECORDS,
    log: Callable[[str], None] = lambda line: None,
) -> EvaluationReport:
    """Evaluates the newest checkpoint of `model_dir`, or `checkpoint`, on the config's first eval_input_reader.

    Writes `model_dir`/eval/metrics.json (name to value, null for NaN) and the same as TensorBoard scalars beside it,
    and what was measured of each class as classes.json.
    Up to `max_bad_records` records that cannot be used are left out, and `log` is told of each; with 0, the first one
    raises. Boxes that cannot be used are left out of their images. Raises ConfigError, CheckpointError or DataError
    where one of the three does not fit.
    """
    config = pipeline.read(pipeline_config)
    for finding in require_sound(config, pipeline_config, needs=("eval",)):
        if finding.severity == WARNING:
            log(str(finding))
    folder = Path(model_dir) / "eval"
    atomic.check_file(folder / "metrics.json")
    prepare_gpus()
    keep_freed_memory()
    detector = build_detector(config)
    averages = config.eval_config.use_moving_averages
    prefix, step = _restore_weights(detector, Path(checkpoint or model_dir), averages, log)
    map_path = config.eval_input_reader[0].label_map_path
    for note in require_trained_classes(prefix, map_path, "eval_input_reader[0]", pipeline_config):
        log(f"warning: {note}")
    record_filter = BadRecordFilter(max_bad_records, log) if max_bad_records else None
    bad_boxes = BadBoxes(log)
    dataset = build_eval_dataset(
        config, detector.resize, detector.num_classes, record_filter=record_filter, bad_boxes=bad_boxes
    )
    evaluators = build_evaluators(config.eval_config, _build_categories(config, detector.num_classes))
    reader = config.eval_input_reader[0]
    find_fault = build_fault_finder(reader, detector.num_classes)
    bar = track("Evaluating", _count_images(reader), "images", compiles=True, note="compiling the model")
    with bar as progress, naming_the_record(find_fault):
        with_loss = not config.eval_config.use_dummy_loss_in_eval
        losses = run_evaluation(detector, dataset, evaluators, _advance(progress, record_filter), with_loss)
    bad_records = record_filter.finish() if record_filter else []
    num_images = evaluators[0].num_images
    if not num_images:
        raise DataError(
            f"The eval_input_reader of {pipeline_config} gives no image. Point it at records that hold some."
        )

    metrics = {name: value for evaluator in evaluators for name, value in evaluator.evaluate().items()} | losses
    atomic.write_text(folder / "metrics.json", json.dumps(without_nan(metrics), indent=2) + "\n")
    with atomic.answering(folder, f"The metrics are in {folder / 'metrics.json'}, and not in TensorBoard's files."):
        _write_scalars(folder, metrics, step or 0)
    classes = [without_nan(each) for each in evaluators[0].classes]
    atomic.write_text(folder / "classes.json", json.dumps(classes, indent=2, ensure_ascii=False) + "\n")
    return EvaluationReport(
        metrics=metrics,
        num_images=num_images,
        repeated_images=len(evaluators[0].repeated_images),
        checkpoint=prefix,
        step=step,
        metrics_path=folder / "metrics.json",
        classes=classes,
        classes_path=folder / "classes.json",
        bad_records=bad_records,
        bad_boxes=bad_boxes.images,
    )


def build_evaluators(eval_config, categories: list[dict]) -> list[Evaluator]:
    """One evaluator for each of `eval_config.metrics_set` (COCO's where there is none), in that order.

    `categories`: {"id": int, "name": str} of every class. Raises DataError for super-categories of unknown classes.
    """
    groups = eval_config.super_categories
    coco = {
        "include_metrics_per_category": eval_config.include_metrics_per_category,
        "all_metrics_per_category": eval_config.all_metrics_per_category,
        "super_categories": {group: [name.strip() for name in groups[group].split(",")] for group in sorted(groups)},
    }
    return [
        PascalEvaluator(categories, name) if name in pascal.PROTOCOLS else CocoEvaluator(categories, **coco)
        for name in dict.fromkeys(eval_config.metrics_set or METRICS_SETS[:1])
    ]


def run_evaluation(
    detector: Detector,
    dataset: tf.data.Dataset,
    evaluators: Sequence[Evaluator],
    advance: Callable[[int], None],
    with_loss: bool = True,
) -> dict[str, float]:
    """Feeds `evaluators` with the detections and groundtruth of every batch (see odtk.inputs.dataset for their form).

    `advance` is told the number of images of each batch. Returns the mean over batches of each loss by TFOD's tag,
    none where `with_loss` is False.
    """
    features_spec, groundtruth_spec = dataset.element_spec
    inputs = [features_spec["image"], features_spec["true_image_shape"], groundtruth_spec]

    # One trace for all batches, the short last one included: the specification leaves the batch size open.
    @tf.function(input_signature=inputs, autograph=False)
    def detect(images, true_image_shapes, groundtruth):
        predictions = detector.predict(detector.preprocess(images, true_image_shapes), true_image_shapes)
        detections = detector.postprocess(predictions, true_image_shapes)
        found = {key: detections[f"detection_{key}"] for key in ("boxes", "classes", "scores")}
        losses = _losses(detector, predictions, groundtruth, true_image_shapes) if with_loss else {}
        return found | {"count": detections["num_detections"]}, losses

    sums, num_batches = Counter(), 0
    for features, groundtruth in dataset:
        found, losses = detect(features["image"], features["true_image_shape"], groundtruth)
        frame = np.array(features["image"].shape[1:3])
        batch = tf.nest.map_structure(lambda tensor: tensor.numpy(), (_without_image(features), groundtruth, found))
        for index in range(len(batch[0]["source_id"])):
            image = [{key: values[index] for key, values in part.items()} for part in batch]
            _add_image(evaluators, frame, *image)
        sums.update({tag: float(loss) for tag, loss in losses.items()})
        num_batches += 1
        advance(len(batch[0]["source_id"]))
    return {tag: total / num_batches for tag, total in sums.items()}


def _advance(progress: Progress, record_filter: BadRecordFilter | None) -> Callable[[int], None]:
    def advance(num_images: int) -> None:
        progress.advance(num_images)
        if record_filter is not None:
            record_filter.check()

    return advance


def without_nan(metrics: dict) -> dict:
    """The metrics with None for NaN and infinity, which JSON cannot hold."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in metrics.items()}  # fmt: skip


def _losses(detector: Detector, predictions: dict, groundtruth: dict, true_image_shapes) -> dict[str, tf.Tensor]:
    losses = detector.losses(predictions, groundtruth, true_image_shapes)
    if detector.add_regularization_loss:
        losses[REGULARIZATION_LOSS] = detector.regularization_loss()
    return losses | {TOTAL_LOSS: tf.add_n(list(losses.values()))}


def _add_image(
    evaluators: Sequence[Evaluator], frame: np.ndarray, features: dict, groundtruth: dict, found: dict
) -> None:
    # Groundtruth is relative to the padded frame, detections are to the true image; both in pixels of the original.
    original = features["original_image_size"].astype(np.float32)
    padding = frame / features["true_image_shape"][:2]
    boxes, detected = int(groundtruth["num_boxes"]), int(found["count"])
    for evaluator in evaluators:
        evaluator.add_image(
            features["source_id"].decode("utf-8", "replace"),
            groundtruth["boxes"][:boxes] * np.tile(padding * original, 2).astype(np.float32),
            groundtruth["classes"][:boxes] + 1,
            *(groundtruth[column][:boxes] for column in evaluator.groundtruth_columns),
            found["boxes"][:detected] * np.tile(original, 2),
            found["classes"][:detected].astype(int) + 1,
            found["scores"][:detected],
        )


def _without_image(features: dict) -> dict:
    return {key: value for key, value in features.items() if key != "image"}


def _count_images(reader) -> int | None:
    """For the progress line alone; None where the files cannot be looked at from here (another filesystem)."""
    files = shards.expand_globs(reader.tf_record_input_reader.input_path)
    return -(-shards.count_records(files) // max(reader.sample_1_of_n_examples, 1)) or None


def _build_categories(config, num_classes: int) -> list[dict]:
    path = config.eval_input_reader[0].label_map_path if config.eval_input_reader else ""
    if path:
        return label_map.read(path).categories()
    return [{"id": number, "name": f"class {number}"} for number in range(1, num_classes + 1)]


def _restore_weights(
    detector: Detector, path: Path, use_moving_averages: bool, log: Callable[[str], None]
) -> tuple[Path, int | None]:
    """Restores all weights from a model dir's newest checkpoint or a prefix; returns the prefix and its step."""
    reader = loading.CheckpointReader(loading.find_checkpoint(path, log))
    slot = "average" if use_moving_averages else None
    loading.restore(detector.checkpoint_variables(), reader, slot=slot)
    return Path(reader.prefix), reader.step


def _write_scalars(folder: Path, metrics: dict[str, float], step: int) -> None:
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default(step):
        for name, value in metrics.items():
            tf.summary.scalar(name, value)
    writer.close()
