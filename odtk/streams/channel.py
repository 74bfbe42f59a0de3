"""What one thread hands on to another: at most so many things wait, and whoever is ahead waits, too."""

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

# On some systems a thread that waits without an end does not see Ctrl-C.
_POLL_SECONDS = 0.2


class Stopped(Exception):
    """The other threads have ended, so nothing is taken or given any more."""


class Channel(Generic[T]):
    """A queue of at most `capacity` things between two threads, which has an end and can be stopped."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._is_ended = self._is_stopped = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, thing: T) -> None:
        """Adds it, once there is room; raises Stopped."""
        with self._changed:
            self._wait_for(lambda: len(self._waiting) < self.capacity)
            self._waiting.append(thing)
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing is put any more; what is there can still be taken."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()

    def take(self, most: int = 1, least: int = 1) -> list[T]:
        """Up to `most` things in the order they were put, once there are `least` or the end; [] after the last.

        Raises Stopped.
        """
        with self._changed:
            self._wait_for(lambda: self._is_ended or len(self._waiting) >= min(least, self.capacity))
            taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            self._changed.notify_all()
            return taken

    def stop(self) -> None:
        """Whoever waits here, or comes later, is told by Stopped."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def check(self) -> None:
        """Raises Stopped if it is."""
        if self._is_stopped:
            raise Stopped

    def _wait_for(self, is_ready) -> None:
        while not self._is_stopped and not is_ready():
            self._changed.wait(_POLL_SECONDS)
        self.check()
