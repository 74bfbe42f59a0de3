"""Stages that work at the same time, each in a thread of its own, on things that pass through them in order."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from odtk.streams.channel import Channel, Stopped

_POLL_SECONDS = 0.2
_LAST_WAIT_SECONDS = 2.0  # for a source that may be waiting for a camera or a network


@dataclass(frozen=True)
class Stage:
    """What is done to things on their way: `work` takes a list of them and returns as many results, in their order."""

    name: str
    work: Callable[[list[Any]], list[Any]]
    batch: int = 1
    """How many `work` takes at once, at most; at the end, and from a live source, there may be fewer."""
    workers: int = 1
    """How many threads work on a batch of one each; the order stays."""


@contextlib.contextmanager
def flowing(
    source: Iterable[Any], stages: Sequence[Stage], capacity: int = 2, is_live: bool = False
) -> Iterator[Iterator[Any]]:
    """Yields what the things of `source` have become behind the last stage, in order, none lost and none twice.

    Source and stages are ahead of whoever reads the results by at most `capacity` things (or its batch) before each
    stage. With `is_live` a stage does not wait for its batch to fill. An error in the source or a stage ends all
    threads, and is raised from the results. All threads have ended when the block does, however it does, but for what
    may wait for a network or a camera: the source and what several workers do, whose results no stage takes any more.
    """
    run = _Run(stages, capacity, is_live)
    run.start(source)
    try:
        yield run.results()
    finally:
        run.close()


class _Run:
    """The threads of one pipeline."""

    def __init__(self, stages: Sequence[Stage], capacity: int, is_live: bool):
        self._stages, self._is_live = stages, is_live
        # One channel before each stage, and one for the results.
        needs = [max(capacity, stage.batch) for stage in stages] + [capacity]
        for index, stage in enumerate(stages):
            needs[index + 1] = max(needs[index + 1], stage.workers)
        self._channels: list[Channel] = [Channel(need) for need in needs]
        self._rooms = [threading.Semaphore(stage.workers) for stage in stages]
        self._error: BaseException | None = None
        self._failing = threading.Lock()

    def start(self, source: Iterable[Any]) -> None:
        bodies: dict[str, Callable[[], None]] = {"source": functools.partial(self._read, source)}
        bodies |= {stage.name: functools.partial(self._work, index) for index, stage in enumerate(self._stages)}
        # Daemons, as a camera without pictures would keep the process alive.
        self._threads = [
            threading.Thread(target=self._guarded, args=(body,), name=f"odtk {name}", daemon=True)
            for name, body in bodies.items()
        ]
        for thread in self._threads:
            thread.start()

    def results(self) -> Iterator[Any]:
        try:
            while taken := self._taken(self._channels[-1]):
                yield from taken
        except Stopped:
            pass
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self._stop()
        reading, *working = self._threads
        reading.join(_LAST_WAIT_SECONDS)
        for thread in working:
            thread.join()

    def _read(self, source: Iterable[Any]) -> None:
        things = iter(source)
        try:
            for thing in things:
                self._channels[0].put(thing)
        finally:
            if hasattr(things, "close"):  # a generator, which lets go of its file or camera
                things.close()
        self._channels[0].end()

    def _work(self, index: int) -> None:
        stage, before, after = self._stages[index], self._channels[index], self._channels[index + 1]
        while taken := self._taken(before, stage.batch):
            if stage.workers > 1:
                after.put(self._started(index, taken))
                continue
            for result in stage.work(taken):
                after.put(result)
        after.end()

    def _taken(self, channel: Channel, batch: int = 1) -> list[Any]:
        taken = channel.take(batch, least=1 if self._is_live else batch)
        return [self._result(each, channel) if isinstance(each, Future) else each for each in taken]

    def _result(self, future: Future, channel: Channel) -> Any:
        """What a worker found, unless the end comes first: a server can keep a worker waiting for long."""
        while not future.done():
            channel.check()
            wait([future], _POLL_SECONDS)
        return future.result()

    def _started(self, index: int, taken: list[Any]) -> Future:
        """Begins work in a thread of its own: those of a pool would be waited for when the process ends."""
        future: Future = Future()

        def body() -> None:
            try:
                future.set_result(self._stages[index].work(taken)[0])
            except BaseException as error:
                self._fail(error)
                future.set_exception(Stopped())  # to the thread that takes the result
            finally:
                self._rooms[index].release()

        while not self._rooms[index].acquire(timeout=_POLL_SECONDS):  # all may be waiting for a network
            self._channels[index].check()
        threading.Thread(target=body, name=f"odtk {self._stages[index].name} worker", daemon=True).start()
        return future

    def _guarded(self, body: Callable[[], None]) -> None:
        """Runs the body of a thread; its error is kept if it is the first, and ends all threads."""
        try:
            body()
        except Stopped:
            pass
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._failing:
            self._error = self._error or error
        self._stop()

    def _stop(self) -> None:
        for channel in self._channels:
            channel.stop()
