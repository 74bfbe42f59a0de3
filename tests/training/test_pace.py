"""How long loops are, on a made-up device whose steps take a known time."""

import itertools

import pytest

from odtk.training.logged_steps import MOST_ROWS, is_logged, parts_of_loop
from odtk.training.pace import Pace


def loops(seconds_per_step, num_steps, marks=(), log_every=10, stops=(), ends_at_logs=False, start=0):
    """The steps at which loops end, until `num_steps`."""
    spent = 0.0
    pace, ends, step = Pace(marks, log_every, lambda: spent), [], start
    pace.ends_at_logs = ends_at_logs
    pace.stop_at(*stops)
    while step < num_steps:
        steps = pace(step)
        spent += seconds_per_step(step) * steps if callable(seconds_per_step) else seconds_per_step * steps
        step += steps
        ends.append(step)
    return ends


def test_loops_of_quick_steps_last_a_second_whatever_is_logged_in_them():
    assert loops(0.005, 512) == [1, 2, 12, 112, 312, 512]


def test_callbacks_may_ask_for_a_loop_at_each_row():
    assert loops(0.005, 40, ends_at_logs=True) == [1, 2, 10, 20, 30, 40]


def test_a_step_of_seconds_is_a_loop():
    assert loops(2.0, 4) == [1, 2, 3, 4]


@pytest.mark.parametrize("marks", [[100, 150], [150, 100]])
def test_no_loop_passes_a_mark(marks):
    ends = loops(0.001, 300, marks)
    assert {100, 150, 200, 300} <= set(ends)
    assert ends[:3] == [1, 2, 12]


def test_loops_end_where_they_are_told_to():
    assert {30, 35} <= set(loops(0.001, 100, stops=(30, 35)))


def test_a_resumed_run_begins_with_a_loop_of_one_step_which_compiles():
    assert loops(0.125, 50, start=33) == [34, 35, 43, 51]


def test_one_quick_step_among_slow_ones_makes_no_endless_loop():
    """The second step took a thousandth of the others' time."""
    ends = loops(lambda step: 1e-3 if step == 1 else 1.0, 15)
    assert ends == [1, 2, 12, 13, 14, 15]


@pytest.mark.parametrize("log_every", [1, 3])
def test_a_loop_passes_no_more_rows_than_are_kept(log_every):
    ends = loops(1e-6, 2000, log_every=log_every)
    rows = [len(parts_of_loop(before, end - before, log_every)) for before, end in itertools.pairwise(ends)]
    assert max(rows) == MOST_ROWS


@pytest.mark.parametrize(
    ("step", "num_steps", "parts"),
    [(0, 1, [1]), (1, 9, [9]), (10, 30, [10, 10, 10]), (25, 12, [5, 7]), (7, 2, [2]), (9, 11, [1, 10])],
)
def test_a_loop_has_a_part_up_to_each_row(step, num_steps, parts):
    assert parts_of_loop(step, num_steps, 10) == parts


def test_the_first_step_of_a_run_is_logged_and_not_that_of_a_resumed_one():
    assert [step for step in range(1, 32) if is_logged(step, 10)] == [1, 10, 20, 30]
