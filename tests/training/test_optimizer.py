"""Schedules against TFOD's tables, optimizers against their update rules."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from google.protobuf import text_format
from official.modeling.optimization import ExponentialMovingAverage

from odtk.errors import ConfigError
from odtk.protos import optimizer_pb2
from odtk.training.optimizer import (
    CosineWithWarmup,
    ManualSteps,
    build_learning_rate,
    build_optimizer,
    current_learning_rate,
    unwrap,
)

TABLES = json.loads((Path(__file__).parents[1] / "golden" / "learning_rate.json").read_text())
TFOD = json.loads((Path(__file__).parents[1] / "golden/from_tfod/optimizers.json").read_text())
# A rate that changes at every update: 0.1, 0.05, 0.025, ...
HALVING = (
    "learning_rate { exponential_decay_learning_rate { initial_learning_rate: 0.1 decay_steps: 1 decay_factor: 0.5 } }"
)
CONSTANT = "learning_rate { constant_learning_rate { learning_rate: 0.1 } }"
GRADIENTS = np.float32([[1.0, -2.0], [0.5, 0.25], [-1.0, 4.0]])


def optimizer_message(text: str) -> optimizer_pb2.Optimizer:
    return text_format.Parse(text, optimizer_pb2.Optimizer())


def build_plain(text: str):
    """Without the moving average that is the schema's default."""
    return build_optimizer(optimizer_message(f"{text} use_moving_average: false"))


def build_schedule(text: str):
    return build_learning_rate(text_format.Parse(text, optimizer_pb2.LearningRate()))


def run_updates(optimizer) -> list[np.ndarray]:
    """The weight before and after each of the updates by GRADIENTS."""
    weight = tf.Variable([1.0, -1.0])
    values = [weight.numpy()]
    for gradient in GRADIENTS:
        optimizer.apply_gradients([(tf.constant(gradient), weight)])
        values.append(weight.numpy())
    return values


@pytest.mark.parametrize("table", TABLES, ids=lambda table: re.search(r"\w+_learning_rate", table["config"])[0])
@pytest.mark.parity(what="six learning rate schedules", against="learning_rate.json", tolerance="1e-6 relative")
def test_schedules_give_tfods_values(table):
    message = optimizer_message(table["config"])
    schedule = build_learning_rate(getattr(message, message.WhichOneof("optimizer")).learning_rate)
    steps, rates = zip(*table["values"], strict=True)
    ours = [float(schedule(step)) for step in steps]
    # Within float32; near zero the cosine leaves a few units of the base rate's last place.
    np.testing.assert_allclose(ours, rates, rtol=1e-6, atol=1e-9)
    in_graph = tf.function(schedule, input_signature=[tf.TensorSpec([], tf.int64)])
    np.testing.assert_allclose([float(in_graph(step)) for step in steps[::5]], ours[::5], rtol=1e-6, atol=1e-9)


def test_six_schedules_are_tabled():
    assert len(TABLES) == 6


@pytest.mark.parametrize("case", TFOD["schedules"], ids=lambda case: case["config"].replace("\n", ""))
@pytest.mark.parity(
    what="eleven schedules where they bend: hold, no warm-up, burn-in, staircase, least rate, steps",
    against="from_tfod/optimizers.json",
    tolerance="1e-6 relative",
)
def test_schedules_bend_as_tfods(case):
    schedule = build_schedule(case["config"])
    # None where TFOD's rate is no number, as a cosine without a step between warm-up and end gives it.
    known = {step: rate for step, rate in enumerate(case["rates"]) if rate is not None}
    np.testing.assert_allclose([float(schedule(step)) for step in known], list(known.values()), rtol=1e-6, atol=1e-7)
    assert np.isfinite([float(schedule(step)) for step in range(len(case["rates"]))]).all()
    assert len(known) > len(case["rates"]) / 4


@pytest.mark.parametrize("case", TFOD["optimizers"], ids=lambda case: case["config"].replace("\n", ""))
@pytest.mark.parity(
    what="momentum, RMSProp and Adam with a falling rate: seven updates of a weight and of its moving average",
    against="from_tfod/optimizers.json",
    tolerance="1e-6 relative",
)
def test_updates_are_tfods(case):
    optimizer = build_optimizer(optimizer_message(case["config"]))
    model = tf_keras.Sequential([tf_keras.layers.Dense(1, use_bias=False)])
    model.build([None, 3])
    model.set_weights([np.ones([3, 1], np.float32)])
    (weight,) = model.trainable_variables
    assert isinstance(optimizer, ExponentialMovingAverage) == ("averages" in case)
    if "averages" in case:
        optimizer.shadow_copy(model)
    for index, gradient in enumerate(np.float32(TFOD["gradients"])):
        optimizer.apply_gradients([(tf.constant(gradient[:, None]), weight)])
        np.testing.assert_allclose(weight[:, 0], case["weights"][index], rtol=1e-6, atol=1e-7)
        if "averages" in case:
            average = optimizer.get_slot(weight, "average")
            np.testing.assert_allclose(average[:, 0], case["averages"][index], rtol=1e-6, atol=1e-7)


