"""What progress prints. A clock of our own: no test waits, and none depends on how fast the machine is."""

import io
import re
import sys

import pytest

from odtk import progress


class Clock:
    """Stands for time.monotonic; `clock.now` is moved by hand."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    return clock


@pytest.fixture
def printed(capsys):
    """The lines on stderr so far; stdout must be empty, for it belongs to results."""

    def lines():
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err.splitlines()

    return lines


def test_the_line_has_count_rate_eta_and_note(clock, printed):
    with progress.track("Training", 600, "steps") as bar:
        clock.now += 10
        bar.update(40, "loss 0.52")
        assert bar.line() == "Training 40/600 steps, 4 steps/s, ETA 2:20, loss 0.52"
    assert printed() == ["Training 40/600 steps, 4 steps/s, ETA 2:20, loss 0.52"]


def test_plain_lines_come_every_ten_seconds_and_at_the_end(clock, printed):
    with progress.track("Writing", 100, "images") as bar:
        for _ in range(25):
            clock.now += 1
            bar.advance(4)
    assert [line.split(",")[0] for line in printed()] == [
        "Writing 4/100 images",
        "Writing 44/100 images",
        "Writing 84/100 images",
        "Writing 100/100 images",
    ]


def test_the_last_line_is_not_said_twice(clock, printed):
    with progress.track("Writing", 1, "images") as bar:
        clock.now += 1
        bar.advance()
    assert printed() == ["Writing 1/1 images, 1 images/s"]


def test_a_total_that_was_an_estimate_ends_as_what_was_done(clock, printed):
    with progress.track("Predicting", 92, "images") as bar:
        bar.update(75)
        bar.all_done()
    assert [line.split(",")[0] for line in printed()] == ["Predicting 75/92 images", "Predicting 75/75 images"]


@pytest.mark.parametrize(("count", "rate"), [(1954, "1,954"), (170, "170"), (3, "3")])
def test_a_high_rate_is_no_power_of_ten(clock, printed, count, rate):
    with progress.track("Writing", count, "images") as bar:
        clock.now += 1
        bar.advance(count)
    assert printed() == [f"Writing {count}/{count} images, {rate} images/s"]


def test_a_resumed_run_counts_on_but_its_rate_is_of_this_run(clock, printed):
    with progress.track("Training", 600, "steps", completed=400) as bar:
        clock.now += 10
        bar.advance(100)
    assert printed() == ["Training 500/600 steps, 10 steps/s, ETA 0:10"]


def test_without_a_total_there_is_no_eta(clock, printed):
    with progress.track("Reading", None, "records") as bar:
        clock.now += 2
        bar.advance(8)
    assert printed() == ["Reading 8 records, 4 records/s"]


def test_an_error_ends_with_how_far_it_came(clock, printed):
    def write_two_of_three():
        with progress.track("Writing", 3, "images") as bar:
            for _ in range(2):
                clock.now += 1
                bar.advance()
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        write_two_of_three()
    assert printed()[-1] == "Writing 2/3 images, 1 images/s, ETA 0:01"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3599, "59:59"), (3661, "1:01:01")]
)
def test_the_clock(seconds, words):
    assert progress.as_clock(seconds) == words


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def open_terminal(monkeypatch):
    """`open_terminal(columns)` makes stderr such a terminal; within the test, as pytest sets stderr before it."""

    def open_terminal(columns):
        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))
        return terminal

    return open_terminal


def last_drawing(terminal):
    """What the bar showed last, without colors."""
    return re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", terminal.getvalue()).rsplit("\r", 1)[-1].rstrip("\n")


NOTE = "loss 2.08, cls 1.1, loc 0.742, lr 0.0025, reg 0.239"


def test_a_terminal_gets_a_live_bar_on_stderr(open_terminal, capsys):
    terminal = open_terminal(columns=140)
    with progress.track("Training", 600, "steps") as bar:
        bar.update(40, NOTE)
    drawn = last_drawing(terminal)
    assert re.match(rf"Training \S+ +40/600 \S+ steps/s \S+ {NOTE}", drawn)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("columns", "parts"),
    [(100, NOTE), (80, "loss 2.08, cls 1.1, loc 0.742, lr 0.0025"), (60, "loss 2.08, cls 1.1"), (46, "los.*…")],
)
def test_a_narrow_terminal_leaves_out_the_bar_and_the_last_parts_of_the_note(clock, open_terminal, columns, parts):
    terminal = open_terminal(columns)
    with progress.track("Training", 25000, "steps") as bar:
        clock.now += 1000
        bar.update(12000, NOTE)
    drawn = last_drawing(terminal)
    assert "\n" not in drawn
    assert len(drawn) <= columns
    assert re.fullmatch(rf"Training 12000/25000 12 steps/s \S+:\S\S {parts}", drawn.rstrip())


def test_what_happens_before_the_first_update_is_said_at_once(clock, printed, open_terminal):
    with progress.track("Training", 600, "steps", compiles=True, note="compiling the first step") as bar:
        assert printed() == ["Training 0/600 steps, compiling the first step"]
        clock.now += 60
        bar.update(1, "loss 2")
    assert printed() == ["Training 1/600 steps, loss 2"]
    with progress.track("Evaluating", 5, "images", note="compiling the model") as bar:
        clock.now += 1
        bar.update(5)
    assert printed() == ["Evaluating 0/5 images, compiling the model", "Evaluating 5/5 images, 5 images/s"]
    terminal = open_terminal(columns=80)
    with progress.track("Training", 600, "steps", note="compiling the first step"):
        pass
    assert "compiling the first step" in last_drawing(terminal)


def test_a_first_update_that_compiled_is_left_out_of_the_rate(clock, capsys):
    with progress.track("Training", 600, "steps", compiles=True) as bar:
        clock.now += 60
        bar.update(1)
        assert bar.rate is None
        clock.now += 2
        bar.update(11)
        assert bar.rate == 5


def test_a_notebooks_programs_and_a_dumb_terminal_cannot_redraw_lines(open_terminal, monkeypatch):
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    assert not progress.can_redraw()  # pytest's stderr
    open_terminal(columns=80)
    assert progress.can_redraw()
    monkeypatch.setenv("TERM", "dumb")
    assert not progress.can_redraw()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("JPY_PARENT_PID", "1234")
    assert not progress.can_redraw()


def test_plain_lines_of_a_long_run_become_rarer():
    assert [progress.plain_line_seconds(elapsed) for elapsed in (0, 1000, 3000, 40000)] == [10, 10, 30, 60]


def test_what_is_printed_meanwhile_is_escaped_and_above_the_display(open_terminal, monkeypatch):
    from rich.live import Live

    terminal = open_terminal(columns=80)
    with progress.printing_above(Live("the display", console=progress.terminal(), auto_refresh=False)):
        print("a name\x1b[2J", file=sys.stderr)
    assert r"a name\x1b[2J" in terminal.getvalue()
    assert terminal.getvalue().rindex("the display") > terminal.getvalue().index("a name")
    assert sys.stderr is terminal
