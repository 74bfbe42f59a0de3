"""Iterators of datasets are freed without waiting for TensorFlow, which can take a minute for that.

A pipeline has a thread that tunes it, less and less often, at last once a minute. When the iterator is freed, that
thread is woken to end, but TensorFlow (2.20, `Model::OptimizeLoop`) says only afterwards that it shall: on a busy
machine it looks too early and sleeps on, and who frees the iterator waits for it, at the end of a training or of each
evaluation.
"""

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

_T = TypeVar("_T")

_USUAL = 1.0
"""Seconds; a hundred times what it takes to free an iterator whose thread ends."""


def let_go(iterators: list) -> None:
    """Empties a list that has the last references to iterators.

    What takes longer than usual is left to a thread, which the end of the process does not wait for.
    """
    freeing = threading.Thread(target=iterators.clear, name="freeing a pipeline", daemon=True)
    freeing.start()
    freeing.join(_USUAL)


def elements(start: Callable[[], Iterator[_T]]) -> Iterator[_T]:
    """Those of the iterator that `start` makes, which is let go at their end, or when this generator is closed."""
    iterators = [start()]
    try:
        yield from iterators[0]
    finally:
        let_go(iterators)
