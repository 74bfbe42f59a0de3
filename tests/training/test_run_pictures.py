"""The callbacks and the logger that draw: which files there are, and what an error does."""

import os
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from odtk import files
from odtk.checkpoints.best import Best
from odtk.errors import OutputError
from odtk.protos import pipeline_pb2
from odtk.training.callbacks import evaluation_pictures, first_batch
from odtk.training.callbacks.evaluation_pictures import EvaluationPictures, surplus
from odtk.training.callbacks.first_batch import FirstBatchPicture
from odtk.training.loggers import results_plot
from odtk.training.loggers.logger import Logger, TrainingRow
from odtk.training.loggers.results_plot import ResultsPlot, curves
from odtk.training.pictures import DrawingErrors
from odtk.training.run_info import RunInfo
from odtk.training.times import Times

MAP = "DetectionBoxes_Precision/mAP"


BATCH = {
    "image": np.full((2, 40, 40, 3), 90, np.uint8),
    "true_image_shape": np.int32([[40, 40, 3]] * 2),
    "boxes": np.float32([[[0.1, 0.1, 0.9, 0.9]]] * 2),
    "classes": np.int32([[0]] * 2),
    "num_boxes": np.int32([1, 0]),
}


class Pictures(Logger):
    """Notes them."""

    def __init__(self):
        self.seen = []

    def log_picture(self, step, run, tag, pixels):
        assert (pixels.dtype, pixels.shape[2]) == (np.uint8, 3)
        self.seen.append((step, run, tag))


@pytest.fixture
def experiment(tmp_path):
    config = pipeline_pb2.TrainEvalPipelineConfig()
    config.train_config.batch_size = 2
    config.eval_input_reader.add()
    parts = [dict(BATCH)]
    info = RunInfo(model_dir=str(tmp_path / "cats"), config_text="", batch_size=2, num_records=10, num_steps=50)
    taken = types.SimpleNamespace(take=lambda: parts.pop() if parts else None)
    task = types.SimpleNamespace(config=config, first_batch=taken)
    evaluator = types.SimpleNamespace(on_batch=None)
    made = {"info": info, "step": 0, "logger": Pictures(), "evaluator": evaluator, "task": task, "times": Times()}
    return types.SimpleNamespace(**made)


def names(experiment, folder):
    place = os.path.join(experiment.info.model_dir, folder)
    return sorted(os.listdir(place)) if os.path.isdir(place) else []


def start(callback, experiment, step=0):
    experiment.step = step
    callback.before_training(experiment, 50)
    return callback


def evaluate(callback, experiment, step):
    """Ten images with one object each pass by, then the evaluation ends."""
    evaluated(experiment)
    callback.after_evaluation(step, types.SimpleNamespace(metrics={MAP: 0.25}))


def evaluated(experiment):
    count = 10
    flags = {name: np.zeros((count, 1), bool) for name in ("is_crowd", "difficult", "group_of")}
    boxes = np.tile(np.float32([0.1, 0.1, 0.6, 0.6]), (count, 1, 1))
    detections = {"boxes": boxes, "classes": np.zeros((count, 1)), "scores": np.full((count, 1), 0.9)}
    experiment.evaluator.on_batch(
        tf.fill([count, 20, 20, 3], 90.0),
        {"true_image_shape": np.int32([[20, 20, 3]] * count), "original_image_size": np.int32([[20, 20]] * count)},
        {"boxes": boxes, "classes": np.zeros((count, 1), int), "num_boxes": np.ones(count, int), **flags},
        {**detections, "count": np.ones(count, int)},
    )


def test_the_first_batch_is_drawn_once(experiment):
    callback = start(FirstBatchPicture(), experiment)
    callback.after_loop(1, {})
    callback.after_loop(2, {})
    assert names(experiment, "batches") == ["first.png"]
    assert experiment.logger.seen == [(1, "train", "train_input_images")]


def test_a_resumed_run_keeps_the_first_picture_and_only_the_newest_of_resumed_ones(experiment):
    for step in (0, 30, 40):
        experiment.task.first_batch = types.SimpleNamespace(take=lambda: dict(BATCH))
        start(FirstBatchPicture(), experiment, step).after_loop(step + 1, {})
    assert names(experiment, "batches") == ["first.png", "resumed-at-40.png"]


