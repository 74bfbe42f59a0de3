"""Two training steps of a very narrow network on drawn data, on the devices of a strategy."""

import functools

import numpy as np
import tensorflow as tf
import tf_keras

from odtk import pipeline
from odtk.detectors.total_loss import TOTAL_LOSS
from odtk.protos import pipeline_pb2
from odtk.training.optimizer import create_variables
from odtk.training.task import DetectionTask

_PIPELINE = "ssd_resnet50_v1_fpn_small"
_SIDE, _BATCH, _BOXES = 160, 2, 3
_RATE = 0.1


def trial_config() -> pipeline_pb2.TrainEvalPipelineConfig:
    """The smallest shipped pipeline, as narrow and with images as small as it can be."""
    config = pipeline.read(_PIPELINE)
    ssd, resizer = config.model.ssd, config.model.ssd.image_resizer.fixed_shape_resizer
    ssd.num_classes = 2
    ssd.feature_extractor.depth_multiplier = 0.1
    ssd.box_predictor.weight_shared_convolutional_box_predictor.depth = 16
    resizer.height = resizer.width = _SIDE
    config.train_config.batch_size = _BATCH
    config.train_config.ClearField("fine_tune_checkpoint")
    return config


def two_steps(
    config: pipeline_pb2.TrainEvalPipelineConfig, precision: str, strategy: tf.distribute.Strategy
) -> list[float]:
    """The total losses of two steps, in which each replica has the same drawn images each time."""
    tf_keras.utils.set_random_seed(0)
    own = pipeline_pb2.TrainEvalPipelineConfig()
    own.CopyFrom(config)
    own.train_config.batch_size *= strategy.num_replicas_in_sync
    with strategy.scope():
        task = DetectionTask(own, precision=precision)
        model = task.build_model()
        model.ensure_built()
        task.build_metrics()
        optimizer = tf_keras.optimizers.legacy.SGD(_RATE)
        create_variables(optimizer, model)

    def train(batch):
        return task.train_step(batch, model, optimizer)[TOTAL_LOSS]

    @functools.partial(tf.function, autograph=False)
    def step(batch):
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(train, args=(batch,)), axis=None)

    batch = _draw_batch(config.model.ssd.num_classes)
    return [float(step(batch)) for _ in range(2)]


def _draw_batch(num_classes: int) -> tuple[dict, dict]:
    """Features and groundtruth as odtk.inputs gives them: noise, with boxes on it."""
    random = np.random.default_rng(0)
    corners = np.sort(random.uniform(size=(_BATCH, _BOXES, 2, 2)), axis=2).astype(np.float32)  # two points of each box
    features = {
        "image": tf.constant(random.uniform(0, 255, (_BATCH, _SIDE, _SIDE, 3)).astype(np.float32)),
        "true_image_shape": tf.constant([[_SIDE, _SIDE, 3]] * _BATCH, tf.int32),
    }
    groundtruth = {
        "boxes": tf.constant(corners.reshape(_BATCH, _BOXES, 4)),
        "classes": tf.constant(random.integers(num_classes, size=(_BATCH, _BOXES)), tf.int32),
        "weights": tf.ones([_BATCH, _BOXES]),
        "num_boxes": tf.fill([_BATCH], _BOXES),
    }
    return features, groundtruth
