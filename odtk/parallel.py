"""Maps a function over many items: on threads for few items, on processes for many, in order with bounded memory."""

import contextlib
import itertools
import multiprocessing
import os
import signal
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from odtk.errors import OdtkError

# With this many items, processes are worth their start-up time; two cores can be kept busy by threads too.
MANY = 4000
MANY_WORKERS = 3

_CHUNK = 4  # items that are sent to a process together
_AHEAD = 2  # tasks per worker that are queued or running while results are consumed


def num_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def mapped(function: Callable, items: Sequence, num_workers: int | None = None) -> Iterator[Iterator]:
    """Yields an iterator over `function(item)` of all items, in order, for any number of workers.

    Few items use threads: decoding, hashing and reading release the interpreter lock, and threads start immediately.
    MANY items with MANY_WORKERS use processes, to which `function` is sent once; it and the results must be picklable,
    and a script that calls this needs the usual `if __name__ == "__main__"`. The number of waiting results is bounded,
    and so is memory. Leaving the block early cancels tasks that have not started.
    """
    num_workers = num_workers or num_cores()
    pool: Executor
    if len(items) >= MANY and num_workers >= MANY_WORKERS:
        pool, call, size = _processes(function, num_workers), _call_in_process, _CHUNK
    else:
        pool, call, size = ThreadPoolExecutor(num_workers), lambda chunk: list(map(function, chunk)), 1
    try:
        yield _in_order(pool, call, _chunks(items, size), _AHEAD * num_workers)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(pool: Executor, call: Callable, chunks: Iterable[list], window: int) -> Iterator:
    chunks = iter(chunks)
    try:
        waiting = deque(pool.submit(call, chunk) for chunk in itertools.islice(chunks, window))
        while waiting:
            results = waiting.popleft().result()
            waiting.extend(pool.submit(call, chunk) for chunk in itertools.islice(chunks, 1))
            yield from results
    except BrokenProcessPool as error:
        raise OdtkError(
            "A worker process was killed, probably because memory ran out. Close other programs, or use fewer workers.",
            argument="workers",
        ) from error


def _chunks(items: Sequence, size: int) -> Iterator[list]:
    rest = iter(items)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk


def _processes(function: Callable, num_workers: int) -> ProcessPoolExecutor:
    # Never forked: the caller may have TensorFlow and its threads loaded.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(num_workers, context, initializer=_take, initargs=(function,))


_function: Callable  # of a worker process


def _take(function: Callable) -> None:
    global _function
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent, which stops its workers
    warnings.filterwarnings("ignore", module=r"PIL\b")  # they do not name the file


def _call_in_process(chunk: list) -> list:
    return list(map(_function, chunk))
