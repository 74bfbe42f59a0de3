"""How long steps wait for data, in a loop of TensorFlow's whose iterations would overlap; by a clock of our own."""

import time

import numpy as np
import pytest
import tensorflow as tf

from odtk.training import input_wait
from odtk.training.input_wait import InputWait


@pytest.fixture
def loop():
    """`loop(wait, steps)`: steps that take 100 seconds and wait 10 for their batches, by the clock `loop.now`."""

    def taking(name, seconds, stateful):
        def work(number):
            time.sleep(0.01)  # long enough for the next iteration to begin, if it could
            loop.now += seconds
            loop.events.append(name)
            return number

        return lambda number: tf.ensure_shape(tf.numpy_function(work, [number], tf.int64, stateful=stateful), [])

    def loop(wait, steps):
        in_time = tf.data.Options()
        in_time.experimental_optimization.inject_prefetch = False  # each batch is made when it is asked for
        take_batch, take_step = taking("batch", 10, stateful=True), taking("step", 100, stateful=False)
        batches = iter(tf.data.Dataset.range(steps).map(take_batch).with_options(in_time))
        ended, weight = tf.Variable(0, dtype=tf.int64), tf.Variable(0, dtype=tf.int64)

        @tf.function(autograph=True)
        def run():
            for _ in tf.range(steps):
                number = wait.fetch(lambda: next(batches), ended)
                # A step is not stateful, so that TensorFlow may overlap it with the next iteration.
                with tf.control_dependencies([weight.assign(take_step(number))]):
                    ended.assign_add(1)

        run()

    loop.now, loop.events = 0.0, []
    return loop


@pytest.fixture
def clock(loop, monkeypatch):
    """TensorFlow's clock is the loop's."""

    def timestamp():
        return tf.ensure_shape(tf.numpy_function(lambda: np.float64(loop.now), [], tf.float64), [])

    monkeypatch.setattr(input_wait.tf, "timestamp", timestamp)


def test_waiting_begins_when_the_step_before_has_ended(loop):
    loop(InputWait(0), 5)
    assert loop.events == ["batch", "step"] * 5


def test_every_step_is_measured(loop, clock):
    wait = InputWait(0)
    loop(wait, 6)
    assert wait.read() == (60, 6)


def test_on_a_gpu_one_step_in_some_seconds_is_measured(loop, clock):
    wait = InputWait(250)  # its steps are 110 seconds apart
    loop(wait, 9)
    assert wait.read() == (20, 2)
