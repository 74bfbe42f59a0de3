"""Counts the signals that ask a worker to stop, and wakes it up."""

import contextlib
import os
import select
import signal
from collections.abc import Iterator, Sequence

ASKING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))
"""The signals that ask a process to end; Windows has no SIGHUP."""


class SignalCount:
    """How many signals have come; the end of the process at the other end of the pipe `attendant` counts as one."""

    def __init__(self, attendant: int | None = None) -> None:
        self.count = 0
        self._read, self._write = os.pipe()
        self._attendant = attendant

    def wait(self, seconds: float, descriptors: Sequence[int] = ()) -> None:
        """Until a signal comes, one of `descriptors` can be read, or time is over."""
        attendant = [] if self._attendant is None else [self._attendant]
        readable, _, _ = select.select([self._read, *attendant, *descriptors], [], [], seconds)
        if self._read in readable:
            os.read(self._read, 1)
        if self._attendant in readable:
            self._attendant = None
            self.count += 1

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Counts in the block. A signal that is ignored stays so."""
        handled = [each for each in ASKING if signal.getsignal(each) != signal.SIG_IGN]
        before = {each: signal.signal(each, self._handle) for each in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._read)
            os.close(self._write)

    def _handle(self, number: int, frame: object) -> None:
        if number == signal.SIGHUP and self.count:
            return  # the system and the shell may each send one
        self.count += 1
        os.write(self._write, b"\n")
