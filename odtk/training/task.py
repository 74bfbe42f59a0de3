"""The one training task, for every detector: inputs, losses, one step, and where the weights come from."""

from collections.abc import Callable

import tensorflow as tf
import tf_keras
from official.core import base_task, config_definitions

from odtk.checkpoints.loading import CheckpointReader, RestoreReport, restore
from odtk.detectors.build import build_detector
from odtk.detectors.detector import Detector
from odtk.errors import CheckpointError, ConfigError
from odtk.inputs.bad_boxes import BadBoxes
from odtk.inputs.bad_records import BadRecordFilter
from odtk.inputs.build import build_train_dataset
from odtk.inputs.dataset import TRAINED_ON
from odtk.pipeline.support import refuse_unsupported
from odtk.protos import pipeline_pb2
from odtk.training.first_failure import FirstFailure

# TFOD's tags; what a detector's own losses are called is its business.
REGULARIZATION_LOSS = "Loss/regularization_loss"
TOTAL_LOSS = "Loss/total_loss"

# fine_tune_checkpoint_type to what it leaves out of a checkpoint; anything else left over is an error.
UNUSED_BY_TYPE = {
    "full": (),
    "detection": ("model/_box_predictor/",),
    "classification": ("model/_box_predictor/", "model/_feature_extractor/"),
}


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
        # Not .value(), which a MirroredStrategy refuses here.
        return tf.identity(self.value)


class DetectionTask(base_task.Task):
    """Trains the detector of a pipeline.config."""

    loss = TOTAL_LOSS

    def __init__(
        self,
        config: pipeline_pb2.TrainEvalPipelineConfig,
        seed: int | None = None,
        on_restore: Callable[[RestoreReport], None] = lambda report: None,
        reuse_heads: bool = False,
        record_filter: BadRecordFilter | None = None,
        bad_boxes: BadBoxes | None = None,
    ):
        """`on_restore` hears what a fine-tuning checkpoint gave, ahead of step 1; `reuse_heads`: see fine_tune.

        `tolerance` gets the records that cannot be used; without one they end the training. `bad_boxes` gets the boxes
        that are left out of their images.
        """
        super().__init__(config_definitions.TaskConfig())
        refuse_unsupported(config.train_config, "train_config")
        refuse_unsupported(config.train_input_reader, "train_input_reader")
        self.reuse_heads, self.record_filter, self.bad_boxes = reuse_heads, record_filter, bad_boxes
        self.config, self.seed, self.on_restore = config, seed, on_restore
        self.clip_norm = config.train_config.gradient_clipping_by_norm
        self.first_failure = FirstFailure(config.train_config.batch_size)

    def build_model(self) -> Detector:
        """The detector, untrained."""
        return build_detector(self.config)

    def initialize(self, model: Detector) -> None:
        """Takes the weights of `fine_tune_checkpoint`, where the config names one."""
        train = self.config.train_config
        if train.fine_tune_checkpoint:
            kind = checkpoint_type(train)
            self.on_restore(fine_tune(model, train.fine_tune_checkpoint, kind, self.reuse_heads))

    def build_inputs(self, params, input_context=None) -> tf.data.Dataset:
        """Batches of (features, groundtruth)."""
        model = params
        return build_train_dataset(
            self.config,
            model.resize,
            model.num_classes,
            seed=self.seed,
            record_filter=self.record_filter,
            bad_boxes=self.bad_boxes,
            entries=TRAINED_ON,
        )

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """One LastValue per loss, by TFOD's tag."""
        tags = ("Loss/classification_loss", "Loss/localization_loss", REGULARIZATION_LOSS, TOTAL_LOSS)
        return [LastValue(tag) for tag in tags]

    # Nothing in a detector needs AutoGraph, which takes longer to rewrite its code than TensorFlow to trace it.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, inputs, model: Detector, optimizer, metrics=None) -> dict[str, tf.Tensor]:
        """One update; returns the losses by tag, each as this replica's share of the batch."""
        features, groundtruth = inputs
        with tf.GradientTape() as tape:
            losses = self.losses(model, features, groundtruth)
        variables = model.trainable_variables
        gradients = tape.gradient(losses[TOTAL_LOSS], variables)
        gauge = losses[TOTAL_LOSS]
        if self.clip_norm > 0:
            gradients, norm = tf.clip_by_global_norm(gradients, self.clip_norm)
            gauge += norm  # a gradient that is no number spoils the next batch's loss
        if "place" in features:
            self.first_failure.watch(optimizer.iterations, gauge, features["place"])
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
    """`fine_tune_checkpoint_type`, or what TFOD takes where it is empty; ConfigError where there is no such type."""
    legacy = "detection" if train_config.from_detection_checkpoint else "classification"
    return checked_type(train_config.fine_tune_checkpoint_type or legacy)


