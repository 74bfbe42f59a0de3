"""What is random in a training step repeats with the step's seed, in graphs too."""

import pytest
import tensorflow as tf

from odtk import step_random
from odtk.boxes.sampling import sample_negatives


def draws(seed):
    """Two samples of the same negatives, one after the other."""
    positive, counted = tf.constant([[True] * 20 + [False] * 80]), tf.fill([1, 100], True)
    with step_random.seeded(seed):
        return [sample_negatives(positive, counted, 0.5) for _ in range(2)]


def test_samples_depend_on_the_steps_seed_and_differ_within_a_step():
    in_graph = tf.function(draws)
    one, other = tf.constant([3, 7], tf.int64), tf.constant([3, 8], tf.int64)
    first, second = (each.numpy().tolist() for each in draws(one))
    assert first != second
    assert [each.numpy().tolist() for each in in_graph(one)] == [first, second]
    assert in_graph(other)[0].numpy().tolist() not in (first, second)


def test_outside_of_a_step_every_seed_is_another():
    seeds = [tuple(step_random.next_seed().numpy().tolist()) for _ in range(3)]
    assert len(set(seeds)) == 3


def test_xla_draws_the_same_numbers():
    def draws():
        with step_random.seeded(tf.constant([3, 7], tf.int64)):
            return step_random.uniform([50]), step_random.dropout(tf.ones([50]), 0.4)

    plain, compiled = (tf.function(draws, jit_compile=jit_compile)() for jit_compile in (False, True))
    assert [each.numpy().tolist() for each in compiled] == [each.numpy().tolist() for each in plain]
    kept = plain[1].numpy() > 0
    assert 0 < kept.mean() < 1
    assert plain[1].numpy()[kept] == pytest.approx(1 / 0.6)
