"""metrics.csv and evaluations.csv: their columns, and what a resumed run goes on with."""

import contextlib
import csv
import errno

import pytest

from odtk.evaluation.run import Evaluation
from odtk.training.loggers import csv_files
from odtk.training.loggers.csv_files import EvaluationsCsv, MetricsCsv, read_evaluations, read_metrics
from odtk.training.loggers.logger import Logger, Loggers, TrainingRow
from odtk.training.run_info import RunInfo

SCALARS = {"Loss/total_loss": 3.0, "Loss/localization_loss": 1.0, "learning_rate": 0.1, "steps_per_sec": 2.0,
           "images_per_sec": 8.00004, "gradient_norm": 7.0}  # fmt: skip


@pytest.fixture
def info(tmp_path):
    return RunInfo(str(tmp_path), "", batch_size=4, num_records=16, num_steps=100)


def measured(**changes):
    metrics = {"DetectionBoxes_Precision/mAP": 0.25, "DetectionBoxes_PerformanceByCategory/mAP/cat": 0.5,
               "Loss/total_loss": 2.0}  # fmt: skip
    fields = {
        "metrics": metrics,
        "losses": {"Loss/total_loss": 2.0},
        "meanings": {"DetectionBoxes_Precision/mAP": "mean", "Loss/total_loss": "sum"},
        "classes": [{"id": 1, "name": "cat", "images": 2, "boxes": 3, "AP": 0.5, "AP@.50IOU": 0.75}],
        "num_images": 5,
        "repeated_images": 0,
    }
    return Evaluation(**{**fields, **changes})


def header(path):
    with open(path, newline="", encoding="utf-8") as file:
        return next(csv.reader(file))


def test_a_row_of_training_has_what_a_curve_needs(info, tmp_path, monkeypatch):
    clock = iter([100.0, 101.5])
    monkeypatch.setattr(csv_files.time, "monotonic", lambda: next(clock))
    logger = MetricsCsv()
    logger.start(info, 0)
    logger.log_training([TrainingRow(10, SCALARS)])
    assert header(tmp_path / "metrics.csv") == [
        *("step", "epoch", "seconds", "images_per_sec"),
        *("Loss/total_loss", "Loss/localization_loss", "learning_rate", "gradient_norm"),
    ]
    assert read_metrics(tmp_path) == [
        {"step": 10, "epoch": 2.5, "seconds": 1.5, "images_per_sec": 8.0, "Loss/total_loss": 3.0,
         "Loss/localization_loss": 1.0, "learning_rate": 0.1, "gradient_norm": 7.0}
    ]  # fmt: skip


def test_a_resumed_run_goes_on_counting_seconds_from_the_last_row_that_holds(info, monkeypatch):
    clock = iter([0.0, 10.0, 20.0, 1000.0, 1003.0])
    monkeypatch.setattr(csv_files.time, "monotonic", lambda: next(clock))
    first, second = MetricsCsv(), MetricsCsv()
    first.start(info, 0)
    first.log_training([TrainingRow(10, SCALARS)])
    first.log_training([TrainingRow(20, SCALARS)])
    second.start(info, 15)
    second.log_training([TrainingRow(16, SCALARS)])
    assert [(row["step"], row["seconds"]) for row in read_metrics(info.model_dir)] == [(10, 10.0), (16, 13.0)]


def test_an_unknown_number_of_records_leaves_the_epoch_empty(tmp_path):
    logger = MetricsCsv()
    logger.start(RunInfo(str(tmp_path), "", batch_size=4, num_records=None, num_steps=100), 0)
    logger.log_training([TrainingRow(1, SCALARS)])
    assert "epoch" in header(tmp_path / "metrics.csv")
    assert "epoch" not in read_metrics(tmp_path)[0]


def test_a_row_of_an_evaluation_has_the_metrics_then_the_losses_then_the_classes(info, tmp_path):
    logger = EvaluationsCsv()
    logger.start(info, 0)
    logger.log_evaluation(10, measured())
    assert list(read_evaluations(tmp_path)[0].items()) == [
        ("step", 10),
        ("DetectionBoxes_Precision/mAP", 0.25),
        ("Loss/total_loss", 2.0),
        ("AP/cat", 0.5),
        ("DetectionBoxes_PerformanceByCategory/mAP/cat", 0.5),
    ]


def test_classes_of_one_name_are_told_apart_and_other_protocols_have_their_own_ap(info, tmp_path):
    classes = [{"id": number, "name": name, "AP@.50IOU": number / 10} for number, name in enumerate("aba", start=1)]
    logger = EvaluationsCsv()
    logger.start(info, 0)
    logger.log_evaluation(10, measured(classes=classes))
    row = read_evaluations(tmp_path)[0]
    assert {name: row[name] for name in row if name.startswith("AP/")} == {
        "AP/a (1)": 0.1,
        "AP/b": 0.2,
        "AP/a (3)": 0.3,
    }


def test_a_resumed_run_drops_evaluations_of_steps_that_it_repeats(info, tmp_path):
    first, second = EvaluationsCsv(), EvaluationsCsv()
    first.start(info, 0)
    for step in (10, 20, 30):
        first.log_evaluation(step, measured())
    second.start(info, 20)
    second.log_evaluation(20, measured())
    assert [row["step"] for row in read_evaluations(tmp_path)] == [10, 20]


def twice(write, before_retry):
    """For a drive that is away once."""
    try:
        write()
    except OSError:
        before_retry()
        write()


@pytest.mark.parametrize("written", [lambda line: line[:5], lambda line: f"{line}\n"], ids=["a part", "all of it"])
def test_a_row_whose_writing_failed_stands_there_once_when_it_is_written_again(info, tmp_path, monkeypatch, written):
    def fails(path, lines):
        with open(path, "a") as file:
            file.write(written(*lines))
        raise OSError(errno.EIO, "closing the file")

    loggers = Loggers([MetricsCsv(), EvaluationsCsv()], twice)
    loggers.start(info, 0)
    for step in (10, 20, 30):
        with monkeypatch.context() as patch:
            if step == 20:
                patch.setattr("odtk.files.append_lines", fails)
            loggers.log_training([TrainingRow(step, SCALARS)])
            loggers.log_evaluation(step, measured())
    for name, rows in (("metrics.csv", read_metrics(tmp_path)), ("evaluations.csv", read_evaluations(tmp_path))):
        assert [row["step"] for row in rows] == [10, 20, 30]
        assert len((tmp_path / name).read_text().splitlines()) == 4


@pytest.mark.parametrize("error", [None, ValueError("the run's")])
def test_a_drive_that_is_away_at_the_end_is_waited_for_unless_an_error_is_to_be_told(error):
    class Away(Logger):
        calls = ()

        def reopen(self):
            self.calls += ("reopen",)

        def close(self, error):
            self.calls += ("close",)
            if len(self.calls) == 1:
                raise OSError(errno.EIO, "gone")

    away, other = Away(), Away()
    other.calls = ("before",)
    with pytest.raises(OSError, match="gone") if error else contextlib.nullcontext():
        Loggers([other, away], twice).close(error)
    assert away.calls == (("close",) if error else ("close", "reopen", "close"))
    assert other.calls == ("before", "close")
