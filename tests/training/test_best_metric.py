"""The metric that decides, early stopping, and what it would have changed."""

import contextlib
import math
import types

import pytest

from odtk.checkpoints.best import write_best
from odtk.errors import ConfigError
from odtk.evaluation.coco import CocoEvaluator
from odtk.evaluation.pascal import PascalEvaluator
from odtk.evaluation.run import Evaluation, nothing_measured
from odtk.training.best_metric import BestMetric, find_metric
from odtk.training.callbacks.best_weights import BestWeights
from odtk.training.callbacks.callback import StopTraining
from odtk.training.callbacks.early_stopping import EarlyStopping, patience_in_words
from odtk.training.loggers.csv_files import EvaluationsCsv
from odtk.training.workers import ALONE

CATEGORIES = [{"id": 1, "name": "Bengal"}, {"id": 2, "name": "pug"}]
DETECTOR = types.SimpleNamespace(loss_names=("Loss/box",), loss_meanings={}, add_regularization_loss=True)
MAP = "DetectionBoxes_Precision/mAP"


def find(name, *evaluators):
    return find_metric(name, nothing_measured(DETECTOR, evaluators or [CocoEvaluator(CATEGORIES)])).name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("mAP", MAP),
        (MAP, MAP),
        ("mAP@.50IOU", f"{MAP}@.50IOU"),
        ("mAP (small)", f"{MAP} (small)"),
        ("AR@100", "DetectionBoxes_Recall/AR@100"),
        ("Loss/total_loss", "Loss/total_loss"),
        ("box", "Loss/box"),
        ("AP/Bengal", "AP/Bengal"),
    ],
)
def test_a_metric_is_found_by_its_name_or_its_end(given, name):
    assert find(given) == name


def test_the_default_is_the_mean_of_whatever_is_measured():
    assert find("mAP", PascalEvaluator(CATEGORIES)) == "PascalBoxes_Precision/mAP@0.5IOU"
    assert find("AP/pug", PascalEvaluator(CATEGORIES)) == "AP/pug"


@pytest.mark.parametrize(
    ("given", "near"), [("AP/bengal", "AP/Bengal"), ("map@50", "mAP@.50IOU"), ("total", "total_loss"), ("", "mAP")]
)
def test_an_unknown_name_is_answered_with_the_nearest(given, near):
    with pytest.raises(ConfigError, match=f"No metric is called '{given}'.*{near}") as error:
        find(given)
    assert error.value.argument == "best_metric"


def test_what_is_no_number_or_has_no_groundtruth_is_never_best():
    metric = BestMetric("AP/a")
    rows = [{"step": 1, "AP/a": -1.0}, {"step": 2, "AP/a": math.nan}, {"step": 3}]
    assert metric.best_of(rows) is None
    assert metric.best_of([*rows, {"step": 4, "AP/a": 0.0}, {"step": 5, "AP/a": 0.0}]) == (5, 0.0)
    assert BestMetric("Loss/a").best_of([{"step": 1, "Loss/a": -1.0}, {"step": 2, "Loss/a": 0.5}]) == (1, -1.0)


def evaluation(value):
    return Evaluation({MAP: value}, {}, {MAP: ""}, [], 1, 0)


@pytest.fixture
def experiment(tmp_path):
    """At step 0, with an evaluations.csv that `run` fills."""
    made = types.SimpleNamespace(
        step=0, info=types.SimpleNamespace(model_dir=str(tmp_path)), best_metric=BestMetric(MAP), workers=ALONE
    )
    made.workers = ALONE
    made.trainer = types.SimpleNamespace(checkpoint=types.SimpleNamespace(write=write_index))
    made.evaluator = types.SimpleNamespace(weights=types.SimpleNamespace(put_aside=contextlib.nullcontext))
    return made


def write_index(prefix):
    with open(f"{prefix}.index", "w") as file:
        file.write("weights")


def run(experiment, callback, values, every=10):
    """Evaluates every ten steps from the experiment's on; returns the step at which it was stopped, and why."""
    logger = EvaluationsCsv()
    logger.start(experiment.info, experiment.step)
    callback.before_training(experiment, 1000)
    for index, value in enumerate(values, 1):
        step = experiment.step + index * every
        try:
            callback.after_evaluation(step, evaluation(value))
        except StopTraining as stop:
            return step, str(stop)
        finally:
            logger.log_evaluation(step, evaluation(value))
    experiment.step += len(values) * every
    return None