class TestMomentum:
    def test_the_rate_is_inside_the_velocity(self):
        """v = m v - lr g; w += v: which matters as soon as the rate changes."""
        optimizer = build_plain(f"momentum_optimizer {{ {HALVING} momentum_optimizer_value: 0.8 }}")
        weight, velocity = np.float64([1, -1]), np.zeros(2)
        expected = [weight]
        for step, gradient in enumerate(GRADIENTS):
            velocity = 0.8 * velocity - 0.1 * 0.5**step * gradient
            weight = weight + velocity
            expected.append(weight)
        np.testing.assert_allclose(run_updates(optimizer), expected, rtol=1e-6)

    def test_the_schemas_default_momentum(self):
        optimizer = build_plain(f"momentum_optimizer {{ {CONSTANT} }}")
        assert isinstance(optimizer, tf_keras.optimizers.legacy.SGD)
        assert optimizer.get_config()["momentum"] == pytest.approx(0.9)
        assert optimizer.get_config()["nesterov"] is False


class TestRmsProp:
    def test_decay_slows_the_rate_down_with_time_and_rho_stays(self):
        text = f"rms_prop_optimizer {{ {CONSTANT} momentum_optimizer_value: 0.7 decay: 0.9 epsilon: 0.01 }}"
        mean_square, momentum, weight = np.zeros(2), np.zeros(2), np.float64([1, -1])
        expected = [weight]
        for step, gradient in enumerate(GRADIENTS.astype(np.float64)):
            rate = 0.1 / (1 + 0.9 * step)
            mean_square = 0.9 * mean_square + 0.1 * gradient**2
            momentum = 0.7 * momentum + rate * gradient / np.sqrt(mean_square + 0.01)
            weight = weight - momentum
            expected.append(weight)
        np.testing.assert_allclose(run_updates(build_plain(text)), expected, rtol=1e-5)

    def test_options(self):
        text = f"rms_prop_optimizer {{ {CONSTANT} momentum_optimizer_value: 0.7 decay: 0.4 epsilon: 1.0 }}"
        config = build_plain(text).get_config()
        assert (config["momentum"], config["decay"], config["epsilon"]) == pytest.approx((0.7, 0.4, 1.0))
        assert (config["rho"], config["centered"]) == (0.9, False)


class TestAdam:
    def test_updates(self):
        weight, first, second = np.float64([1, -1]), np.zeros(2), np.zeros(2)
        expected = [weight]
        for step, gradient in enumerate(GRADIENTS.astype(np.float64), start=1):
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            rate = 0.1 * 0.5 ** (step - 1) * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            weight = weight - rate * first / (np.sqrt(second) + 0.001)
            expected.append(weight)
        optimizer = build_plain(f"adam_optimizer {{ {HALVING} epsilon: 0.001 }}")
        np.testing.assert_allclose(run_updates(optimizer), expected, rtol=1e-5)

    def test_the_schemas_default_epsilon(self):
        assert build_plain(f"adam_optimizer {{ {CONSTANT} }}").get_config()["epsilon"] == pytest.approx(1e-8)


class TestMovingAverage:
    def test_is_on_by_default_with_the_schemas_decay(self):
        optimizer = build_optimizer(optimizer_message(f"momentum_optimizer {{ {CONSTANT} }}"))
        assert isinstance(optimizer, ExponentialMovingAverage)
        config = optimizer.get_config()
        assert config["average_decay"] == pytest.approx(0.9999)
        assert config["dynamic_decay"] is True

    def test_follows_the_weights_with_a_decay_that_grows(self):
        message = optimizer_message(f"momentum_optimizer {{ {CONSTANT} }} moving_average_decay: 0.27")
        optimizer = build_optimizer(message)
        model = tf_keras.Sequential([tf_keras.layers.Dense(1, use_bias=False)])
        model.build([None, 2])
        model.set_weights([np.float32([[1], [-1]])])
        optimizer.shadow_copy(model)
        (weight,) = model.trainable_variables
        average = np.zeros([2, 1])
        for step, gradient in enumerate(GRADIENTS, start=1):
            optimizer.apply_gradients([(tf.constant(gradient[:, None]), weight)])
            # Young averages follow quickly: (1 + n) / (10 + n) after n updates, up to the decay asked for.
            decay = min(0.27, (1 + step) / (10 + step))
            average = average - (average - weight.numpy()) * (1 - decay)
            np.testing.assert_allclose(optimizer.get_slot(weight, "average"), average, rtol=1e-5)

    def test_can_be_switched_off(self):
        assert isinstance(build_plain(f"adam_optimizer {{ {CONSTANT} }}"), tf_keras.optimizers.legacy.Adam)


