"""What is logged of the steps of a loop, kept on the device until the loop ends: reading it would wait for a step."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tensorflow as tf

from odtk.training.logged_steps import MOST_ROWS, parts_of_loop


@dataclass(frozen=True)
class LogRow:
    """The logs of a step by tag."""

    step: int
    logs: dict[str, float]


class LogRows:
    """The rows of one loop at a time, each written by the graph behind the step that it is of.

    What was written before a step failed is there after the error, too.
    """

    def __init__(self, every: int, tags: Sequence[str]):
        """`every`: a row for each multiple of that many steps, and for the last step of each loop.

        To be created outside of a strategy's scope: one table on the first device is enough.
        """
        self._every, self._tags = every, tuple(tags)
        self._ends: list[int] = []
        # All values as they are: those of float32 and the numbers of steps are exact in float64.
        self._table = tf.Variable(tf.zeros([MOST_ROWS, len(self._tags)], tf.float64), trainable=False)
        self._written = tf.Variable(0, dtype=tf.int64, trainable=False)

    def begin(self, step: int, num_steps: int) -> None:
        """Forgets the loop before; one of `num_steps` starts after `step`. ValueError if it has too many rows."""
        parts = parts_of_loop(step, num_steps, self._every)
        if len(parts) > MOST_ROWS:
            raise ValueError(f"A loop of {num_steps} steps would log {len(parts)} rows; {MOST_ROWS} are the most.")
        self._ends = [step + steps for steps in itertools.accumulate(parts)]
        self._written.assign(0)

    @tf.autograph.experimental.do_not_convert
    def row_of(self, number, step, num_steps) -> tf.Tensor:
        """The row, from 0, of a loop's step with a `number` from 0, -1 if it has none; int32 tensors, in the graph."""
        with tf.device("CPU:0"):  # where loops count: to decide on a GPU would be to wait for it
            step_of = step + number + 1
            ends_a_part = (step_of % self._every == 0) | (number + 1 == num_steps)
            return tf.where(ends_a_part, (step_of - 1) // self._every - step // self._every, -1)

    @tf.autograph.experimental.do_not_convert
    def note(self, row, values: Mapping[str, tf.Tensor]) -> None:
        """To be called in the graph behind each step that writes a row, with scalars by tag."""
        found = tf.stack([tf.cast(values[tag], tf.float64) for tag in self._tags])
        self._table.scatter_update(tf.IndexedSlices(found, row))
        self._written.assign(tf.cast(row + 1, tf.int64))

    def read(self) -> list[LogRow]:
        """The rows of all steps that wrote one; waits for the device."""
        written = int(self._written.numpy())
        table = self._table.numpy()[:written].tolist()
        return [
            LogRow(end, dict(zip(self._tags, row, strict=True))) for end, row in zip(self._ends, table, strict=False)
        ]
