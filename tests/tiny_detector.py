"""The SSD of a golden with a backbone of four convolutions: all that a step consists of, compiled in seconds."""

from unittest.mock import patch

import tensorflow as tf
import tf_keras
from golden_cases import variant_case

from odtk.protos import pipeline_pb2
from odtk.training.optimizer import build_optimizer, create_variables, make_scalable
from odtk.training.task import DetectionTask

SPARE_BOXES = 6  # of padding in the groundtruth


def tiny_config(variant: str = "base") -> pipeline_pb2.TrainEvalPipelineConfig:
    """A golden's config, with fewer layers."""
    config = pipeline_pb2.TrainEvalPipelineConfig()
    config.CopyFrom(variant_case(variant).config)
    predictor = config.model.ssd.box_predictor.weight_shared_convolutional_box_predictor
    predictor.num_layers_before_predictor, predictor.depth = 1, 8
    config.model.ssd.feature_extractor.fpn.additional_layer_depth = 8
    return config


def tiny_parts(config, **options):
    """(task, model, optimizer, metrics) as a run has them; `options` are DetectionTask's."""
    task = DetectionTask(config, **options)
    tf_keras.utils.set_random_seed(5)  # equal weights in each
    with patch("odtk.layers.resnet_v1.resnet_v1", _backbone):
        model = task.build_model()
    model.ensure_built()
    model.checkpoint_variables = dict  # TFOD has no such network
    optimizer = build_optimizer(config.train_config.optimizer)
    make_scalable(optimizer)
    create_variables(optimizer, model)
    return task, model, optimizer, task.build_metrics()


def tiny_batch(model, size: int = 2):
    """(features, groundtruth) of at most two images, as the input pipeline gives them."""
    case = variant_case("base")
    images, shapes = case.images(model.resize)
    groundtruth = {name: tf.convert_to_tensor(value) for name, value in case.groundtruth().items()}
    for name in ("boxes", "classes", "weights"):
        rest = [[0, 0]] * (groundtruth[name].shape.rank - 2)
        groundtruth[name] = tf.pad(groundtruth[name], [[0, 0], [0, SPARE_BOXES], *rest])
    features = {
        "image": images,
        "true_image_shape": shapes,
        "place": tf.constant([[0, 0], [0, 1]], tf.int64),
        "position": tf.constant([4, 3], tf.int64),
    }
    return tf.nest.map_structure(lambda values: values[:size], (features, groundtruth))


def _backbone(*_) -> tf_keras.Model:
    layers = tf_keras.layers
    maps = [layers.Input([None, None, 3])]
    for strides in (4, 2, 2, 2):
        maps.append(layers.Conv2D(4, 3, strides, "same", activation="relu", name=f"stage_{len(maps)}")(maps[-1]))
    return tf_keras.Model(maps[0], maps[1:])