class TestSchedulesByHand:
    def test_updates_use_the_count_of_updates_before_them(self):
        optimizer = build_plain(f"momentum_optimizer {{ {HALVING} momentum_optimizer_value: 0 }}")
        rates = -np.diff(run_updates(optimizer), axis=0) / GRADIENTS
        np.testing.assert_allclose(rates, [[0.1] * 2, [0.05] * 2, [0.025] * 2], rtol=1e-5)

    def test_cosine_without_warmup(self):
        schedule = build_schedule(
            "cosine_decay_learning_rate { learning_rate_base: 2 total_steps: 100 warmup_steps: 0 }"
        )
        np.testing.assert_allclose([schedule(s) for s in (0, 50, 100, 101)], [2, 1, 0, 0], atol=1e-6)

    def test_manual_steps_without_warmup(self):
        schedule = ManualSteps(1.0, [(10, 0.5), (20, 0.25)])
        assert [float(schedule(s)) for s in (0, 9, 10, 19, 20, 99)] == [1, 1, 0.5, 0.5, 0.25, 0.25]

    def test_burnin_without_a_rate_of_its_own_runs_at_the_initial_rate(self):
        schedule = build_schedule(
            "exponential_decay_learning_rate { initial_learning_rate: 2 decay_steps: 10 decay_factor: 0.5"
            " burnin_steps: 15 }"
        )
        np.testing.assert_allclose([schedule(s) for s in (0, 14, 15, 24, 25)], [2, 2, 2, 2, 1])

    def test_a_schedule_can_be_made_again_from_its_numbers(self):
        schedule = CosineWithWarmup(0.1, 100, 0.01, 10, 5)
        again = CosineWithWarmup(**schedule.get_config())
        assert [float(again(s)) for s in (0, 12, 50)] == [float(schedule(s)) for s in (0, 12, 50)]


def test_an_optimizer_is_found_in_all_that_wraps_it():
    inner = build_optimizer(optimizer_message(f"momentum_optimizer {{ {HALVING} }} use_moving_average: false"))
    averaged = ExponentialMovingAverage(inner)
    scaled = tf_keras.mixed_precision.LossScaleOptimizer(averaged)
    assert [[id(each) for each in unwrap(optimizer)] for optimizer in (inner, averaged, scaled)] == [
        [id(inner)],
        [id(averaged), id(inner)],
        [id(scaled), id(averaged), id(inner)],
    ]
    inner.iterations.assign(2)
    assert float(current_learning_rate(scaled)) == pytest.approx(0.025)


class TestErrors:
    def test_no_optimizer(self):
        with pytest.raises(ConfigError, match=r"train_config\.optimizer is empty.*momentum_optimizer"):
            build_optimizer(optimizer_pb2.Optimizer())

    @pytest.mark.parametrize("kind", ["momentum_optimizer", "rms_prop_optimizer", "adam_optimizer"])
    def test_no_learning_rate(self, kind):
        with pytest.raises(ConfigError, match="learning_rate is empty"):
            build_optimizer(optimizer_message(f"{kind} {{ }}"))

    def test_cosine_shorter_than_its_warmup(self):
        with pytest.raises(ConfigError, match="total_steps 100 below warmup_steps 200"):
            build_schedule("cosine_decay_learning_rate { total_steps: 100 warmup_steps: 200 }")

    def test_warmup_that_would_fall(self):
        with pytest.raises(ConfigError, match=r"learning_rate_base 0\.1 below warmup_learning_rate 0\.2"):
            build_schedule(
                "cosine_decay_learning_rate { learning_rate_base: 0.1 warmup_learning_rate: 0.2 total_steps: 100"
                " warmup_steps: 10 }"
            )

    @pytest.mark.parametrize("steps", [(20, 10), (10, 10), (0, 10)])
    def test_manual_steps_that_do_not_rise(self, steps):
        parts = "".join(f"schedule {{ step: {step} learning_rate: 0.1 }}" for step in steps)
        with pytest.raises(ConfigError, match=re.escape(f"steps {list(steps)}")):
            build_schedule(f"manual_step_learning_rate {{ initial_learning_rate: 1 {parts} }}")