def test_it_stops_after_so_many_evaluations_without_a_better_one(experiment):
    stop = run(experiment, EarlyStopping(2), [0.1, 0.3, 0.2, 0.4, 0.4, math.nan, 0.9])
    assert stop == (60, "no improvement of mAP in 2 evaluations (best: 0.4 at step 40)")


def test_small_improvements_do_not_count_as_such(experiment):
    assert run(experiment, EarlyStopping(3, min_delta=0.1), [0.1, 0.15, 0.19, 0.2])[0] == 40
    assert run(experiment, EarlyStopping(3, min_delta=0.1), [0.1, 0.15, 0.21, 0.22]) is None, "it adds up"


@pytest.mark.parametrize("resumed", range(1, 5))
def test_a_resumed_run_stops_where_the_uninterrupted_one_does(experiment, resumed):
    values = [0.2, 0.5, 0.4, 0.3, 0.45, 0.1]
    assert run(experiment, EarlyStopping(3), values[:resumed]) is None
    assert run(experiment, EarlyStopping(3), values[resumed:])[0] == 50


def test_weights_of_a_later_step_are_to_be_improved_on_and_evaluations_before_them_do_not_count(experiment, tmp_path):
    run(experiment, EarlyStopping(2), [0.2])
    write_best(tmp_path, 30, MAP, {MAP: 0.6}, write_index)  # and then it was killed, with a checkpoint of step 10
    assert run(experiment, EarlyStopping(2), [0.3, 0.3, 0.5, 0.5])[0] == 50


def test_after_going_back_it_counts_from_there(experiment):
    callback = EarlyStopping(3)
    run(experiment, callback, [0.5, 0.4, 0.3])
    callback.after_going_back(10)
    for step in (20, 30):
        callback.after_evaluation(step, evaluation(0.4))
    with pytest.raises(StopTraining):
        callback.after_evaluation(40, evaluation(0.4))


def test_the_best_weights_are_kept_of_equal_ones_the_last(experiment, tmp_path):
    callback = BestWeights()
    run(experiment, callback, [0.2, 0.5, 0.5, 0.4, -1.0, math.nan])
    assert (callback.kept.step, callback.kept.value) == (30, 0.5)
    assert [path.name for path in (tmp_path / "best").glob("*.index")] == ["ckpt-30.index"]


def test_after_a_resume_only_something_as_good_takes_their_place(experiment, tmp_path):
    write_best(tmp_path, 30, MAP, {MAP: 0.6}, write_index)
    callback = BestWeights()
    run(experiment, callback, [0.5, 0.5, 0.6])
    assert callback.kept.prefix == f"{tmp_path}/best/ckpt-30", "it is there already"
    run(experiment, callback, [0.6])
    assert callback.kept.step == 40


def test_another_metric_compares_by_what_was_measured_of_the_kept_weights(experiment, tmp_path):
    write_best(tmp_path, 5, "Loss/a", {MAP: 0.6, "Loss/a": 1.0}, write_index)
    callback = BestWeights()
    run(experiment, callback, [0.5])
    assert callback.kept.step == 5
    run(experiment, callback, [0.7])
    assert (callback.kept.step, callback.kept.metric) == (20, MAP)


def rows(*values):
    return [{"step": 100 * index, MAP: value} for index, value in enumerate(values, 1)]


def test_the_words_say_what_patience_would_have_saved_and_lost():
    metric, seconds = BestMetric(MAP), lambda step: 6.0 * step
    gained = rows(0.1, 0.61, 0.5, 0.5, 0.5, 0.6, 0.6, 0.6, 0.63)
    assert patience_in_words(gained, metric, 900, seconds_at=seconds) == (
        "With a patience of 3 it would have stopped at step 500, 40 minutes earlier, with mAP 0.61 instead of 0.63."
    )
    assert patience_in_words(rows(0.6, 0.1, 0.1, 0.1, 0.1), metric, 500) == (
        "With a patience of 3 it would have stopped at step 400, with the same mAP."
    )
    assert patience_in_words(rows(0.1, 0.2, 0.3), metric, 300) is None
    assert patience_in_words([], metric, 300) is None
    stopped = patience_in_words(rows(0.6, 0.1, 0.1), metric, 3000, patience=2, seconds_at=seconds)
    assert stopped == "Patience left out 2,700 of 3,000 steps, about 4.5 hours."
