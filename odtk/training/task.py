"""The training task for all detectors: inputs, losses, the step, and the initial weights."""

from collections.abc import Callable, Sequence

import tensorflow as tf
import tf_keras
from official.core import base_task, config_definitions

from odtk import static_shapes, step_random
from odtk.checkpoints.restoring import RestoreReport
from odtk.detectors.build import build_detector
from odtk.detectors.detector import Detector
from odtk.detectors.total_loss import TOTAL_LOSS, logged_losses, total_losses
from odtk.errors import OdtkError
from odtk.hardware import is_on_tpu
from odtk.inputs.bad_boxes import BadBoxes
from odtk.inputs.batch_again import read_batch
from odtk.inputs.build import build_train_dataset
from odtk.inputs.dataset import TRAINING_FEATURES
from odtk.inputs.epochs import NOTHING_READ, Position
from odtk.inputs.image_cache import ImageCache
from odtk.inputs.record_filter import RecordFilter
from odtk.layers.precision import FLOAT32
from odtk.pipeline.support import refuse_unsupported
from odtk.protos import pipeline_pb2
from odtk.training.fine_tune import checkpoint_type, fine_tune
from odtk.training.first_batch import FirstBatch
from odtk.training.first_failure import FirstFailure
from odtk.training.freezing import freeze
from odtk.training.strategy import num_replicas, over_replicas

GRADIENT_NORM = "gradient_norm"
"""The log of the norm of all gradients together, before clipping."""


class LastValue(tf_keras.metrics.Metric):
    """The value of the last step, which TFOD logs; Keras's own metrics are means."""

    def __init__(self, name: str):
        super().__init__(name=name)
        # Written by every replica: their parts of a loss are summed (TFOD divides each by the number of replicas).
        self.value = self.add_weight(name="value", aggregation=tf.VariableAggregation.SUM)

    def update_state(self, value):
        """Stores `value`, a scalar."""
        self.value.assign(value)

    def result(self):
        """The last value."""
        # Not .value(), which fails here in a MirroredStrategy.
        return tf.identity(self.value)


