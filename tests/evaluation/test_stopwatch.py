"""The stages of an evaluation."""

from odtk.evaluation.stopwatch import FIRST_STEP, INFERENCE, READING, SCORING, Stopwatch


def test_stages_are_in_the_order_in_which_an_image_passes_them():
    watch = Stopwatch()
    with watch.inference(8):
        pass
    with watch.timing(SCORING), watch.timing(READING), watch.inference(4):
        pass
    assert list(watch.seconds) == [READING, FIRST_STEP, INFERENCE, SCORING]
    assert watch.first_images == 8
