"""Two training steps of a very narrow network on drawn data, on whatever device TensorFlow chooses."""

import numpy as np
import tensorflow as tf
import tf_keras

from odtk import pipeline
from odtk.detectors.total_loss import TOTAL_LOSS
from odtk.protos import pipeline_pb2
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


def two_steps(config: pipeline_pb2.TrainEvalPipelineConfig, precision: str) -> list[float]:
    """The total losses of two steps on the same drawn batch."""
    tf_keras.utils.set_random_seed(0)
    task = DetectionTask(config, precision=precision)
    model = task.build_model()
    model.ensure_built()
    task.build_metrics()
    optimizer = tf_keras.optimizers.legacy.SGD(_RATE)
    step = tf.function(lambda batch: task.train_step(batch, model, optimizer)[TOTAL_LOSS], autograph=False)
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