class DetectionTask(base_task.Task):
    """Trains the detector of a pipeline.config."""

    loss = TOTAL_LOSS
    first_failure: FirstFailure
    """Made by build_metrics."""
    last_position: tf.Variable
    """The number of the last record's position (see odtk.inputs.epochs) that was trained on; made by build_metrics."""
    start: Position
    """Where the data of this run starts; may be set until build_inputs is called."""

    def __init__(
        self,
        config: pipeline_pb2.TrainEvalPipelineConfig,
        seed: int = 0,
        on_restore: Callable[[RestoreReport], None] = lambda report: None,
        reuse_heads: bool = False,
        record_filter: RecordFilter | None = None,
        bad_boxes: BadBoxes | None = None,
        deterministic: bool = True,
        precision: str = FLOAT32,
        xla: bool = False,
        micro_batches: int = 1,
        image_cache: ImageCache | None = None,
    ):
        """`seed`: of the data's order and augmentation; if not `deterministic`, fast examples may overtake slow ones.

        `on_restore` is called with what was restored from a fine-tuning checkpoint; `reuse_heads`: see fine_tune.

        `record_filter` collects the records that cannot be used; without one they end the training. `bad_boxes`
        collects the boxes that are skipped. `precision`: of the network, see odtk.layers.precision; `xla` compiles
        the gradients' computation; `micro_batches`: how many parts a batch is trained in, one after the other;
        `image_cache` has the decoded images, if any are kept.
        """
        super().__init__(config_definitions.TaskConfig())
        self.loss_names: tuple[str, ...] = ()  # see logged_losses
        refuse_unsupported(config.train_config, "train_config")
        refuse_unsupported(config.train_input_reader, "train_input_reader")
        self.reuse_heads, self.record_filter, self.bad_boxes = reuse_heads, record_filter, bad_boxes
        self.config, self.seed, self.on_restore = config, seed, on_restore
        self.deterministic, self.start = deterministic, Position()
        self.precision, self.xla, self.micro_batches = precision, xla, micro_batches
        self.image_cache = image_cache
        self.clip_norm = config.train_config.gradient_clipping_by_norm
        self.first_batch = FirstBatch()

    def build_model(self) -> Detector:
        """The detector, untrained."""
        model = build_detector(self.config, self.precision)
        self._require_compilable(model)
        freeze(model, self.config.train_config.freeze_variables)
        self.loss_names = logged_losses(model)
        return model

    def _require_compilable(self, model: Detector) -> None:
        argument = "tpu" if is_on_tpu() else "xla"
        if self.needs_static_shapes:
            static_shapes.require_one_size(model.image_size, "step", argument)
        if self.xla and not is_on_tpu() and num_replicas() > 1:
            raise OdtkError(
                f"XLA compiles the step of one device, and this run has {num_replicas()}, which add up their "
                "normalizers in the middle of it. Train without XLA, or on one device.",
                argument=argument,
            )

    def initialize(self, model: Detector) -> None:
        """Restores the weights of `fine_tune_checkpoint`, if the config has one."""
        train = self.config.train_config
        if train.fine_tune_checkpoint:
            kind = checkpoint_type(train)
            self.on_restore(fine_tune(model, train.fine_tune_checkpoint, kind, self.reuse_heads))

    def build_inputs(self, params, input_context=None) -> tf.data.Dataset:
        """Batches of (features, groundtruth), of a replica's size, from one input pipeline's records."""
        model = params
        return build_train_dataset(
            self.config,
            model.resize,
            model.num_classes,
            batch_size=self.config.train_config.batch_size // self.micro_batches,
            seed=self.seed,
            record_filter=self.record_filter,
            bad_boxes=self.bad_boxes,
            entries=(*TRAINING_FEATURES, *model.groundtruth_fields),
            input_context=input_context,
            start=self.start,
            deterministic=self.deterministic,
            whole_batches=self.needs_static_shapes,
            image_cache=self.image_cache,
        )

    @property
    def needs_static_shapes(self) -> bool:
        """Whether the step is compiled, for batches of one shape."""
        return self.xla or is_on_tpu()

    def restart_inputs(self) -> None:
        """What `build_inputs` builds from now on starts behind `last_position`."""
        self.start = Position.after(int(self.last_position.numpy()))
        self.first_batch.restart()
        if self.record_filter is not None:
            self.record_filter.forget_unfinished()

    def read_batch(self, model: Detector, places: Sequence[tuple[int, int, int]]) -> tuple[dict, dict]:
        """The batch (features, groundtruth) of records, as `first_failure` has them, exactly as it was trained on."""
        entries = (*TRAINING_FEATURES, *model.groundtruth_fields)
        return read_batch(self.config, places, model.resize, model.num_classes, self.seed, entries)

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """One LastValue per loss, by TFOD's tag, and one for the gradients' norm; the model must already be built.

        `first_failure` and `last_position` are created here, too: official's Trainer calls this in the strategy's
        scope.
        """
        self.first_failure = FirstFailure(self.config.train_config.batch_size // num_replicas() // self.micro_batches)
        self.last_position = tf.Variable(
            NOTHING_READ, False, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
        )
        return [LastValue(tag) for tag in (*self.loss_names, TOTAL_LOSS, GRADIENT_NORM)]

    # Detectors do not need AutoGraph, which takes longer to convert their code than TensorFlow takes to trace it.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, inputs, model: Detector, optimizer, metrics=None) -> dict[str, tf.Tensor]:
        """One update; returns the losses by tag, each as this replica's part of the batch's."""
        features, groundtruth = inputs
        compute = self.compiled(self._losses_and_gradients)
        losses, gradients = compute(model, features, groundtruth, self.step_seed(optimizer.iterations))
        # What this replica's own records did: of the sum over all replicas no one can tell whose they are.
        total, own_norm = losses[TOTAL_LOSS], tf.linalg.global_norm(gradients)
        self.watch(features, optimizer, total + tf.cast(own_norm, total.dtype))  # a NaN gradient spoils the next loss
        if "position" in features:
            # Not before the gradients are there: a step that runs out of memory is tried again, with the same records.
            with tf.control_dependencies([own_norm]):
                self.note_position(tf.identity(features["position"]))
        norm = own_norm if num_replicas() == 1 else None
        self.update(model, optimizer, over_replicas(gradients), losses, metrics, norm)
        return losses

    def _losses_and_gradients(self, model: Detector, features: dict, groundtruth: dict, seed):
        with static_shapes.needed(self.needs_static_shapes), step_random.seeded(seed), tf.GradientTape() as tape:
            losses = self.losses(model, features, groundtruth)
        return losses, tape.gradient(losses[TOTAL_LOSS], model.trainable_variables)

    def update(self, model: Detector, optimizer, gradients, losses: dict, metrics=None, norm=None) -> None:
        """One update by the gradients of the whole batch; logs this replica's part of the losses, and the norm.

        `norm`: of the gradients, if it is known.
        """
        norm = tf.linalg.global_norm(gradients) if norm is None else norm
        if self.clip_norm > 0:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm, use_norm=norm)
        # An update starts only when all gradients are there: one that runs out of memory on the way changes no weight.
        gradients = tf.tuple(gradients)
        pairs = zip(gradients, model.trainable_variables, strict=True)
        optimizer.apply_gradients(pairs, experimental_aggregate_gradients=False)
        self.log(losses | {GRADIENT_NORM: norm / num_replicas()}, metrics)

    def watch(self, features: dict, optimizer, gauge) -> None:
        """Notes the records of a batch if `gauge`, a scalar, is the first that is not finite."""
        if "place" in features:
            places = tf.concat([features["place"], features["position"][:, None]], axis=1)
            self.first_failure.watch(optimizer.iterations, gauge, places)

    def log(self, values: dict, metrics) -> None:
        """Values by tag, each this replica's part, to the metrics of these names; others keep theirs."""
        for metric in metrics or []:
            if metric.name in values:
                metric.update_state(values[metric.name])

    def compiled(self, function: Callable) -> Callable:
        """The function, compiled by XLA if the run is; a TPU compiles the whole step."""
        is_by_itself = self.xla and not is_on_tpu()
        return tf.function(function, jit_compile=True, autograph=False) if is_by_itself else function

    def step_seed(self, step) -> tf.Tensor:
        """For `step_random.seeded`: of this replica (outside of replicas, the first) in the step after `step`."""
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context is not None else 0
        return step_random.of_step(self.seed, step, replica)

    def note_position(self, positions) -> None:
        """Keeps the largest of the positions int64 [B] of all replicas; saved with the weights of this step."""
        largest = tf.reduce_max(positions, keepdims=True)
        replica = tf.distribute.get_replica_context()
        self.last_position.assign(tf.reduce_max(replica.all_gather(largest, axis=0)))

    def predictions(self, model: Detector, features: dict, groundtruth: dict) -> dict:
        """What the detector predicts for a batch in training mode."""
        shapes = features["true_image_shape"]
        return model.predict(model.preprocess(features["image"], shapes), shapes, True, groundtruth)

    def losses(self, model: Detector, features: dict, groundtruth: dict) -> dict[str, tf.Tensor]:
        """Losses of a batch in training mode, including the total, and the regularization loss if there is one."""
        shapes, predictions = features["true_image_shape"], self.predictions(model, features, groundtruth)
        return total_losses(model, predictions, groundtruth, shapes, num_replicas(), over_replicas)
