"""Micro-batches: their gradients and losses add up to the batch's; a part that fails is known by its records."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from golden_cases import variant_case
from test_task import Line

from odtk.detectors.total_loss import REGULARIZATION_LOSS, TOTAL_LOSS, logged_losses
from odtk.protos import pipeline_pb2
from odtk.training.split_step import SplitStep
from odtk.training.task import GRADIENT_NORM, DetectionTask

# Nothing here depends on how deep the backbone is.
pytestmark = pytest.mark.usefixtures("shallow_resnet")

KEYS = ("boxes", "classes", "weights", "num_boxes")


def split_step(task, model, parts, rate=0.0):
    """The SplitStep after one update by (features, groundtruth) of `parts`, its losses and gradients, and the logs."""
    optimizer, metrics = tf_keras.optimizers.legacy.SGD(rate), task.build_metrics()
    split = SplitStep(task, model, optimizer, metrics)
    split.start()
    for part in parts:
        split.add(part)
    split.combine()
    found = split._sums.losses, split._sums.gradients
    split.update()
    return *found, {metric.name: float(metric.result()) for metric in metrics}


@pytest.mark.parametrize(
    ("by_matches", "num_boxes"), [(True, [3, 4]), (False, [3, 4]), (True, [0, 4])], ids=["", "all anchors", "no box"]
)
def test_with_frozen_norms_the_gradients_are_the_whole_batchs(by_matches, num_boxes):
    case = variant_case("base")
    config = pipeline_pb2.TrainEvalPipelineConfig()
    config.CopyFrom(case.config)
    config.train_config.batch_size = 2
    config.model.ssd.freeze_batchnorm = True
    config.model.ssd.normalize_loss_by_num_matches = by_matches
    task = DetectionTask(config, micro_batches=2)
    model = task.build_model()
    case.draw_weights(model.checkpoint_variables())
    images, shapes = case.images(model.resize)
    groundtruth = case.groundtruth() | {"num_boxes": tf.constant(num_boxes)}
    # In double precision the parts would agree to more digits, but not through relu6's switches in single.
    with tf.GradientTape() as tape:
        whole = task.losses(model, {"image": images, "true_image_shape": shapes}, groundtruth)
    gradients = tape.gradient(whole[TOTAL_LOSS], model.trainable_variables)
    places = tf.constant([[0, 0], [0, 1]], tf.int64)
    features = {"image": images, "true_image_shape": shapes, "place": places, "position": tf.constant([7, 8], tf.int64)}
    parts = [
        tuple({key: value[at : at + 1] for key, value in part.items()} for part in (features, groundtruth))
        for at in (0, 1)
    ]
    losses, sums, logged = split_step(task, model, parts)
    for tag in (*model.loss_names, REGULARIZATION_LOSS):
        assert float(losses[tag]) == pytest.approx(float(whole[tag]), rel=1e-5), tag
        assert logged[tag] == float(losses[tag])
    norm = float(tf.linalg.global_norm(gradients))
    assert logged[GRADIENT_NORM] == pytest.approx(norm, rel=1e-5)
    for variable, ours, theirs in zip(model.trainable_variables, sums, gradients, strict=True):
        difference = np.abs(ours - theirs).max()
        assert difference <= 1e-5 * max(np.abs(theirs).max(), 1e-3 * norm), variable.name
    assert int(task.last_position) == 8
    assert task.first_failure.read() is None


class Steep(Line):
    """A part with the image 2 has a finite loss whose gradient is NaN."""

    def loss_sums(self, predictions, groundtruth, true_image_shapes):
        found = super().loss_sums(predictions, groundtruth, true_image_shapes)
        spoiled = tf.where(predictions[0] == 2, tf.sqrt(self.weight[0] - self.weight[0]), 0.0)
        return type(found)({name: value + spoiled for name, value in found.sums.items()}, found.normalizer)


def test_a_gradient_that_is_no_number_is_told_with_the_records_of_its_part():
    config = pipeline_pb2.TrainEvalPipelineConfig()
    config.train_config.batch_size = 3
    model, task = Steep(), DetectionTask(config, micro_batches=3)
    task.loss_names = logged_losses(model)
    parts = [
        ({"image": tf.constant([image]), "true_image_shape": None, "place": tf.constant([[0, record]], tf.int64),
          "position": tf.constant([record], tf.int64)}, {})
        for record, image in enumerate([1.0, 2.0, 3.0])
    ]  # fmt: skip
    *_, logged = split_step(task, model, parts)
    assert np.isfinite(logged[TOTAL_LOSS])
    assert np.isnan(logged[GRADIENT_NORM])
    assert task.first_failure.read() == (0, [(0, 1, 1)])
