"""Detectors with weights from a formula, batches in the device's memory, and odtk's trainer on both."""

from collections.abc import Callable

import orbit
import tensorflow as tf
from official.core import config_definitions
from synthetic_weights import synthetic_value

from bench import workload
from bench.accelerator.parts import AUTO
from bench.accelerator.sizes import Sizes
from odtk import pipeline
from odtk.hardware import CPU, Device, find_cpu, find_devices
from odtk.layers.precision import BFLOAT16, FLOAT32
from odtk.protos import pipeline_pb2
from odtk.training.device_inputs import distribute
from odtk.training.optimizer import build_optimizer, create_variables, make_scalable
from odtk.training.precision import choose_precision
from odtk.training.task import DetectionTask
from odtk.training.trainer import DetectionTrainer

NUM_CLASSES = 37


def device() -> Device:
    """What this process computes on."""
    return find_devices()[0] if tf.config.get_visible_devices("GPU") else find_cpu()


def precision_of(name: str) -> str:
    """For AUTO what `odtk train` chooses; but bfloat16 on CPUs, so that the script can be tried there."""
    if name != AUTO:
        return name
    if device().kind == CPU:
        return BFLOAT16
    return choose_precision(AUTO, pipeline_pb2.TrainEvalPipelineConfig(), [device()]).precision


def config_of(sizes: Sizes, side: int, batch_size: int):
    """The config of this image size and batch."""
    config = pipeline.read(sizes.config)
    resizer = config.model.ssd.image_resizer.fixed_shape_resizer
    resizer.height = resizer.width = side
    config.model.ssd.num_classes = NUM_CLASSES
    config.train_config.batch_size = batch_size
    return config


def assign_weights(detector) -> None:
    """The values of the goldens' formula."""
    for key, variable in detector.checkpoint_variables().items():
        variable.assign(synthetic_value(key, tuple(variable.shape)))


def batch_in_memory(side: int, batch_size: int) -> tuple[dict, dict]:
    """(features, groundtruth) as in training, on the device."""
    batch = {name: tf.constant(value) for name, value in workload.training_batch(NUM_CLASSES, side, batch_size).items()}
    numbers = tf.range(batch_size, dtype=tf.int64)
    features = {
        "image": batch.pop("images"),
        "true_image_shape": tf.constant([[side, side, 3]] * batch_size),
        "place": tf.stack([tf.zeros_like(numbers), numbers], axis=1),
        "position": numbers,
    }
    return features, batch


class MemoryTrainer(DetectionTrainer):
    """odtk's trainer, whose steps all train on one batch in the device's memory."""

    batch: tuple[dict, dict]

    def next_train_inputs(self, iterator):
        """See DetectionTrainer."""
        return self.batch


def memory_trainer(config, precision: str = FLOAT32, xla: bool = False) -> MemoryTrainer:
    """A trainer whose data cost nothing."""
    side = config.model.ssd.image_resizer.fixed_shape_resizer.height
    task = DetectionTask(config, precision=precision, xla=xla)
    trainer = _build(MemoryTrainer, task, lambda model: tf.data.Dataset.range(1).repeat())
    trainer.batch = batch_in_memory(side, config.train_config.batch_size)
    return trainer


def fed_trainer(config, precision: str, ahead: bool) -> DetectionTrainer:
    """A trainer on the input pipeline of the config's records.

    `ahead`: as `odtk train` does it, with batches copied to the device ahead of time.
    """
    task = DetectionTask(config, precision=precision, deterministic=False)
    strategy = tf.distribute.get_strategy()
    make = distribute if ahead else orbit.utils.make_distributed_dataset
    return _build(DetectionTrainer, task, lambda model: make(strategy, task.build_inputs, model))


def _build(kind: type[DetectionTrainer], task: DetectionTask, build_dataset: Callable):
    model = task.build_model()
    optimizer = build_optimizer(task.config.train_config.optimizer)
    make_scalable(optimizer)
    create_variables(optimizer, model)
    settings = config_definitions.TrainerConfig(train_tf_while_loop=True)
    config = config_definitions.ExperimentConfig(task=task.task_config, trainer=settings)
    trainer = kind(config, task, model, optimizer, lambda: build_dataset(model))
    assign_weights(model)
    return trainer
