"""Live sources, which do not wait: what is not taken in time is dropped, the oldest first, and counted."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

_POLL_SECONDS = 0.1


class DropOldest:
    """Reads sources at their own pace, each in a thread, and gives what they show now, in turns.

    Of each source at most `capacity` things wait. To be iterated once; `dropped` counts what was not taken, by source.
    """

    def __init__(
        self, sources: Sequence[Iterable[Any]], capacity: int = 1, should_stop: Callable[[], Any] = lambda: None
    ):
        """`should_stop` is asked several times a second; once it answers, what waits is given, and that is all."""
        self._sources, self._should_stop = sources, should_stop
        self._waiting: list[deque[Any]] = [deque(maxlen=capacity) for _ in sources]
        self.dropped = [0] * len(sources)
        self._reading = len(sources)
        self._error: BaseException | None = None
        self._is_closed = False
        self._changed = threading.Condition()

    def __iter__(self) -> Generator[Any, None, None]:
        threads = [
            threading.Thread(target=self._read, args=(index,), name=f"odtk live source {index}", daemon=True)
            for index in range(len(self._sources))
        ]
        for thread in threads:
            thread.start()
        try:
            while True:
                taken = self._take()
                if not taken:
                    break
                yield from taken
        finally:
            self._is_closed = True
        if self._error is not None:
            raise self._error

    def _take(self) -> list[Any]:
        """The oldest thing that waits of each source; [] after the last."""
        with self._changed:
            while not any(self._waiting):
                if self._should_stop() or self._error or not self._reading:
                    return []
                self._changed.wait(_POLL_SECONDS)
            if self._should_stop():
                self._is_closed = True
            return [waiting.popleft() for waiting in self._waiting if waiting]

    def _read(self, index: int) -> None:
        try:
            with contextlib.closing(_generator(self._sources[index])) as things:
                for thing in things:
                    if self._is_closed:
                        break
                    self._put(index, thing)
        except BaseException as error:
            self._error = self._error or error
        finally:
            with self._changed:
                self._reading -= 1
                self._changed.notify_all()

    def _put(self, index: int, thing: Any) -> None:
        waiting = self._waiting[index]
        with self._changed:
            self.dropped[index] += len(waiting) == waiting.maxlen
            waiting.append(thing)
            self._changed.notify_all()


def _generator(source: Iterable[Any]):
    yield from source
