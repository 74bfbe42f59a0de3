"""Measures, inside the graph, how long steps wait for their batches."""

from collections.abc import Callable

import tensorflow as tf

from odtk.devices import are_operations_deterministic

_GPU_SECONDS_BETWEEN_SAMPLES = 10.0


class InputWait:
    """Seconds that the device was idle because the next batch was not there.

    A loop of steps is a tf.while_loop, whose next iteration fetches its batch while the step is still computing, which
    is no waiting. So the clock starts when the step before has ended. On a GPU that means to wait for it, where
    otherwise the next batch would be copied meanwhile: there only one step in some seconds is measured.

    To be made outside of a strategy's scope: a variable of all replicas would be read from a GPU in every step.
    """

    def __init__(self, seconds_between: float | None = None):
        """`seconds_between` measurements at least, 0 for every step; None for what costs nothing on this device."""
        if seconds_between is None:
            seconds_between = _GPU_SECONDS_BETWEEN_SAMPLES if tf.config.list_logical_devices("GPU") else 0.0
        self._between = seconds_between
        with tf.device("CPU:0"):
            self._seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)
            self._steps = tf.Variable(0, dtype=tf.int64, trainable=False)
            self._last = tf.Variable(0.0, dtype=tf.float64, trainable=False)

    def fetch(self, fetch: Callable, ended: tf.Variable):
        """The batch that `fetch()` gives. `ended`: a variable that each step changes at its end."""
        if are_operations_deterministic():  # TensorFlow then refuses to read the clock
            return fetch()
        now = tf.timestamp()
        is_measured = now - self._last >= self._between
        ready = tf.cond(is_measured, lambda: _on_host(ended), lambda: tf.zeros([], ended.dtype))
        with tf.control_dependencies([ready]):
            before = tf.timestamp()
        with tf.control_dependencies([before]):
            batch = fetch()
        with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
            waited = tf.timestamp() - before
        self._seconds.assign_add(tf.where(is_measured, waited, 0.0))
        self._steps.assign_add(tf.cast(is_measured, tf.int64))
        self._last.assign(tf.where(is_measured, now, self._last))
        return batch

    def read(self) -> tuple[float, int]:
        """The seconds of all measured steps, and their number; 0 steps where operations are deterministic."""
        return float(self._seconds.numpy()), int(self._steps.numpy())


def _on_host(variable: tf.Variable) -> tf.Tensor:
    """The value; a copy from a GPU waits until all that was computed before is done."""
    with tf.device("CPU:0"):
        return tf.identity(variable.read_value())
