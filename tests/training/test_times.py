"""Where the seconds of a run go, by a clock that is moved by hand."""

from odtk.training.times import COMPILING, DRAWING, EVALUATION, INPUT, OTHER, PHASES, SAVING, STEP, Times


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def spent(times, clock, name, seconds):
    with times.phase(name):
        clock.now += seconds


def test_every_second_belongs_to_the_innermost_phase():
    clock = Clock()
    times = Times(clock)
    clock.now += 1
    with times.phase(EVALUATION):
        clock.now += 10
        spent(times, clock, SAVING, 3)
        assert times.current == EVALUATION
        spent(times, clock, "uploading", 4)
    spent(times, clock, EVALUATION, 5)
    assert times.seconds == {OTHER: 1, EVALUATION: 15, SAVING: 3, "uploading": 4}
    assert list(times.seconds) == [EVALUATION, SAVING, OTHER, "uploading"]
    assert sum(times.seconds.values()) == times.total == 23
    assert (times.counts[EVALUATION], times.latest[EVALUATION], times.current) == (2, 5, OTHER)


def test_a_phase_counts_while_it_runs_and_after_an_error():
    clock = Clock()
    times = Times(clock)
    try:
        with times.phase(DRAWING):
            clock.now += 2
            assert times.seconds == {DRAWING: 2}
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        clock.now += 1
    assert times.seconds == {DRAWING: 2, OTHER: 1}


def test_waiting_for_data_is_taken_from_the_steps():
    clock = Clock()
    times = Times(clock)
    spent(times, clock, COMPILING, 60)
    spent(times, clock, STEP, 10)
    times.move(4, STEP, INPUT)
    assert times.seconds == {COMPILING: 60, STEP: 6, INPUT: 4}
    assert times.training == 10
    times.move(100, STEP, INPUT)  # more than there was: measured steps stand for others
    assert times.seconds == {COMPILING: 60, INPUT: 10}
    assert set(times.seconds) < set(PHASES)
