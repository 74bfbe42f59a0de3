"""The stages of an evaluation are timed, the first step apart from the others."""

import pytest

from odtk.evaluation.stopwatch import FIRST_STEP, INFERENCE, READING, SCORING, Stopwatch


def test_stages_add_up_and_the_first_step_is_not_inference(monkeypatch):
    clock = iter([0, 1, 10, 30, 100, 103, 200, 204, 300, 305])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    watch = Stopwatch()
    with watch.timing(READING):
        pass
    for num_images in (8, 7, 6):
        with watch.inference(num_images):
            pass
    with pytest.raises(ValueError, match="damaged"), watch.timing(READING):
        raise ValueError("damaged")
    assert watch.seconds == {READING: 6, FIRST_STEP: 20, INFERENCE: 7}
    assert watch.first_images == 8


def test_stages_are_in_the_order_in_which_an_image_passes_them():
    watch = Stopwatch()
    with watch.inference(8):
        pass
    with watch.timing(SCORING), watch.timing(READING), watch.inference(4):
        pass
    assert list(watch.seconds) == [READING, FIRST_STEP, INFERENCE, SCORING]