def test_each_evaluation_has_a_picture_of_the_same_images(experiment):
    callback = start(EvaluationPictures(), experiment)
    for step in (10, 20):
        evaluate(callback, experiment, step)
    assert names(experiment, "evaluations") == ["step-10.png", "step-20.png"]
    assert experiment.logger.seen[:6] == [(10, "eval", f"eval_side_by_side_{number}_0") for number in range(6)]
    first, second = (np.asarray(Image.open(os.path.join(experiment.info.model_dir, "evaluations", f"step-{step}.png")))
                     for step in (10, 20))  # fmt: skip
    assert (first[60:] == second[60:]).all()  # below the titles
    assert (first[:60] != second[:60]).any()


def test_pictures_of_steps_that_are_trained_again_are_removed(experiment):
    callback = start(EvaluationPictures(), experiment)
    for step in (10, 20, 30):
        evaluate(callback, experiment, step)
    start(EvaluationPictures(), experiment, step=20)
    assert names(experiment, "evaluations") == ["step-10.png", "step-20.png"]


def test_the_pictures_that_are_kept_are_bounded(experiment, monkeypatch):
    monkeypatch.setattr(evaluation_pictures, "MOST_PICTURES", 3)
    callback = start(EvaluationPictures(), experiment)
    for step in range(1, 6):
        evaluate(callback, experiment, step)
    assert names(experiment, "evaluations") == ["step-1.png", "step-3.png", "step-5.png"]


@pytest.mark.parametrize("count", [19, 20, 21, 57, 300])
def test_what_is_kept_of_many_is_spread_and_has_the_first_and_the_newest(count):
    kept = []
    for step in range(1000, 1000 * (count + 1), 1000):
        kept.append(step)
        kept = [each for each in kept if each not in surplus(kept, 20)]
    assert len(kept) == min(count, 20)
    assert (kept[0], kept[-1]) == (1000, 1000 * count)
    assert np.diff(kept).max() <= max(1000, 3 * 1000 * count / 20)


def test_without_evaluation_there_is_nothing_to_draw(experiment):
    experiment.evaluator = None
    start(EvaluationPictures(), experiment)
    assert names(experiment, "evaluations") == []


def test_an_error_while_drawing_is_told_once_and_ends_nothing(experiment, monkeypatch):
    monkeypatch.setattr(evaluation_pictures, "draw_pair", lambda *args: 1 / 0)
    said = []
    callback = start(EvaluationPictures(said.append), experiment)
    for step in (10, 20):
        evaluate(callback, experiment, step)
    assert said == [
        "warning: the predictions of an evaluation could not be drawn (ZeroDivisionError: division by zero). "
        "Training goes on without it."
    ]
    assert names(experiment, "evaluations") == []
    monkeypatch.setattr(first_batch, "draw_batch", lambda *args: 1 / 0)
    start(FirstBatchPicture(said.append), experiment).after_loop(1, {})
    assert "the first batch could not be drawn" in said[1]


def test_an_image_that_cannot_be_drawn_does_not_end_its_evaluation(experiment):
    said = []
    callback = start(EvaluationPictures(said.append), experiment)
    experiment.evaluator.on_batch(None, {}, {}, {})
    callback.after_evaluation(10, types.SimpleNamespace(metrics={MAP: 0.25}))
    assert len(said) == 1
    assert names(experiment, "evaluations") == []


def test_an_error_while_writing_is_the_runs_own(experiment, monkeypatch):
    def full(*args):
        raise OutputError("the disk is full")

    monkeypatch.setattr("odtk.files.write_bytes", full)
    for callback in (FirstBatchPicture(), EvaluationPictures()):
        start(callback, experiment)
    with pytest.raises(OutputError, match="full"):
        evaluate(callback, experiment, 10)


@pytest.fixture
def plot(experiment):
    """A plot, in whose model dir metrics.csv has two rows."""
    os.makedirs(experiment.info.model_dir)
    write(experiment, "metrics.csv", "step,Loss/total_loss", "1,3", "10,2")
    logger = ResultsPlot()
    logger.start(experiment.info, 0)
    return logger


