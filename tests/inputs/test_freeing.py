"""Iterators are freed without waiting for one that takes long."""

import gc
import threading
import weakref

import pytest
import tensorflow as tf
from patience import SECONDS, until

from odtk.inputs.freeing import elements, let_go


class Numbers:
    """An iterator that is freed when it may be."""

    def __init__(self, freed: list, may_be_freed: threading.Event):
        self._freed, self._may_be_freed, self._rest = freed, may_be_freed, iter(range(3))

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._rest)

    def __del__(self):
        self._may_be_freed.wait(SECONDS)
        self._freed.append(threading.current_thread())


def test_what_is_freed_at_once_is_freed_on_return():
    freed, at_once = [], threading.Event()
    at_once.set()
    let_go([Numbers(freed, at_once), Numbers(freed, at_once)])
    assert len(freed) == 2


def test_what_takes_long_is_not_waited_for_nor_by_the_end_of_the_process():
    freed, later = [], threading.Event()
    let_go([Numbers(freed, later)])
    assert not freed
    (thread,) = [each for each in threading.enumerate() if each.name == "freeing a pipeline"]
    assert thread.daemon
    later.set()
    assert until(lambda: freed) == [thread]


@pytest.mark.parametrize("is_exhausted", [True, False])
def test_elements_let_the_iterator_go_at_their_end_or_when_closed(is_exhausted):
    freed, later = [], threading.Event()
    numbers = elements(lambda: Numbers(freed, later))
    assert [next(numbers) for _ in range(3)] == [0, 1, 2]
    if is_exhausted:
        assert list(numbers) == []
    numbers.close()
    assert not freed
    later.set()
    assert until(lambda: freed) != [threading.current_thread()]


def test_an_error_of_the_iterator_is_raised_and_lets_it_go():
    freed, at_once = [], threading.Event()
    at_once.set()

    def numbers():
        yield from Numbers(freed, at_once)
        raise OSError("the third cannot be read")

    with pytest.raises(OSError, match="third"):
        list(elements(numbers))
    assert len(freed) == 1


def test_a_datasets_iterator_has_no_other_references():
    iterator = iter(tf.data.Dataset.range(3).map(lambda value: 2 * value))
    freed = weakref.ref(iterator)
    assert [int(value) for value in elements(lambda found=[iterator]: found.pop())] != []
    del iterator
    gc.collect()
    assert freed() is None
