"""When a time limit or its caller ends a run, what is saved and evaluated before, on a clock of its own."""

import contextlib
import types

import pytest

from odtk.protos import pipeline_pb2
from odtk.retrying import at_once
from odtk.training.callbacks.callback import Callback
from odtk.training.callbacks.interruption import SECONDS_TO_EVALUATE, StopWhenAsked
from odtk.training.callbacks.time_limit import TimeLimit
from odtk.training.evaluation_schedule import EvaluationSchedule
from odtk.training.loggers.logger import Logger
from odtk.training.loop import ALL_STEPS_DONE, run
from odtk.training.times import Times
from odtk.training.workers import ALONE


class Simulated:
    """An experiment whose loops, checkpoints and evaluations only take time."""

    def __init__(self, loop=1.0, save=2.0, evaluation=10.0, eval_every=0, compiling=0.0):
        self.now, self.step, self.saved, self.evaluated = 0.0, 0, [], []
        self.seconds = types.SimpleNamespace(loop=loop, save=save, evaluation=evaluation, compiling=compiling)
        self.pace, self.info, self.logger = lambda step: 1, None, Logger()
        self.task = types.SimpleNamespace(config=pipeline_pb2.TrainEvalPipelineConfig(), record_filter=None)
        self.model = types.SimpleNamespace(num_classes=1)
        weights = types.SimpleNamespace(in_place=contextlib.nullcontext)
        self.schedule = EvaluationSchedule(eval_every, num_steps=1000)
        self.checkpoints = types.SimpleNamespace(check=lambda: None)
        self.evaluator = types.SimpleNamespace(latest="measured", seconds=None, weights=weights)
        self.controller = types.SimpleNamespace(train=self.train, save_checkpoint=self.save, evaluate=self.evaluate)
        self.trainer = types.SimpleNamespace(let_data_go=lambda: None)
        self.controller.step_timer, self.times, self.write, self.workers = None, Times(), at_once, ALONE

    def clock(self):
        return self.now

    def train(self, steps, checkpoint_at_completion):
        self.now += self.seconds.loop + (0 if self.step else self.seconds.compiling)
        self.step += 1
        for action in self.controller.train_actions:
            action({"Loss/total_loss": 1.0})

    def save(self):
        self.now += self.seconds.save
        self.saved.append(self.step)

    def evaluate(self):
        started = self.now
        for _ in range(100):
            self.now += self.seconds.evaluation / 100
            self.evaluator.advance(4)
        self.evaluator.seconds = self.now - started
        self.evaluated.append(self.step)
        for action in self.controller.eval_actions:
            action({})


def limited(experiment, seconds):
    outcome = run(experiment, 1000, [TimeLimit(seconds, "a while", 0.0, experiment.clock)])
    assert experiment.saved[-1] == experiment.step
    return outcome.reason


def test_a_time_limit_leaves_time_for_a_checkpoint_and_an_evaluation():
    experiment = Simulated(eval_every=25)
    assert limited(experiment, 100) == "the time limit of a while is reached"
    assert experiment.evaluated[-1] == experiment.step
    assert 90 < experiment.now <= 100


def test_a_time_limit_counts_from_the_start_of_the_process_not_from_the_first_step():
    experiment = Simulated()
    experiment.now = 70.0
    limited(experiment, 100)
    assert 90 < experiment.now <= 100
    assert experiment.step < 30


def test_the_first_loop_which_compiles_is_not_taken_for_the_longest():
    experiment = Simulated(compiling=40, eval_every=20)
    limited(experiment, 100)
    assert experiment.step > 30
    assert experiment.now <= 100


def test_an_evaluation_that_takes_too_long_is_cut_off():
    experiment = Simulated(eval_every=50, evaluation=1000)
    limited(experiment, 200)
    assert (experiment.step, experiment.evaluated) == (50, [])
    assert experiment.now <= 200 + 10 + 2  # the batch that was begun, and the checkpoint
    assert experiment.saved == [50]


def test_a_limit_that_is_over_before_the_first_step_still_ends_with_a_checkpoint():
    experiment = Simulated(compiling=100)
    limited(experiment, 50)
    assert experiment.saved == [1]


class At(Callback):
    """Does something at a step, or in the second batch of an evaluation at it."""

    def __init__(self, step, do, during_evaluation=False):
        self.step, self.do, self.during = step, do, during_evaluation
        self.batches = 0

    def after_loop(self, step, logs):
        if step == self.step and not self.during:
            self.do()

    def during_evaluation(self, step, num_images):
        self.batches += 1
        if step == self.step and self.during and self.batches == 2:
            self.do()


@pytest.mark.parametrize(("evaluation", "evaluated"), [(SECONDS_TO_EVALUATE - 1, [4, 6]), (60.0, [4])])
def test_who_asks_gets_a_checkpoint_and_an_evaluation_if_that_is_quick(evaluation, evaluated):
    experiment, reasons = Simulated(evaluation=evaluation, eval_every=4), []
    asking = At(6, lambda: reasons.append("SIGTERM"))
    outcome = run(experiment, 1000, [asking, StopWhenAsked(lambda: reasons and reasons[0], experiment.clock)])
    assert (outcome.reason, experiment.saved, experiment.evaluated) == ("SIGTERM", [6], evaluated)


def test_an_evaluation_of_unknown_length_is_not_begun():
    experiment, reasons = Simulated(), []
    run(experiment, 1000, [At(2, lambda: reasons.append("SIGTERM")), StopWhenAsked(lambda: reasons and reasons[0])])
    assert (experiment.saved, experiment.evaluated) == ([2], [])


def test_a_running_evaluation_is_ended_without_a_result():
    experiment, reasons = Simulated(eval_every=4), []
    asking = At(4, lambda: reasons.append("SIGTERM"), during_evaluation=True)
    outcome = run(experiment, 1000, [asking, StopWhenAsked(lambda: reasons and reasons[0], experiment.clock)])
    assert (outcome.reason, experiment.step, experiment.saved) == ("SIGTERM", 4, [4])
    assert (experiment.evaluated, asking.batches) == ([], 2)


def test_an_evaluation_after_the_request_ends_when_it_takes_much_longer_than_before():
    experiment, reasons = Simulated(evaluation=1.0, eval_every=4), []

    def ask():
        reasons.append("SIGTERM")
        experiment.seconds.evaluation = 500.0

    outcome = run(experiment, 1000, [At(6, ask), StopWhenAsked(lambda: reasons and reasons[0], experiment.clock)])
    assert (outcome.reason, experiment.evaluated) == ("SIGTERM", [4])


def test_nobody_asks_and_the_run_is_complete():
    experiment = Simulated(eval_every=4)
    outcome = run(experiment, 9, [StopWhenAsked(lambda: None), TimeLimit(1e6, "long", 0.0, experiment.clock)])
    assert (outcome.reason, experiment.step) == (ALL_STEPS_DONE, 9)
