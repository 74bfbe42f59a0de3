"""Measures a trained detector on the config's evaluation records: COCO metrics, as a file and for TensorBoard."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from odtk import atomic, checkpoints, label_map, pipeline, shards
from odtk.coco_metrics import METRIC_NAMES, CocoEvaluator
from odtk.detectors.build import build_detector
from odtk.detectors.detector import Detector
from odtk.errors import DataError
from odtk.inputs.build import build_eval_dataset, build_fault_finder
from odtk.inputs.faults import naming_the_record
from odtk.progress import track
from odtk.tools.check_config import require_sound


@dataclass(frozen=True)
class EvaluationReport:
    """What was measured, on what, and where it is written."""

    metrics: dict[str, float]  # TFOD's name to value: the 12, then mAP per class where the config asks for it
    num_images: int
    repeated_images: int  # ignored, as their source_id had been seen
    checkpoint: Path  # prefix
    step: int | None  # None where the checkpoint does not say
    metrics_path: Path

    @property
    def summary(self) -> dict[str, float]:
        """The 12 metrics alone."""
        return {name: self.metrics[name] for name in METRIC_NAMES}


def evaluate(
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
) -> EvaluationReport:
    """Evaluates the newest checkpoint of `model_dir`, or `checkpoint`, on the config's first eval_input_reader.

    Writes `model_dir`/eval/metrics.json (name to value) and the same as TensorBoard scalars beside it. Raises
    ConfigError, CheckpointError or DataError where one of the three does not fit.
    """
    config = pipeline.read(pipeline_config)
    require_sound(config, pipeline_config, needs=("eval",))
    detector = build_detector(config)
    prefix, step = _restore_weights(detector, Path(checkpoint or model_dir), config.eval_config.use_moving_averages)
    dataset = build_eval_dataset(config, detector.resize, detector.num_classes)
    evaluator = CocoEvaluator(_build_categories(config, detector.num_classes))
    reader = config.eval_input_reader[0]
    find_fault = build_fault_finder(reader, detector.num_classes)
    with track("Evaluating", _count_images(reader), "images", compiles=True) as progress, naming_the_record(find_fault):
        run_evaluation(detector, dataset, evaluator, progress.advance)
    if not evaluator.num_images:
        raise DataError(
            f"The eval_input_reader of {pipeline_config} gives no image. Point it at records that hold some."
        )

    metrics = evaluator.evaluate()
    if config.eval_config.include_metrics_per_category:
        metrics |= evaluator.include_metrics_per_category()
    folder = Path(model_dir) / "eval"
    atomic.write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    _write_scalars(folder, metrics, step or 0)
    repeated = len(evaluator.repeated_images)
    return EvaluationReport(metrics, evaluator.num_images, repeated, prefix, step, folder / "metrics.json")


def run_evaluation(
    detector: Detector, dataset: tf.data.Dataset, evaluator: CocoEvaluator, advance: Callable[[int], None]
) -> None:
    """Feeds `evaluator` with the detections and groundtruth of every batch (see odtk.inputs.dataset for their form).

    `advance` is told the number of images of each batch.
    """
    features_spec, _ = dataset.element_spec
    inputs = [features_spec["image"], features_spec["true_image_shape"]]

    # One trace for all batches, the short last one included: the specification leaves the batch size open.
    @tf.function(input_signature=inputs)
    def detect(images, true_image_shapes):
        detections = detector.detect(images, true_image_shapes)
        return {key: detections[f"detection_{key}"] for key in ("boxes", "classes", "scores")} | {
            "count": detections["num_detections"]
        }

    for features, groundtruth in dataset:
        found = detect(features["image"], features["true_image_shape"])
        frame = np.array(features["image"].shape[1:3])
        batch = tf.nest.map_structure(lambda tensor: tensor.numpy(), (_without_image(features), groundtruth, found))
        for index in range(len(batch[0]["source_id"])):
            _add_image(evaluator, frame, *({key: values[index] for key, values in part.items()} for part in batch))
        advance(len(batch[0]["source_id"]))


def _add_image(evaluator: CocoEvaluator, frame: np.ndarray, features: dict, groundtruth: dict, found: dict) -> None:
    # Groundtruth is relative to the padded frame, detections are to the true image; both in pixels of the original.
    original = features["original_image_size"].astype(np.float32)
    padding = frame / features["true_image_shape"][:2]
    boxes, detected = int(groundtruth["num_boxes"]), int(found["count"])
    evaluator.add_image(
        features["source_id"].decode("utf-8", "replace"),
        groundtruth["boxes"][:boxes] * np.tile(padding * original, 2).astype(np.float32),
        groundtruth["classes"][:boxes] + 1,
        groundtruth["is_crowd"][:boxes],
        groundtruth["area"][:boxes],
        found["boxes"][:detected] * np.tile(original, 2),
        found["classes"][:detected].astype(int) + 1,
        found["scores"][:detected],
    )


def _without_image(features: dict) -> dict:
    return {key: value for key, value in features.items() if key != "image"}


def _count_images(reader) -> int | None:
    """For the progress line alone; None where the files cannot be looked at from here (another filesystem)."""
    files = shards.expand_globs(reader.tf_record_input_reader.input_path)
    return shards.count_records(files) // max(reader.sample_1_of_n_examples, 1) or None


def _build_categories(config, num_classes: int) -> list[dict]:
    path = config.eval_input_reader[0].label_map_path if config.eval_input_reader else ""
    if path:
        return label_map.read(path).categories()
    return [{"id": number, "name": f"class {number}"} for number in range(1, num_classes + 1)]


def _restore_weights(detector: Detector, path: Path, use_moving_averages: bool) -> tuple[Path, int | None]:
    """Restores all weights from a model dir's newest checkpoint or a prefix; returns the prefix and its step."""
    reader = checkpoints.CheckpointReader(checkpoints.find_checkpoint(path))
    slot = "average" if use_moving_averages else None
    checkpoints.restore(detector.checkpoint_variables(), reader, slot=slot)
    return Path(reader.prefix), reader.step


def _write_scalars(folder: Path, metrics: dict[str, float], step: int) -> None:
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default(step):
        for name, value in metrics.items():
            tf.summary.scalar(name, value)
    writer.close()
