"""The rows that a loop leaves behind, and what is written of them."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from odtk.training.log_rows import LogRow, LogRows
from odtk.training.logged_steps import MOST_ROWS
from odtk.training.loggers.logger import Logger, TrainingRow, TrainSummaries


def trained(rows: LogRows, step: int, num_steps: int, fails_in: int | None = None) -> list[LogRow]:
    """A loop in one graph, whose loss is the number of the step; it fails in a step."""
    count, failing = tf.Variable(step, dtype=tf.int64), -1 if fails_in is None else fails_in - 1

    @tf.function
    def loop(step, num_steps):
        for number in tf.range(num_steps):
            # As the batch of a step that fails is missing.
            is_fine = tf.debugging.assert_none_equal(count, tf.constant(failing, tf.int64), message="it fails")
            with tf.control_dependencies([is_fine]):
                count.assign_add(1)
            row = rows.row_of(number, step, num_steps)
            if row >= 0:
                rows.note(row, {"loss": tf.cast(count, tf.float32) * 0.1, "skipped": count})

    rows.begin(step, num_steps)
    loop(tf.constant(step), tf.constant(num_steps))
    return rows.read()


def test_a_loop_leaves_a_row_for_each_of_its_parts():
    rows = LogRows(10, ["loss", "skipped"])
    assert [(row.step, row.logs["skipped"]) for row in trained(rows, 5, 18)] == [(10, 10), (20, 20), (23, 23)]
    (row,) = trained(rows, 23, 7)
    assert row == LogRow(30, {"loss": 3.0, "skipped": 30.0})
    (row,) = trained(rows, 30, 1)
    assert row.logs["loss"] == np.float32(31) * np.float32(0.1), "no bit is lost"


def test_a_loop_that_fails_leaves_the_rows_before_that_step():
    rows = LogRows(10, ["loss", "skipped"])
    trained(rows, 0, 60)
    with pytest.raises(tf.errors.InvalidArgumentError, match="it fails"):
        trained(rows, 60, 40, fails_in=85)
    assert [row.step for row in rows.read()] == [70, 80]


def test_a_loop_of_too_many_rows_is_refused():
    with pytest.raises(ValueError, match=f"would log 101 rows; {MOST_ROWS} are the most"):
        LogRows(1, ["loss"]).begin(0, 101)


class Given(Logger):
    """Keeps the rows."""

    def __init__(self):
        self.rows = []

    def log_training(self, rows):
        self.rows += rows


def test_rows_of_a_loop_are_dated_by_its_speed():
    given, rows = Given(), [LogRow(10, {"loss": 2.0}), LogRow(20, {"loss": 1.0})]
    trainer = SimpleNamespace(take_rows=lambda: rows, global_step=tf.constant(25))
    TrainSummaries(given, trainer, batch_size=4).write_summaries({"steps_per_second": 10.0})
    speed = {"steps_per_sec": 10.0, "images_per_sec": 40.0}
    assert given.rows == [TrainingRow(10, {"loss": 2.0, **speed}, 1.5), TrainingRow(20, {"loss": 1.0, **speed}, 0.5)]


def test_of_a_loop_that_was_cut_the_finite_rows_are_written():
    given, rows = Given(), [LogRow(10, {"loss": 2.0}), LogRow(20, {"loss": float("nan")})]
    summaries = TrainSummaries(given, SimpleNamespace(take_rows=lambda: rows), batch_size=4)
    summaries.write_rest()
    rows.clear()
    summaries.write_rest()
    assert given.rows == [TrainingRow(10, {"loss": 2.0})]
