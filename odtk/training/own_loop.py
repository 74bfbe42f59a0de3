"""What a training loop of one's own is made of: the calls of `odtk train`, each on a pipeline.config.

docs/python.md shows such a loop, and `odtk export --format script` writes one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping

import tensorflow as tf
import tf_keras

from odtk import pipeline, step_random
from odtk.checkpoints.restoring import RestoreReport
from odtk.detectors import build
from odtk.detectors.detector import Detector
from odtk.devices import keep_freed_memory, prepare_gpus
from odtk.evaluation.build import DEFAULT_MAX_BAD_RECORDS, ConfiguredEvaluation
from odtk.inputs.bad_boxes import BadBoxes
from odtk.inputs.build import build_fault_finder, build_train_dataset
from odtk.inputs.dataset import TRAINING_FEATURES
from odtk.inputs.epochs import NOTHING_READ, Position
from odtk.inputs.record_errors import naming_the_record
from odtk.inputs.record_filter import new_filter
from odtk.layers.precision import FLOAT32
from odtk.pipeline.support import refuse_unsupported
from odtk.protos import pipeline_pb2
from odtk.training import fine_tune, freezing, optimizer
from odtk.training.device_inputs import to_device

_CHECKED_EVERY = 10  # batches


def read_config(
    path: str | os.PathLike, changes: Mapping[str, str | int | float | bool] | None = None
) -> pipeline_pb2.TrainEvalPipelineConfig:
    """The message of a pipeline.config (a file or a shipped name), with some fields set by their paths.

    `read_config("pets.config", {"train_config.batch_size": 4})`. Raises ConfigError.
    """
    text = pipeline.read_text(path)
    assignments = [(name, _as_text(value)) for name, value in (changes or {}).items()]
    return pipeline.parse(pipeline.set_fields(text, assignments, os.fspath(path)), os.fspath(path))


def build_detector(config: pipeline_pb2.TrainEvalPipelineConfig, precision: str = FLOAT32) -> Detector:
    """The config's detector, whose network computes in `precision`, with weights drawn by TensorFlow's random seed.

    What train_config.freeze_variables matches is not among its `trainable_variables`. See odtk.detectors.detector for
    its methods. Raises ConfigError for a config that cannot be built, and for training options that odtk does not have.
    """
    prepare_gpus()
    refuse_unsupported(config.train_config, "train_config")
    refuse_unsupported(config.train_input_reader, "train_input_reader")
    detector = build.build_detector(config, precision)
    freezing.freeze(detector, config.train_config.freeze_variables)
    return detector


def build_optimizer(
    config: pipeline_pb2.TrainEvalPipelineConfig, detector: Detector
) -> tf_keras.optimizers.legacy.Optimizer:
    """The config's optimizer with its learning rate schedule, and with its variables for those of the detector."""
    built = optimizer.build_optimizer(config.train_config.optimizer)
    optimizer.create_variables(built, detector)
    if isinstance(built, optimizer.MovingAverages):
        built.shadow_copy(detector)
    return built


def restore_fine_tune_checkpoint(
    config: pipeline_pb2.TrainEvalPipelineConfig, detector: Detector, reuse_head_weights: bool = False
) -> RestoreReport | None:
    """Restores what fine_tune_checkpoint_type says of train_config.fine_tune_checkpoint; None if there is none.

    Returns which variables were restored, and which were not and why. Raises CheckpointError, ConfigError.
    """
    train = config.train_config
    if not train.fine_tune_checkpoint:
        return None
    kind = fine_tune.checkpoint_type(train)
    return fine_tune.fine_tune(detector, train.fine_tune_checkpoint, kind, reuse_head_weights)


class TrainingBatches:
    """The augmented batches of a config's train_input_reader: pairs (features, groundtruth), to be iterated over once.

    See odtk.inputs.dataset for what is in them. Records that cannot be used are skipped, up to a limit, which raises a
    DataError that lists them.
    """

    def __init__(
        self,
        config: pipeline_pb2.TrainEvalPipelineConfig,
        detector: Detector,
        *,
        seed: int = 0,
        after: int = NOTHING_READ,
        max_bad_records: int = DEFAULT_MAX_BAD_RECORDS,
        log: Callable[[str], None] = lambda line: None,
    ):
        """Order and augmentation depend on `seed` alone.

        They go on behind the record whose `features["position"]` is `after`, as if they had not been interrupted.
        `log` is told of records and boxes that are skipped.
        """
        keep_freed_memory()
        self._filter = new_filter(max_bad_records, log, False)
        self._find_fault = build_fault_finder(config.train_input_reader, detector.num_classes, self._filter)
        self.dataset: tf.data.Dataset = build_train_dataset(
            config,
            detector.resize,
            detector.num_classes,
            seed=seed,
            record_filter=self._filter,
            entries=(*TRAINING_FEATURES, *detector.groundtruth_fields),
            bad_boxes=BadBoxes(log),
            start=Position.after(after),
        )
        """The batches as TensorFlow has them; whoever iterates over it is not told of too many bad records."""

    def __iter__(self) -> Iterator[tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]]:
        on_device = to_device(self.dataset, "GPU:0") if tf.config.list_logical_devices("GPU") else self.dataset
        with naming_the_record(self._find_fault):
            for number, batch in enumerate(on_device):
                if number % _CHECKED_EVERY == 0:
                    self._check()
                yield batch
        if self._filter is not None:
            self._filter.finish()

    def _check(self) -> None:
        if self._filter is not None:
            self._filter.check()


@contextlib.contextmanager
def step_randomness(seed: int, step: tf.Tensor | tf.Variable) -> Iterator[None]:
    """In the block, what is random in a network or a loss depends on `seed` and `step` (an integer scalar) alone.

    So a resumed training computes what an uninterrupted one would.
    """
    with step_random.seeded(step_random.of_step(seed, step)):
        yield


def build_evaluation(
    config: pipeline_pb2.TrainEvalPipelineConfig,
    detector: Detector,
    *,
    max_images: int | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> ConfiguredEvaluation:
    """The evaluation of the config's first eval_input_reader: its `run().metrics` are those of the present weights.

    `max_images`: a sample of so many, the same each time. Raises ConfigError, DataError.
    """
    return ConfiguredEvaluation(config, detector, max_images=max_images, log=log)


def _as_text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
