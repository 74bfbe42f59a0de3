"""Faster R-CNN's step and evaluation, compiled: the same results, and what TPUs can run."""

import pytest
import tensorflow as tf
from golden_cases import family_case
from test_compiled_step import losses_and_gradients, require_runs_on_tpu

from odtk.evaluation.step import compiled_part
from odtk.training.task import DetectionTask

NAMES = ["faster_rcnn-static_shared_box", "faster_rcnn_fpn-base"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shallow_resnet")]


def built(name: str, xla: bool):
    """(task, model, batch)."""
    case = family_case(name)
    task = DetectionTask(case.config, xla=xla)
    model = task.build_model()
    for key, variable in model.checkpoint_variables().items():
        variable.assign(case.value(key, variable.shape))
    images, shapes = case.images(model.resize)
    return task, model, ({"image": images, "true_image_shape": shapes}, case.groundtruth())


@pytest.mark.parametrize("name", NAMES)
def test_losses_and_gradients_are_those_of_the_plain_step(name):
    """Both samplers take everything, so that nothing is left to chance."""
    results = []
    for is_compiled in (False, True):
        task, model, batch = built(name, is_compiled)
        results.append(losses_and_gradients(task, model, batch, is_compiled))
    (plain, _), (compiled, _) = results
    assert compiled == pytest.approx(plain, rel=5e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_and_an_evaluation_are_static_programs_of_operations_that_tpus_have(name):
    task, model, (features, groundtruth) = built(name, True)
    seed = tf.constant([1, 2], tf.int64)
    batch = features, groundtruth
    require_runs_on_tpu(lambda batch: task._losses_and_gradients(model, *batch, seed), batch)
    require_runs_on_tpu(compiled_part(model, True), features["image"], features["true_image_shape"], groundtruth)
