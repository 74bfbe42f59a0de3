"""Warnings about a training that does not learn, on made-up curves of runs that do and of runs that do not."""

import math
import random
import re
import types

import pytest

from odtk.protos import pipeline_pb2
from odtk.training.callbacks import not_learning
from odtk.training.callbacks.not_learning import NotLearning
from odtk.training.times import INPUT, STEP, Times

MAP = "DetectionBoxes_Precision/mAP"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def made(tmp_path):
    """A made-up experiment with `said`, the lines of its log."""
    clock = Clock()
    config = pipeline_pb2.TrainEvalPipelineConfig()
    rate = config.train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate
    rate.warmup_steps = 100
    config.eval_input_reader.add()
    return types.SimpleNamespace(
        step=0, clock=clock, trainer=types.SimpleNamespace(rows=[]),
        times=Times(clock), evaluator=None, said=[], task=types.SimpleNamespace(config=config),
        model=types.SimpleNamespace(trainable_variables=[1, 2, 3]), info=types.SimpleNamespace(model_dir=str(tmp_path)),
    )  # fmt: skip


def train(made, losses, num_steps=3000, steps_per_loop=10, norm=1.0, waiting=0.0, seconds=1.0, maps=None):
    """Runs through `losses`, one a loop; `maps`: step to the mAP that is measured then. Returns what was said."""
    callback = NotLearning(made.said.append)
    callback.before_training(made, num_steps)
    for number, loss in enumerate(losses):
        with made.times.phase(STEP):
            made.clock.now += seconds
        made.times.move(waiting * seconds, STEP, INPUT)
        step = made.step + (number + 1) * steps_per_loop
        # Of which the penalty on weights is the larger part.
        callback.after_loop(step, {"Loss/total_loss": loss + 5, "Loss/regularization_loss": 5.0, "gradient_norm": norm})
        if maps and step in maps:
            callback.after_evaluation(step, types.SimpleNamespace(metrics={MAP: maps[step], "Loss/total_loss": 1.0}))
    return made.said


def curve(length, falls_to, noise, seed=0):
    """From 1 to `falls_to`, exponentially, each value times a random factor; batches of few images are this noisy."""
    draw = random.Random(seed)
    return [
        (falls_to + (1 - falls_to) * math.exp(-4 * i / length)) * draw.lognormvariate(0, noise) for i in range(length)
    ]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("falls_to", "noise"), [(0.2, 0.1), (0.5, 0.3), (0.3, 0.6)])
def test_a_loss_that_falls_is_no_reason_to_warn(made, seed, falls_to, noise):
    assert train(made, curve(300, falls_to, noise, seed)) == []


@pytest.mark.parametrize("length", [1, 5, 29])
def test_a_tiny_run_is_not_judged(made, length):
    assert train(made, [1.0] * length, num_steps=length * 10, maps={10: 0.0}) == []


@pytest.mark.parametrize("losses", [curve(300, 1.0, 0.0), [1 + 0.01 * i for i in range(300)], curve(300, 1.0, 0.05)])
def test_a_loss_that_does_not_fall_is_told_once_after_the_warm_up(made, losses):
    (warning,) = train(made, losses)
    assert re.match(r"warning: The loss has not fallen in [46]00 steps: its median was (0.9|1)", warning)
    assert "batches/first.png" in warning


def test_neither_a_resumed_run_nor_weights_that_find_something_are_judged_by_the_loss(made):
    made.evaluator = types.SimpleNamespace(latest=types.SimpleNamespace(metrics={MAP: 0.4}))
    assert train(made, [1.0] * 300) == []
    made.step, made.evaluator = 500, None
    assert train(made, [1.0] * 300) == []


def test_nothing_found_while_the_loss_falls_names_what_differs(made, monkeypatch):
    monkeypatch.setattr(not_learning, "record_files", lambda reader: [])
    monkeypatch.setattr(not_learning, "find_differences", lambda *_: ["The label maps a and b differ."])
    (warning,) = train(made, curve(100, 0.1, 0.1), maps={100: 0.0, 200: 0.0, 400: 0.0, 500: 0.0})
    assert warning.startswith("warning: mAP is still 0 at step 400, though the loss has fallen by ")
    assert warning.endswith("are wrong. The label maps a and b differ.")


@pytest.mark.parametrize("maps", [{100: 0.0, 200: 0.0}, {400: 0.0, 500: 0.001}, {300: 0.0, 400: 0.1, 500: 0.0}])
def test_an_early_or_a_single_mAP_of_0_is_no_reason_to_warn(made, maps):
    assert train(made, curve(100, 0.1, 0.1), maps=maps) == []


def test_no_gradient_names_what_is_frozen(made):
    made.task.config.train_config.freeze_variables.append(".*")
    (warning,) = train(made, [1.0] * 20, norm=0.0)
    assert "freeze_variables is .*; 3 variables are trained" in warning


@pytest.mark.parametrize(("waiting", "seconds", "warned"), [(0.5, 1.0, 1), (0.2, 1.0, 0), (0.9, 0.1, 0)])
def test_waiting_for_data_is_told_once_if_it_lasts(made, waiting, seconds, warned):
    said = train(made, curve(200, 0.1, 0.1), waiting=waiting, seconds=seconds)
    assert len(said) == warned
    assert all("Steps wait for data 50% of their time" in line for line in said)


def test_rows_that_a_long_loop_passed_are_judged_too(made):
    """Four loops of ten rows are 40 losses: enough."""
    callback = NotLearning(made.said.append)
    callback.before_training(made, 3000)
    for end in range(100, 700, 100):
        logs = {"Loss/total_loss": 1.0, "gradient_norm": 1.0}
        made.trainer.rows = [types.SimpleNamespace(step=step, logs=logs) for step in range(end - 90, end + 1, 10)]
        callback.after_loop(end, logs)
    assert ["The loss has not fallen in 400 steps" in line for line in made.said] == [True]