def write(experiment, name, *lines):
    with open(os.path.join(experiment.info.model_dir, name), "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def picture(experiment):
    with open(os.path.join(experiment.info.model_dir, "results.png"), "rb") as file:
        return file.read()


def test_the_curves_are_drawn_at_evaluations_and_at_the_end(experiment, plot):
    plot.log_training([TrainingRow(10, {})])
    assert names(experiment, "") == ["metrics.csv"]
    write(experiment, "evaluations.csv", f"step,{MAP},AP/cat", "10,0.25,0.25")
    plot.log_evaluation(10, None)
    at_evaluation = picture(experiment)
    write(experiment, "metrics.csv", "step,Loss/total_loss", "1,3", "10,2", "20,1")
    plot.close(None)
    assert picture(experiment) != at_evaluation


def test_the_same_curves_are_not_drawn_again(experiment, plot, monkeypatch):
    plot.log_evaluation(10, None)
    monkeypatch.setattr(results_plot, "draw_curves", lambda curves: 1 / 0)
    plot.close(None)
    assert names(experiment, "") == ["metrics.csv", "results.png"]


def test_a_run_that_ends_at_once_has_no_curves(experiment):
    logger = ResultsPlot()
    logger.start(experiment.info, 0)
    logger.close(None)
    assert names(experiment, "") == []


def test_a_run_that_is_killed_while_it_draws_keeps_the_old_picture(experiment, plot, monkeypatch):
    plot.log_evaluation(10, None)
    before = picture(experiment)
    write(experiment, "metrics.csv", "step,Loss/total_loss", "1,3", "10,2", "20,1")

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        plot.log_evaluation(20, None)
    assert picture(experiment) == before


def test_a_full_disk_ends_a_run_but_does_not_hide_why_it_ended(experiment, plot, monkeypatch):
    def full(*args):
        raise OutputError("the disk is full")

    monkeypatch.setattr("odtk.files.write_bytes", full)
    plot.close(ValueError("the reason"))
    with pytest.raises(OutputError, match="full"):
        plot.close(None)


def test_what_the_curves_show_is_named_in_their_title(experiment):
    metrics = [{"step": 20, "Loss/total_loss": 1}]
    evaluations = [{"step": 10, MAP: 0.5, MAP + "@.50IOU": 0.9, MAP + " (large)": 0.6, "AP/mAP": 0.1}]
    drawn = curves(experiment.info, metrics, evaluations, Best("", 10, MAP, 0.5, {}))
    assert drawn.title == "cats: step 20 of 50, best mAP 0.500 at step 10"
    assert drawn.quality == [MAP, MAP + "@.50IOU"]
    assert (drawn.best.step, drawn.best.metric, drawn.best.value) == (10, MAP, 0.5)
    assert drawn.steps_per_epoch == 5
    assert curves(experiment.info, metrics, []).title == "cats: step 20 of 50"


def test_what_has_no_groundtruth_is_not_drawn_as_minus_one(experiment):
    drawn = curves(experiment.info, [], [{"step": 10, MAP: -1.0, "AP/cat": -1.0, "AP/dog": 0.0, "Loss/a": -1.0}])
    assert drawn.evaluations == [{"step": 10, "AP/dog": 0.0, "Loss/a": -1.0}]


@pytest.mark.parametrize(
    ("metric", "panel"),
    [("AP/cat", ["AP/cat", MAP]), ("Loss/a", [MAP, MAP + "@.50IOU"]), (MAP, [MAP, MAP + "@.50IOU"])],
)
def test_the_metric_by_which_weights_are_best_has_a_curve(experiment, metric, panel):
    row = {"step": 10, MAP: 0.5, MAP + "@.50IOU": 0.9, "AP/cat": 0.1, "Loss/a": 1}
    assert curves(experiment.info, [], [row], Best("", 10, metric, row[metric], {})).quality == panel


@pytest.mark.parametrize("kind", [FirstBatchPicture, EvaluationPictures])
def test_what_could_not_be_written_is_written_when_the_callback_is_called_again(experiment, monkeypatch, kind):
    callback, attempts = start(kind(), experiment), []
    if kind is FirstBatchPicture:
        folder, call = "batches", lambda: callback.after_loop(1, {})
    else:
        evaluated(experiment)
        folder, call = "evaluations", lambda: callback.after_evaluation(1, types.SimpleNamespace(metrics={MAP: 0.25}))
    write = files.write_bytes

    def away_once(path, data):
        attempts.append(path)
        if len(attempts) == 1:
            raise OutputError("away")
        write(path, data)

    monkeypatch.setattr(files, "write_bytes", away_once)
    with pytest.raises(OutputError, match="away"):
        call()
    call()
    assert len(names(experiment, folder)) == 1
    call()
    assert len(attempts) == 2


def test_pictures_of_steps_before_which_the_run_went_back_are_removed(experiment):
    callback = start(EvaluationPictures(), experiment)
    for step in (10, 20):
        evaluate(callback, experiment, step)
    callback.after_going_back(10)
    assert names(experiment, "evaluations") == ["step-10.png"]


def test_a_drawing_that_succeeds_is_returned():
    assert DrawingErrors("it", print).attempt(lambda: 3) == 3
