"""The stages in which examples are prepared: reading, which has side effects, and the rest, which takes the time."""

from collections.abc import Callable
from typing import TypeVar

import tensorflow as tf

from odtk.devices import are_operations_deterministic

_Function = TypeVar("_Function", bound=Callable)


def in_parallel(
    records: tf.data.Dataset,
    read: Callable,
    finish: Callable,
    after: Callable = lambda position, prepared: prepared,
) -> tf.data.Dataset:
    """`after`(position, `finish`(position, ...)) of each `read`(position, record), which is (position, ...).

    With deterministic operations TensorFlow calls a function that has side effects (of tables, of Python) for one
    element at a time. `finish` must have none, and is then called in parallel by itself.
    """
    if not are_operations_deterministic():
        whole = lambda position, record: _whole(read, finish, after, position, record)  # noqa: E731
        return records.map(without_autograph(whole), num_parallel_calls=tf.data.AUTOTUNE)
    with_position = lambda position, *rest: (position, finish(position, *rest))  # noqa: E731
    read_ones = records.map(without_autograph(read))
    return read_ones.map(without_autograph(with_position), tf.data.AUTOTUNE).map(without_autograph(after))


def _whole(read: Callable, finish: Callable, after: Callable, position, record):
    position, *rest = read(position, record)
    return after(position, finish(position, *rest))


def without_autograph(function: _Function) -> _Function:
    """AutoGraph is not needed, takes time, and would wrap a ConfigError's text in its own.

    The functions of datasets that are made within `function` are not converted either.
    """
    return tf.autograph.experimental.do_not_convert(function)
