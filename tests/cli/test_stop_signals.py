"""Signals while a command trains: the first is a request, the second an exception; before any step, each is one."""

import os
import signal
import threading

import pytest
from patience import until

from odtk.cli.stop_signals import Terminated, exit_code, stop_signals

pytestmark = pytest.mark.usefixtures("signals_of_a_terminal")

HERE = os.getpid()


def wait_for(lines, count):
    """The lines come from a thread."""
    until(lambda: len(lines) >= count, pause=0.001)
    return lines


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_first_signal_is_a_reason_to_stop_and_is_answered_at_once(number, code):
    lines = []
    with stop_signals(lines.append) as signals:
        assert signals.should_stop() is None
        os.kill(HERE, number)
        (line,) = wait_for(lines, 1)
        reason = signals.should_stop()
    assert "topping after this step" in line
    assert signal.Signals(number).name in reason
    assert signals.exit_code(reason) == code
    assert signals.exit_code("all steps are done") == 0


def test_the_answer_says_when_this_command_stops():
    lines = []
    with stop_signals(lines.append, "after this image") as signals:
        signals.should_stop()
        os.kill(HERE, signal.SIGINT)
        assert wait_for(lines, 1) == ["Stopping after this image. Press Ctrl-C again to stop at once."]


def test_the_second_signal_is_raised():
    lines = []
    with stop_signals(lines.append) as signals:
        signals.should_stop()
        os.kill(HERE, signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt) as error:
            os.kill(HERE, signal.SIGINT)
        assert wait_for(lines, 2)[1] == "Stopping at once."
        assert exit_code(error.value) == 130
        # While the checkpoint is saved.
        with pytest.raises(Terminated) as error:
            os.kill(HERE, signal.SIGTERM)
        assert exit_code(error.value) == 143


def test_a_closed_terminal_is_never_a_second_signal():
    """The system tells the group of processes, and the shell each of its jobs."""
    lines = []
    with stop_signals(lines.append) as signals:
        signals.should_stop()
        for number in (signal.SIGHUP, signal.SIGHUP):
            os.kill(HERE, number)
        assert "terminal was closed" in signals.should_stop()
        with pytest.raises(Terminated):
            os.kill(HERE, signal.SIGTERM)
    assert lines[0].startswith("SIGHUP, as the terminal was closed")
    assert lines[1:] == ["Stopping at once."]


def test_under_nohup_a_closed_terminal_is_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals(print) as signals:
            signals.should_stop()
            os.kill(HERE, signal.SIGHUP)
            assert signals.should_stop() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_that_came_as_one_while_tensorflow_worked_count_each():
    """Python calls a handler once for all signals of a kind that came during one call into C."""
    lines = []
    with stop_signals(lines.append) as signals:
        signals.should_stop()
        signals._received = 2
        with pytest.raises(KeyboardInterrupt):
            os.kill(HERE, signal.SIGINT)


def test_before_the_first_step_a_signal_ends_the_command():
    lines = []
    with stop_signals(lines.append), pytest.raises(Terminated):
        os.kill(HERE, signal.SIGTERM)
    assert lines == []


def test_handlers_are_restored():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stop_signals(print) as signals:
        assert signal.getsignal(signal.SIGINT) == signals.handle
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    wakeup = signal.set_wakeup_fd(-1)
    assert wakeup == -1


def test_outside_of_the_main_thread_nothing_is_handled():
    answers = []

    def work():
        with stop_signals(print) as signals:
            answers.append(signals.should_stop())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [None]
