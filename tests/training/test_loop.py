"""When callbacks are called around Orbit's loop, and how one of them ends it."""

import contextlib
import types

import pytest
import tensorflow as tf
from orbit import controller

from odtk.errors import DataError, OutputError
from odtk.protos import pipeline_pb2
from odtk.retrying import at_once
from odtk.training.callbacks.callback import Callback, GoBack, StopTraining
from odtk.training.evaluation_schedule import EvaluationSchedule
from odtk.training.loggers.logger import Logger
from odtk.training.loop import ALL_STEPS_DONE, run
from odtk.training.orbit_output import without_printing
from odtk.training.out_of_memory import SumsCutOff
from odtk.training.times import Times
from odtk.training.workers import ALONE


class Noted(Callback):
    """Notes its calls; raises what it is given after the loop of a step."""

    def __init__(self, name, calls, raises=None, at_step=None):
        self.name, self.calls, self.raises, self.at_step = name, calls, raises, at_step

    def before_training(self, experiment, num_steps):
        self.calls.append((self.name, "before", experiment.step, num_steps))

    def after_loop(self, step, logs):
        self.calls.append((self.name, step, logs))
        if step == self.at_step:
            raise self.raises

    def after_evaluation(self, step, evaluation):
        self.calls.append((self.name, step, evaluation))

    def at_end(self, error):
        self.calls.append((self.name, "end", error))


class Logged(Logger):
    """Notes its end."""

    ended = ()

    def close(self, error):
        self.ended += (error,)


@pytest.fixture
def experiment():
    """Whose loops are one step long, with a loss that is the step's number; evaluated at every third step."""
    made = types.SimpleNamespace(step=0, saved=[], pace=lambda step: 1, info=None, logger=Logged())
    made.write, made.workers = at_once, ALONE
    made.task = types.SimpleNamespace(config=pipeline_pb2.TrainEvalPipelineConfig(), record_filter=None)
    made.model = types.SimpleNamespace(num_classes=1)
    weights = types.SimpleNamespace(in_place=contextlib.nullcontext)
    made.checkpoints = types.SimpleNamespace(check=lambda: None)
    made.evaluator = types.SimpleNamespace(latest="measured", weights=weights)
    made.schedule = EvaluationSchedule(0, num_steps=100)

    def train(steps, checkpoint_at_completion):
        assert steps == made.step + 1
        assert not checkpoint_at_completion, "the loop saves at its end"
        made.step += 1
        controller.print("Orbit prints")
        for action in made.controller.train_actions:
            action({"Loss/total_loss": made.step})

    def evaluate():
        for action in made.controller.eval_actions:
            action({})

    made.times = Times()
    save = lambda: made.saved.append(made.step)  # noqa: E731
    made.controller = types.SimpleNamespace(train=train, save_checkpoint=save, evaluate=evaluate, step_timer=None)
    made.let_go = []
    made.trainer = types.SimpleNamespace(let_data_go=lambda: made.let_go.append(made.step))
    return made


def test_callbacks_are_called_in_order_and_end_in_reverse(experiment):
    calls = []
    outcome = run(experiment, 2, [Noted("a", calls), Noted("b", calls)])
    assert (outcome.logs, outcome.reason) == ({"Loss/total_loss": 2.0}, ALL_STEPS_DONE)
    one, two = {"Loss/total_loss": 1.0}, {"Loss/total_loss": 2.0}
    before, end = [("a", "before", 0, 2), ("b", "before", 0, 2)], [("b", "end", None), ("a", "end", None)]
    assert calls == [*before, ("a", 1, one), ("b", 1, one), ("a", 2, two), ("b", 2, two), *end]


def test_an_error_reaches_every_callback_and_the_caller(experiment):
    calls, error = [], ValueError("enough")
    with pytest.raises(ValueError, match="enough"):
        run(experiment, 5, [Noted("a", calls), Noted("b", calls, error, at_step=2)])
    assert calls[-2:] == [("b", "end", error), ("a", "end", error)]
    assert (experiment.saved, experiment.logger.ended) == ([], (error,))


@pytest.mark.parametrize("error", [None, ValueError("enough")])
def test_the_data_are_let_go_once_at_the_end(experiment, error):
    with contextlib.suppress(ValueError):
        run(experiment, 2, [Noted("a", [], error, at_step=2)] if error else [])
    assert experiment.let_go == [2]


def test_a_callback_ends_the_training_after_all_others_were_called(experiment):
    calls = []
    stopping, other = Noted("a", calls, StopTraining("enough", evaluate=False), at_step=2), Noted("b", calls)
    outcome = run(experiment, 5, [stopping, other])
    assert (experiment.step, experiment.saved, outcome.reason) == (2, [2], "enough")
    assert calls[-3:] == [("b", 2, {"Loss/total_loss": 2.0}), ("b", "end", None), ("a", "end", None)]