def checked_type(kind: str) -> str:
    """`kind` where fine tuning knows it, ConfigError otherwise."""
    if kind not in UNUSED_BY_TYPE:
        raise ConfigError(
            f"train_config.fine_tune_checkpoint_type is '{kind}'; it is one of {', '.join(UNUSED_BY_TYPE)}. (TFOD has "
            "further types, such as 'fine_tune', for models that are not SSDs.)"
        )
    return kind


def fine_tune(model: Detector, prefix: str, kind: str, reuse_heads: bool = False) -> RestoreReport:
    """Restores what a fine_tune_checkpoint_type covers from a TFOD (or odtk) checkpoint.

    full: everything, shapes must agree; detection: all but the heads; classification: the backbone alone, from a
    classification checkpoint (`feature_extractor/...`) or a detection one. `reuse_heads` adds to "detection" the parts
    of the heads that do not depend on the classes, each whole or, where it differs, not at all. Raises CheckpointError,
    or ConfigError where the type does not exist or does not go with `reuse_heads`.
    """
    if reuse_heads and checked_type(kind) != "detection":
        why = {"full": "takes the heads anyway", "classification": "takes the backbone alone"}[kind]
        raise ConfigError(
            f"--reuse-head-weights goes with train_config.fine_tune_checkpoint_type 'detection'; this is '{kind}', "
            f"which {why}. Change the one or the other."
        )
    reader = CheckpointReader(prefix)
    variables, keys = model.checkpoint_variables(), model.fine_tune_keys(checked_type(kind))
    reasons = dict.fromkeys(variables, f"fine_tune_checkpoint_type '{kind}' leaves it out")
    if reuse_heads:
        reasons |= dict.fromkeys(variables, "belongs to the checkpoint's classes ('full' takes it)")
        taken, differing = _reusable(model, reader)
        keys, reasons = keys + taken, reasons | differing
    renamed = _renamed_backbone(reader, keys) if kind == "classification" else {}
    report = restore(variables, reader, keys, UNUSED_BY_TYPE[kind], renamed)
    report.skipped = {key: reasons[key] for key in report.skipped}
    return report


def _renamed_backbone(reader: CheckpointReader, keys: list[str]) -> dict[str, str]:
    """Where the backbone's keys stand in a classification checkpoint; nothing where it is a detection one."""
    backbone = "model/_feature_extractor/classification_backbone"
    if reader.tensor_name(keys[0]) is not None:
        return {}
    renamed = {key: key.replace(backbone, "feature_extractor") for key in keys}
    if reader.tensor_name(renamed[keys[0]]) is None:
        raise CheckpointError(
            f"{reader.prefix} holds neither feature_extractor/ (a classification checkpoint) nor {backbone}/ (a "
            "detection checkpoint), so there is no backbone to take. Name another checkpoint in "
            "train_config.fine_tune_checkpoint."
        )
    return renamed


def _reusable(model: Detector, reader: CheckpointReader) -> tuple[list[str], dict[str, str]]:
    """Keys of the parts of the heads that are the checkpoint's too, and of the others the reason why they are not."""
    taken, reasons = [], {}
    for part, beginnings in model.reusable_heads().items():
        variables = {key: v for key, v in model.checkpoint_variables().items() if key.startswith(beginnings)}
        difference = _difference(variables, reader, beginnings)
        if difference is None:
            taken += variables
        else:
            reasons |= dict.fromkeys(variables, f"the {part} differs: {difference}")
    return taken, reasons


def _difference(variables: dict[str, tf.Variable], reader: CheckpointReader, beginnings: tuple[str, ...]) -> str | None:
    """What tells a part of the model from the checkpoint's, None where they are alike."""
    names = {key: reader.tensor_name(key) for key in variables}
    for key, name in names.items():
        short = "/".join(key.split("/")[-3:])
        if name is None:
            return f"{short} is not in the checkpoint"
        if reader.shape(name) != tuple(variables[key].shape):
            return f"{short} is {tuple(variables[key].shape)} here, {reader.shape(name)} in the checkpoint"
    besides = [name for name in reader.variable_names("model") if name.startswith(beginnings)]
    besides = [name for name in besides if name not in names.values()]
    return f"the checkpoint's has {len(besides)} variables more" if besides else None
