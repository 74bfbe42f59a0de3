"""When evaluations are due, by steps and by what they cost."""

import pytest

from odtk.training.evaluation_schedule import EvaluationSchedule, automatic_schedule


def due(schedule, num_steps):
    return [step for step in range(1, num_steps + 1) if schedule.is_due(step)]


def test_multiples_and_the_last_step_are_due_and_nothing_with_zero():
    assert due(EvaluationSchedule(4, 10), 10) == [4, 8, 10]
    assert due(EvaluationSchedule(0, 10), 10) == []
    assert not EvaluationSchedule(0, 10).is_on


@pytest.mark.parametrize(
    ("checkpoint_every", "num_steps", "every"),
    [
        (1000, 100_000, 1000),  # each checkpoint, which is often enough
        (1000, 3000, 250),  # at least ten times, and at each checkpoint
        (1000, 600, 50),
        (2, 4, 1),
        (997, 3000, 249),  # a prime number of steps has no equal parts
        (1, 5, 1),
    ],
)
def test_without_a_number_each_checkpoint_is_due_and_at_least_ten_in_a_run(checkpoint_every, num_steps, every):
    assert automatic_schedule(checkpoint_every, num_steps).marks == [every]
    assert num_steps // every >= min(10, num_steps)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def run(schedule, clock, num_steps, step_seconds, evaluation_seconds):
    """The evaluated steps, and their share of the time."""
    schedule.start()
    made = []
    for step in range(1, num_steps + 1):
        clock.now += step_seconds
        if schedule.is_due(step):
            made.append(step)
            with schedule.measuring():
                clock.now += evaluation_seconds
    return made, len(made) * evaluation_seconds / clock.now


def test_evaluations_that_are_cheap_are_all_made(clock):
    made, _ = run(automatic_schedule(100, 1000, clock), clock, 1000, step_seconds=1, evaluation_seconds=5)
    assert made == list(range(100, 1001, 100))


def test_evaluations_that_are_dear_take_a_fifth_of_the_time_and_the_last_step_has_one(clock):
    made, share = run(automatic_schedule(100, 1000, clock), clock, 1000, step_seconds=1, evaluation_seconds=60)
    # 100 + 60 for the first; for the second 120 of at least 600 in all, so that 480 steps are done.
    assert made == [100, 500, 800, 1000]
    assert 0.15 < share < 0.25


def test_who_says_how_often_gets_it_whatever_it_costs(clock):
    made, _ = run(EvaluationSchedule(250, 1000, clock=clock), clock, 1000, step_seconds=1, evaluation_seconds=1e6)
    assert made == [250, 500, 750, 1000]
