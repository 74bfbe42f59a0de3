"""Trial steps on a model of their own, with drawn data: what they do to weights and data is nothing to the run."""

import functools
from collections.abc import Callable

import tensorflow as tf
from official.core import config_definitions

from odtk.training.device_inputs import distribute
from odtk.training.optimizer import build_optimizer, create_variables
from odtk.training.step_memory import StepMemory
from odtk.training.task import DetectionTask
from odtk.training.trainer import DetectionTrainer


class TrialSteps:
    """Called with a number of images, which each replica trains on; returns the peak of the memory in bytes."""

    def __init__(self, build_task: Callable[[], DetectionTask], strategy: tf.distribute.Strategy, memory: StepMemory):
        """`build_task` makes the run's task with a batch of as many images as are tried at most."""
        self._strategy, self._memory = strategy, memory
        with strategy.scope():
            self._task = build_task()
            model = self._task.build_model()
            optimizer = build_optimizer(self._task.config.train_config.optimizer)
            create_variables(optimizer, model)
            self._example = _draw_example(self._task, model)
            trainer = config_definitions.TrainerConfig(train_tf_while_loop=True)
            config = config_definitions.ExperimentConfig(task=self._task.task_config, trainer=trainer)
            self._trainer = DetectionTrainer(config, self._task, model, optimizer, functools.partial(self._dataset, 1))

    def __call__(self, images: int) -> int | None:
        """Raises TensorFlow's error if the memory is not enough, and leaves what it allocated to the next trial.

        The second step is measured. In the first one of a size cuDNN tries its algorithms, with memory that it does
        without if there is none, and the next batch is not yet there.
        """
        self._trainer.train_dataset = self._dataset(images)
        self._trainer.train(tf.constant(1))
        self._memory.reset()
        self._trainer.train(tf.constant(1))
        return self._memory.peak()

    def _dataset(self, images: int):
        def build(context=None) -> tf.data.Dataset:
            example = tf.data.Dataset.from_tensors(self._example).repeat()
            # A batch of any size, so that all trials take one trace; a compiled program is one of a size anyway.
            return example.batch(images, drop_remainder=self._task.needs_static_shapes)

        return distribute(self._strategy, build)


def _draw_example(task: DetectionTask, model) -> tuple[dict, dict]:
    """(features, groundtruth) of one image of the shapes that the run's batches have, with all the boxes they hold."""
    features, groundtruth = (
        {name: _draw(name, tf.TensorSpec(spec.shape[1:], spec.dtype)) for name, spec in part.items()}
        for part in task.build_inputs(model).element_spec
    )
    height, width, _ = features["image"].shape
    features["true_image_shape"] = tf.constant([height, width, 3])
    if {"boxes", "num_boxes"} <= groundtruth.keys():
        groundtruth["num_boxes"] = tf.constant(groundtruth["boxes"].shape[0])
    return features, groundtruth


def _draw(name: str, spec: tf.TensorSpec) -> tf.Tensor:
    match name:
        case "image":
            return tf.random.stateless_uniform(spec.shape, (0, 1), 0, 255, spec.dtype)
        case "boxes":
            corners = tf.random.stateless_uniform([spec.shape[0], 2], (0, 2), 0.0, 0.5)
            return tf.concat([corners, corners + 0.4], axis=1)
        case "weights":
            return tf.ones(spec.shape, spec.dtype)
    return tf.zeros(spec.shape, spec.dtype)
