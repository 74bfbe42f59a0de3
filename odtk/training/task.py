"""The one training task, for every detector: inputs, losses, one step, and where the weights come from."""

from collections.abc import Callable

import tensorflow as tf
import tf_keras
from official.core import base_task, config_definitions

from odtk.checkpoints import CheckpointReader, RestoreReport, restore
from odtk.detectors.build import build_detector
from odtk.detectors.detector import Detector
from odtk.errors import CheckpointError
from odtk.inputs.build import build_train_dataset
from odtk.protos import pipeline_pb2

# TFOD's tags; what a detector's own losses are called is its business.
REGULARIZATION_LOSS = "Loss/regularization_loss"
TOTAL_LOSS = "Loss/total_loss"


class LastValue(tf_keras.metrics.Metric):
    """The value of the last step, which is what TFOD logs; Keras's own metrics are means."""

    def __init__(self, name: str):
        super().__init__(name=name)
        # Written by every replica: their parts of a loss add up (TFOD divides each by their number).
        self.value = self.add_weight(name="value", aggregation=tf.VariableAggregation.SUM)

    def update_state(self, value):
        """Keeps `value`, a scalar."""
        self.value.assign(value)

    def result(self):
        """The last value."""
        return self.value.value()


class DetectionTask(base_task.Task):
    """Trains the detector of a pipeline.config."""

    loss = TOTAL_LOSS

    def __init__(
        self,
        config: pipeline_pb2.TrainEvalPipelineConfig,
        seed: int | None = None,
        on_restore: Callable[[RestoreReport], None] = lambda report: None,
    ):
        """`on_restore` hears what a fine-tuning checkpoint gave, before the first step."""
        super().__init__(config_definitions.TaskConfig())
        self.config, self.seed, self.on_restore = config, seed, on_restore
        self.clip_norm = config.train_config.gradient_clipping_by_norm

    def build_model(self) -> Detector:
        """The detector, untrained."""
        return build_detector(self.config)

    def initialize(self, model: Detector) -> None:
        """Takes the weights of `fine_tune_checkpoint`, where the config names one."""
        train = self.config.train_config
        if train.fine_tune_checkpoint:
            self.on_restore(fine_tune(model, train.fine_tune_checkpoint, checkpoint_type(train)))

    def build_inputs(self, params, input_context=None) -> tf.data.Dataset:
        """Batches of (features, groundtruth)."""
        model = params
        return build_train_dataset(self.config, model.resize, model.num_classes, seed=self.seed)

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """One LastValue per loss, by TFOD's tag."""
        tags = ("Loss/classification_loss", "Loss/localization_loss", REGULARIZATION_LOSS, TOTAL_LOSS)
        return [LastValue(tag) for tag in tags]

    def train_step(self, inputs, model: Detector, optimizer, metrics=None) -> dict[str, tf.Tensor]:
        """One update; returns the losses by tag, each as this replica's share of the batch."""
        features, groundtruth = inputs
        with tf.GradientTape() as tape:
            losses = self.losses(model, features, groundtruth)
        variables = model.trainable_variables
        gradients = tape.gradient(losses[TOTAL_LOSS], variables)
        if self.clip_norm > 0:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for metric in metrics or []:
            metric.update_state(losses[metric.name])
        return losses

    def losses(self, model: Detector, features: dict, groundtruth: dict) -> dict[str, tf.Tensor]:
        """Losses of a batch in training mode, the regularisation and the total included."""
        predictions = model.predict_batch(model.preprocess(features["image"]), training=True)
        losses = model.loss(predictions, groundtruth)
        if model.add_regularization_loss:
            losses[REGULARIZATION_LOSS] = model.regularization_loss()
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        losses = {tag: loss / replicas for tag, loss in losses.items()}
        losses[TOTAL_LOSS] = tf.add_n(list(losses.values()))
        losses.setdefault(REGULARIZATION_LOSS, tf.constant(0.0))
        return losses


def checkpoint_type(train_config) -> str:
    """`fine_tune_checkpoint_type`, or what TFOD takes where it is empty."""
    legacy = "detection" if train_config.from_detection_checkpoint else "classification"
    return train_config.fine_tune_checkpoint_type or legacy


def fine_tune(model: Detector, prefix: str, kind: str) -> RestoreReport:
    """Restores what a fine_tune_checkpoint_type covers from a TFOD (or odtk) checkpoint.

    full: everything, shapes must agree; detection: all but the heads; classification: the backbone alone, from a
    classification checkpoint (`feature_extractor/...`) or a detection one. Raises CheckpointError.
    """
    reader = CheckpointReader(prefix)
    keys = model.fine_tune_keys(kind)
    backbone = "model/_feature_extractor/classification_backbone"
    renamed = {}
    if kind == "classification" and reader.tensor_name(keys[0]) is None:
        renamed = {key: key.replace(backbone, "feature_extractor") for key in keys}
        if reader.tensor_name(renamed[keys[0]]) is None:
            raise CheckpointError(
                f"{prefix} holds neither feature_extractor/ (a classification checkpoint) nor {backbone}/ (a detection "
                "checkpoint), so there is no backbone to take. Name another checkpoint in "
                "train_config.fine_tune_checkpoint."
            )
    # What a type leaves out is left out by name; anything else left over is an error.
    unused = {
        "full": (),
        "detection": ("model/_box_predictor/",),
        "classification": ("model/_box_predictor/", "model/_feature_extractor/"),
    }[kind]
    report = restore(model.checkpoint_variables(), reader, keys, unused, renamed)
    reason = f"fine_tune_checkpoint_type '{kind}' leaves it out"
    report.skipped = dict.fromkeys(report.skipped, reason)
    return report
