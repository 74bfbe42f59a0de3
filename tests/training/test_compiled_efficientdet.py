"""EfficientDet's step, compiled: the same stochastic depth and results, and what TPUs can run."""

import pytest
import tensorflow as tf
from golden_cases import family_case
from test_compiled_step import losses_and_gradients, require_equal, require_runs_on_tpu

from odtk.evaluation.step import compiled_part
from odtk.tools.train.frozen_parts import BATCH_NORM_VARIABLES
from odtk.training.freezing import freeze
from odtk.training.task import DetectionTask

CASE = family_case("efficientdet-d0_frozen_own_decay")


def task_and_batch(is_compiled: bool):
    """(task, model with the golden's weights, batch)."""
    task = DetectionTask(CASE.config, xla=is_compiled)
    model = task.build_model()
    CASE.assign_weights(model.checkpoint_variables())
    images, shapes = CASE.images(model.resize)
    return task, model, ({"image": images, "true_image_shape": shapes}, CASE.groundtruth())


@pytest.mark.slow
def test_losses_and_gradients_are_those_of_the_plain_step():
    """All batch norms keep their statistics: with those of two images, rounding changes losses by 1e-4, as in TFOD."""
    results = []
    for is_compiled in (False, True):
        task, model, batch = task_and_batch(is_compiled)
        freeze(model, [BATCH_NORM_VARIABLES])
        results.append(losses_and_gradients(task, model, batch, is_compiled))
    require_equal(*results, gradients=1e-3)


@pytest.mark.slow
def test_a_step_and_an_evaluation_are_static_programs_of_operations_that_tpus_have():
    task, model, batch = task_and_batch(True)
    seed = tf.constant([1, 2], tf.int64)
    operations = require_runs_on_tpu(lambda batch: task._losses_and_gradients(model, *batch, seed), batch)
    assert {"DepthwiseConv2dNative", "StatelessRandomUniformFullIntV2"} <= operations
    features, groundtruth = batch
    require_runs_on_tpu(compiled_part(model, True), features["image"], features["true_image_shape"], groundtruth)