def test_evaluations_follow_the_schedule_and_the_last_step(experiment):
    calls = []
    experiment.schedule = EvaluationSchedule(2, num_steps=5)
    run(experiment, 5, [Noted("a", calls)])
    assert [call[1] for call in calls if call[2] == "measured"] == [2, 4, 5]


@pytest.mark.parametrize("evaluate", [True, False])
def test_a_stopped_run_is_evaluated_if_it_was_not_already_and_there_is_time(experiment, evaluate):
    calls = []
    run(experiment, 5, [Noted("a", calls, StopTraining("enough", evaluate=evaluate), at_step=3)])
    assert [call[1] for call in calls if call[2] == "measured"] == [3] * evaluate


@pytest.mark.parametrize(
    ("error", "is_logged"), [(DataError("bad"), True), (GoBack("NaN"), False), (OutputError("full"), False)]
)
def test_the_log_gets_what_a_loop_trained_before_it_was_ended(experiment, error, is_logged):
    """Not if training goes back to before it, or if nothing can be written."""
    asked = []
    experiment.controller.summary_manager = types.SimpleNamespace(write_rest=lambda: asked.append(experiment.step))
    experiment.trainer.restart_data = lambda: None
    noted = Noted("a", [], error, at_step=2)
    with contextlib.suppress(DataError, OutputError):
        run(experiment, 3, [noted])
    assert asked == [2] * is_logged


def test_an_end_that_fails_takes_no_other_callbacks_end_away(experiment):
    calls, failing = [], Noted("b", [])
    failing.at_end = lambda error: 1 / 0
    with pytest.raises(ZeroDivisionError):
        run(experiment, 1, [Noted("a", calls), failing])
    assert isinstance(calls[-1][2], ZeroDivisionError)


def test_callbacks_may_print_where_orbit_may_not(experiment, capsys):
    printing = Callback()
    printing.after_loop = lambda step, logs: print(f"at {step}")
    run(experiment, 2, [printing])
    assert capsys.readouterr().out == "at 1\nat 2\n"


def test_orbit_is_silent_until_the_outermost_run_has_ended(capsys):
    with without_printing():
        with without_printing():
            pass
        controller.print("Orbit prints")
    assert capsys.readouterr().out == ""
    controller.print("Orbit prints")
    assert capsys.readouterr().out == "Orbit prints\n"


OOM = "OOM when allocating tensor with shape[8,9]"
CUT_OFF = (
    "Collective ops is aborted by: {}\nThe error could be from a previous operation. Restart your program to reset."
)


@pytest.fixture
def failing(experiment):
    """`failing(errors)`: the experiment, whose loops raise these one after the other."""

    def fail(errors):
        def train(steps, checkpoint_at_completion):
            raise errors.pop(0)

        def split_further():
            experiment.task.micro_batches *= 2
            return "less"

        manager = types.SimpleNamespace(write_rest=lambda: None)
        experiment.controller.train, experiment.controller.summary_manager = train, manager
        experiment.controller.strategy, experiment.task.micro_batches = tf.distribute.get_strategy(), 3
        experiment.trainer.split_further, experiment.trainer.finished_step = split_further, lambda: None
        return experiment

    return fail


def error_of(kind, text):
    return kind(None, None, text)


@pytest.mark.parametrize(
    "errors",
    [
        [error_of(tf.errors.ResourceExhaustedError, f"{OOM}\n{CUT_OFF.format(OOM)}")],
        [
            error_of(tf.errors.ResourceExhaustedError, OOM),
            error_of(tf.errors.CancelledError, CUT_OFF.format("op cancelled")),
        ],
    ],
)
def test_a_step_is_not_tried_again_where_sums_over_devices_were_cut_off(failing, errors):
    with pytest.raises(SumsCutOff) as raised:
        run(failing(errors), 5)
    assert (raised.value.failed, errors) == (3, [])


def test_sums_that_an_earlier_run_cut_off_are_told_from_this_runs(failing):
    with pytest.raises(SumsCutOff) as raised:
        run(failing([error_of(tf.errors.CancelledError, CUT_OFF.format("group is cancelled"))]), 5)
    assert raised.value.failed is None


def test_sums_that_something_else_cut_off_are_no_want_of_memory(failing):
    with pytest.raises(tf.errors.InternalError):
        run(failing([error_of(tf.errors.InternalError, f"a GPU was lost\n{CUT_OFF.format('a GPU was lost')}")]), 5)
