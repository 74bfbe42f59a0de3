"""The largest number of images that fits is found by few trial steps; sizes are such that they can be halved."""

import pytest
import tensorflow as tf

from odtk.training.fitting import Trials, round_sizes
from odtk.training.micro_batches import divisors, finer
from odtk.training.out_of_memory import SumsCutOff

GB = 10**9
CUT_OFF = (
    "Collective ops is aborted by: op cancelled\nThe error could be from a previous operation. Restart your program."
)


def device(memory, weights=GB, image=GB // 4, reports=True):
    """(steps tried, the function that trains on so many images of a device) with this memory."""
    tried = []

    def step(images):
        tried.append(images)
        needed = weights + images * image
        if needed > memory:
            raise tf.errors.ResourceExhaustedError(None, None, f"OOM when allocating tensor with shape[{images},9]")
        return needed if reports else None

    return tried, step


def test_two_small_trials_predict_the_largest_and_a_third_verifies_it():
    tried, step = device(16 * GB)
    assert Trials(step, 16 * GB).largest(range(1, 65)) == 53  # (16 * 0.9 - 1) * 4
    assert tried == [2, 4, 53]


def test_what_needs_more_than_predicted_is_backed_off():
    tried, step = device(8 * GB)
    # The limit is what the driver said; others use the device, too.
    assert Trials(step, 16 * GB).largest(round_sizes(64)) == 28
    assert tried == [2, 4, 52, 48, 44, 40, 36, 32, 30, 28]


@pytest.mark.parametrize(
    ("memory", "choices", "found"),
    [
        (GB, [1, 2, 4], None),  # not one image
        (1.3 * GB, [1, 2, 4], 1),
        (1.3 * GB, [3], None),
        (1.8 * GB, [1, 2, 3, 6], 2),  # 4 is no divisor of the batch, but tells where the limit is
        (16 * GB, [6], 6),
        (16 * GB, [1], 1),
    ],
)
def test_small_devices_and_few_choices(memory, choices, found):
    _, step = device(memory)
    assert Trials(step, memory / 0.9).largest(choices) == found


@pytest.mark.parametrize(("memory", "found"), [(16, 60), (1.3, 1), (1, None), (9, 32), (100, 64)])
def test_a_device_that_does_not_report_its_memory_is_filled_until_a_step_fails(memory, found):
    tried, step = device(memory * GB, reports=False)
    assert Trials(step, None).largest(round_sizes(64)) == found
    assert len(tried) == len(set(tried)) <= 12


def test_where_too_much_would_end_the_process_only_small_steps_are_tried():
    tried, step = device(100 * GB)
    assert Trials(step, 4 * GB, may_fail=False).largest(range(1, 65)) == 10
    assert tried == [2, 4]
    assert Trials(step, GB, may_fail=False).largest([1, 2]) is None
    assert Trials(step, None, may_fail=False).largest([8]) == 8


def test_other_errors_are_not_taken_for_memory():
    def step(images):
        raise tf.errors.ResourceExhaustedError(None, None, "/m/x; No space left on device")

    with pytest.raises(tf.errors.ResourceExhaustedError):
        Trials(step, GB).largest([1, 2])


@pytest.mark.parametrize(("memory", "failed", "fits"), [(8, 52, 4), (1.8, 4, 2), (1.3, 2, None)])
def test_where_a_failed_step_ends_all_sums_over_devices_nothing_more_is_tried(memory, failed, fits):
    """In the failed step TensorFlow says so or not; then in the next one, with any class of errors."""
    for is_told_late in (False, True):
        tried, step = device(memory * GB)

        def cut_off(images, step=step, is_told_late=is_told_late, tried=tried):
            if is_told_late and images < max(tried, default=0):
                raise tf.errors.CancelledError(None, None, CUT_OFF)
            try:
                return step(images)
            except tf.errors.ResourceExhaustedError as error:
                text = error.message if is_told_late else f"{error.message}\n{CUT_OFF}"
                raise tf.errors.ResourceExhaustedError(None, None, text) from error

        with pytest.raises(SumsCutOff) as raised:
            Trials(cut_off, 16 * GB).largest(round_sizes(64))
        assert (raised.value.failed, raised.value.fits) == (failed, fits)
        assert tried[-1] == failed


def test_sums_that_an_earlier_run_cut_off_are_told_from_these_trials():
    def step(images):
        raise tf.errors.CancelledError(None, None, CUT_OFF)

    with pytest.raises(SumsCutOff) as raised:
        Trials(step, GB).largest([1, 2])
    assert (raised.value.failed, raised.value.fits) == (None, None)


def test_sizes_have_four_binary_digits_at_the_front():
    sizes = round_sizes(80)
    assert sizes[:18] == [*range(1, 17), 18, 20]
    assert sizes[-6:] == [52, 56, 60, 64, 72, 80]


@pytest.mark.parametrize(
    ("images", "parts"),
    [(8, [1, 2, 4, 8, None]), (6, [1, 2, 6, None]), (9, [1, 3, 9, None]), (7, [1, 7]), (1, [1, None])],
)
def test_micro_batches_are_halved_or_cut_by_the_next_larger_divisor(images, parts):
    assert [finer(images, each) for each in parts[:-1] if each] == parts[1:]
    assert divisors(12) == [1, 2, 3, 4, 6, 12]
