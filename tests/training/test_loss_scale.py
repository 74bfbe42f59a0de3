"""float16's loss scale: steps that overflow are skipped and counted, other numbers that are not finite are not."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from golden_cases import variant_case
from test_split_step import Steep
from test_task import Line

from odtk.detectors.total_loss import TOTAL_LOSS, logged_losses
from odtk.layers.precision import BFLOAT16, FLOAT16, FLOAT32
from odtk.protos import pipeline_pb2
from odtk.training.loss_scale import LossScale
from odtk.training.split_step import SplitStep
from odtk.training.task import DetectionTask


def state(scale):
    return [float(scale.scale), int(scale.good_steps), int(scale.overflows), int(scale.last_overflow)]


def test_it_is_halved_by_an_overflow_and_doubled_after_good_steps():
    scale, seen = LossScale(first=4.0, steps_to_grow=2), []
    for step, has_overflowed in enumerate([True, False, True, False, False, False], start=1):
        scale.after_step(tf.constant(step, tf.int64), tf.constant(has_overflowed))
        seen.append(state(scale))
    assert seen == [[2, 0, 1, 1], [2, 1, 1, 1], [1, 0, 2, 3], [1, 1, 2, 3], [2, 0, 2, 3], [2, 1, 2, 3]]


def test_it_never_grows_to_infinity():
    scale = LossScale(first=2.0**127, steps_to_grow=1)
    scale.after_step(tf.constant(1, tf.int64), tf.constant(False))
    assert float(scale.scale) == 2.0**127


@pytest.mark.parametrize(
    ("first", "loss", "norm", "expected"),
    [(2, 1, 1, False), (2, 1, np.inf, True), (2, 1, np.nan, True), (2, np.nan, np.nan, False), (1, 1, np.inf, False)],
)
def test_what_a_lower_scale_cannot_help_is_no_overflow(first, loss, norm, expected):
    assert bool(LossScale(first).has_overflowed(tf.constant(float(loss)), tf.constant(float(norm)))) is expected


def added(model, image, first):
    """first_failure and whether a step with that image overflows."""
    config = pipeline_pb2.TrainEvalPipelineConfig()
    config.train_config.batch_size = 1
    task = DetectionTask(config)
    task.loss_names = logged_losses(model)
    scale, metrics = LossScale(first), task.build_metrics()
    split = SplitStep(task, model, tf_keras.optimizers.legacy.SGD(1.0), metrics, scale)
    split.start()
    place = {"place": tf.constant([[0, 5]], tf.int64), "position": tf.constant([9], tf.int64)}
    split.add(({"image": tf.constant([image]), "true_image_shape": None} | place, {}))
    has_overflowed = bool(scale.has_overflowed(*split.combine()))
    before = model.weight.numpy()
    if has_overflowed:
        split.skip()
        assert (model.weight.numpy() == before).all()
        assert int(split._optimizer.iterations) == 1
        assert int(task.last_position) == 9
        assert np.isfinite(next(float(each.result()) for each in metrics if each.name == TOTAL_LOSS))
        assert np.isfinite([float(each.result()) for each in metrics]).all()
    return task.first_failure.read(), has_overflowed


FAILED = (0, [(0, 5, 9)])


def test_an_overflow_is_skipped_and_no_failure_is_told():
    assert added(Line(), 1.0, 2.0**10) == (None, False)
    assert added(Line(), 100.0, 2.0**127) == (None, True)


def test_a_loss_that_is_no_number_is_told_with_its_records_at_any_scale():
    assert added(Line(), np.nan, 2.0**15) == (FAILED, False)


def test_a_gradient_that_is_no_number_is_told_when_the_scale_is_at_its_least():
    assert added(Steep(), 2.0, 4.0) == (None, True)
    assert added(Steep(), 2.0, 1.0) == (FAILED, False)


GROUPS = {
    "backbone": "classification_backbone", "pyramid": "_fpn_features_generator", "coarse": "_coarse_feature_layers",
    "heads": "_box_predictor",
}  # fmt: skip
# Relative distances of gradients. An activation is rounded at each of some 60 layers forward and 60 backward, by up to
# 2^-8 of its value in bfloat16 and 2^-11 in float16, half of that on average: sqrt(120) of them, in random directions,
# are 0.02 and 0.003. Besides, rounding flips a share of the relu6 switches that is as small, but each flip is an error
# as large as the gradient there, so the square root of that share counts: 0.05 and 0.02. The two together, with room,
# for the backbone, where the gradients arrive last (measured: 0.07 and 0.024); less before.
BOUNDS = {BFLOAT16: {"backbone": 0.12, "pyramid": 0.06, "coarse": 0.06, "heads": 0.04},
          FLOAT16: {"backbone": 0.05, "pyramid": 0.03, "coarse": 0.03, "heads": 0.02}}  # fmt: skip


@functools.cache
def gradients(precision):
    """By key, float32 without the loss scale, of frozen norms: those of two images switch too many relu6."""
    case, config = variant_case("base"), pipeline_pb2.TrainEvalPipelineConfig()
    config.CopyFrom(case.config)
    config.model.ssd.freeze_batchnorm = True
    task = DetectionTask(config, precision=precision)
    model, metrics = task.build_model(), task.build_metrics()
    case.assign_weights(model.checkpoint_variables())
    assert {variable.dtype for variable in model.variables} == {tf.float32}
    scale = LossScale(2.0**10) if precision == FLOAT16 else None
    split = SplitStep(task, model, tf_keras.optimizers.legacy.SGD(0.0), metrics, scale)
    images, shapes = case.images(model.resize)
    split.start()
    split.add(({"image": images, "true_image_shape": shapes}, case.groundtruth()))
    split.combine()
    keys = {id(variable): key for key, variable in model.checkpoint_variables().items()}
    return {keys[id(variable)]: gradient.numpy()
            for variable, gradient in zip(model.trainable_variables, split._sums.gradients, strict=True)}  # fmt: skip


@pytest.mark.parametrize("precision", [FLOAT16, pytest.param(BFLOAT16, marks=pytest.mark.slow)])
def test_gradients_are_float32s_within_the_rounding(precision):
    exact, found = gradients(FLOAT32), gradients(precision)
    assert found.keys() == exact.keys()
    for group, part in GROUPS.items():
        keys = [key for key in exact if part in key]
        theirs, ours = (np.concatenate([each[key].ravel() for key in keys]) for each in (exact, found))
        distance = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
        assert 1e-4 < distance < BOUNDS[precision][group], (precision, group)
