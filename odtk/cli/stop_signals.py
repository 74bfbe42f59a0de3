"""SIGINT (Ctrl-C) and SIGTERM while a command works: the first asks it to stop, the second stops it at once.

SIGHUP, which says that the terminal was closed, asks, too. It can come several times, from the system and from the
shell, so it is never a second signal; and it is left alone where it is ignored, as under nohup.
"""

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

_HANG_UP = getattr(signal, "SIGHUP", None)  # not on Windows
_SIGNALS = tuple(filter(None, (signal.SIGINT, signal.SIGTERM, _HANG_UP)))
_ENDED = {signal.SIGINT: "SIGINT (Ctrl-C)", signal.SIGTERM: "SIGTERM", _HANG_UP: "SIGHUP (its terminal was closed)"}
_FIRST = {
    signal.SIGINT: "Stopping {}. Press Ctrl-C again to stop at once.",
    signal.SIGTERM: "SIGTERM: stopping {}. A second signal stops at once.",
    _HANG_UP: "SIGHUP, as the terminal was closed: stopping {}.",
}
_TRAINING = "after this step, with a checkpoint"


def _reason(number: signal.Signals) -> str:
    return f"stopped by {_ENDED[number]}"


class Terminated(KeyboardInterrupt):
    """SIGTERM, where it ends a command as Ctrl-C does."""


def raise_terminated(number: int, frame: object) -> None:
    """The handler of SIGTERM for all commands: they clean up, and training saves, as after Ctrl-C."""
    raise Terminated


def exit_code(error: KeyboardInterrupt) -> int:
    """A shell's exit code for the signal that was raised as `error`: 130 (SIGINT) or 143 (SIGTERM)."""
    return 128 + (signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT)


class StopSignals:
    """Turns the first signal into an answer of `should_stop`; it is raised as an exception before anyone has asked.

    A second signal is raised, too: KeyboardInterrupt or Terminated. To be used through `stop_signals`.
    """

    def __init__(self, log: Callable[[str], None], when: str = _TRAINING):
        self._log, self._when = log, when
        self._first: signal.Signals | None = None
        self._is_asked = False
        self._received = self._handled = 0

    def should_stop(self) -> str | None:
        """The reason to stop, or None; from the first call on, a first signal waits to be answered here."""
        self._is_asked = True
        return _reason(self._first) if self._first else None

    def exit_code(self, reason: str) -> int:
        """A shell's exit code of a run that ended for `reason`: 0 unless that was a signal, if to another worker."""
        return next((128 + number for number in _SIGNALS if reason == _reason(number)), 0)

    def handle(self, number: int, frame: object) -> None:
        """Python's handler; it waits for TensorFlow's operation to end, so several signals may have become one."""
        if number == _HANG_UP and self._first:
            return
        self._handled = max(self._handled + 1, self._received)
        if not self._is_asked or self._handled > 1:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated
        self._first = signal.Signals(number)

    def announce(self, receiver: socket.socket) -> None:
        """Answers each signal in a thread: the one that trains may be in an operation of TensorFlow for a while."""
        while numbers := receiver.recv(64):
            for number in filter(_SIGNALS.__contains__, numbers):
                if number == _HANG_UP and self._received:
                    continue
                self._received += 1
                if self._is_asked:
                    first = _FIRST[signal.Signals(number)].format(self._when)
                    self._log(first if self._received == 1 else "Stopping at once.")


@contextlib.contextmanager
def stop_signals(log: Callable[[str], None], when: str = _TRAINING) -> Iterator[StopSignals]:
    """Handles the signals while the block runs; outside of the main thread, which alone can, it does nothing.

    `log` is called with the answer to a signal, from another thread; `when` says in it when the command stops.
    """
    signals = StopSignals(log, when)
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    sender, receiver = socket.socketpair()
    sender.setblocking(False)
    announcing = threading.Thread(target=signals.announce, args=(receiver,), daemon=True)
    announcing.start()
    handled = [number for number in _SIGNALS if number != _HANG_UP or signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, signals.handle) for number in handled}
    wakeup = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    try:
        yield signals
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        sender.close()
        announcing.join()
        receiver.close()
