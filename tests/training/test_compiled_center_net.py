"""CenterNet's step and evaluation, compiled: the same results, and what TPUs can run."""

import pytest
import tensorflow as tf
from golden_cases import family_case
from test_compiled_step import losses_and_gradients, require_runs_on_tpu

from odtk.evaluation.step import compiled_part
from odtk.training.task import DetectionTask

NAME = "centernet_hourglass-ten"


def boxes_only(name: str):
    """The case without what the reference's configs say of keypoints in the records."""
    case = family_case(name)
    case.config.train_input_reader.ClearField("num_keypoints")
    return case


@pytest.mark.slow
class TestCompiled:
    @pytest.mark.parametrize("name", [NAME, "centernet_mobilenet_v2-fpn_separable_depthwise"])
    def test_losses_and_gradients_are_those_of_the_plain_step(self, name):
        case, results = boxes_only(name), []
        for is_compiled in (False, True):
            task = DetectionTask(case.config, xla=is_compiled)
            model = task.build_model()
            case.assign_weights(model.checkpoint_variables())
            images, shapes = case.images(model.resize)
            batch = {"image": images, "true_image_shape": shapes}, case.groundtruth()
            results.append(losses_and_gradients(task, model, batch, is_compiled))
        (plain, _), (compiled, _) = results
        assert compiled == pytest.approx(plain, rel=5e-5)

    @pytest.mark.parametrize("name", [NAME, "centernet_resnet_v2-base", "centernet_mobilenet_v2-fpn"])
    def test_a_step_and_an_evaluation_are_static_programs_of_operations_that_tpus_have(self, name):
        case = boxes_only(name)
        task = DetectionTask(case.config, xla=True)
        model = task.build_model()
        images, shapes = case.images(model.resize)
        batch = {"image": images, "true_image_shape": shapes}, case.groundtruth()
        seed = tf.constant([1, 2], tf.int64)
        require_runs_on_tpu(lambda batch: task._losses_and_gradients(model, *batch, seed), batch)
        require_runs_on_tpu(compiled_part(model, True), images, shapes, case.groundtruth())
