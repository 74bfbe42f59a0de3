"""Names of strangers cannot steer a terminal, and names of people in any script stay readable."""

import contextlib
import io
import os
import sys
import unicodedata

import click
import pytest

from odtk.progress import track
from odtk.terminal_text import Escaping, escaped, escaping_streams, on_one_line

STEERING = [
    "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x08\x08", "\r", "\x00", "\x7f", "\u202e", "\u2066", "\u200f", "\u061c",
    "\u2028", "\u200b", "\ufeff", "\udcff",
]  # fmt: skip
BIDI = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
READABLE = [
    "Bläuling",
    "猫",
    "قطة",
    "می\u200cخواهم",
    "क्\u200dष",
    "👩\u200d🚀",
    "a b",
    "a\tb",
    "100%",
    "[red]",
    "C:\\data",
]


@pytest.mark.parametrize("text", STEERING)
def test_what_steers_is_shown(text):
    shown = escaped(f"a{text}b")
    assert shown[0] + shown[-1] == "ab"
    assert shown.isascii()
    assert shown.isprintable()
    assert shown[1:-1].encode().decode("unicode_escape") == text  # so that a user can tell what it was


@pytest.mark.parametrize("text", READABLE)
def test_what_is_read_stays(text):
    assert escaped(text) == on_one_line(text) == text


def test_no_control_and_no_direction_is_left_out():
    left = [
        hex(number)
        for number in range(sys.maxunicode + 1)
        if escaped(chr(number)) == chr(number)
        and (unicodedata.category(chr(number)) in ("Cc", "Zl", "Zp", "Cs")
             or unicodedata.bidirectional(chr(number)) in BIDI)
    ]  # fmt: skip
    assert left == [hex(ord("\t")), hex(ord("\n"))]


def test_lines_of_ours_stay_and_those_of_names_do_not():
    assert escaped("two\nlines") == "two\nlines"
    assert on_one_line("a\nError: b") == r"a\nError: b"


def test_colors_stay_on_a_terminal_alone_and_hide_nothing():
    text = click.style("red", fg="red", bold=False) + " \x1b[8mhidden\x1b[2J\x1b[30;40mblack"
    stream = io.StringIO()
    Escaping(stream).write(text)
    assert stream.getvalue() == r"red \x1b[8mhidden\x1b[2J\x1b[30;40mblack"
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    Escaping(terminal).write(text)
    assert terminal.getvalue() == "\x1b[31m\x1b[22mred\x1b[0m " + r"\x1b[8mhidden\x1b[2J\x1b[30;40mblack"


def test_lines_that_are_printed_above_a_bar_are_escaped_and_the_bar_is_drawn(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    master, slave = os.openpty()
    with open(slave, "w") as terminal, contextlib.redirect_stderr(terminal), escaping_streams():
        with track("Looking at", 2, "images") as progress:
            progress.advance(note="\x1b[2Jnote")
            print("a\x1b]0;title\x07b\u202e", file=sys.stderr)
            progress.advance()
        print("after\x1b[2J", file=sys.stderr)
        terminal.flush()
        shown = b""
        while b"after" not in shown or not shown.endswith(b"\n"):
            shown += os.read(master, 100_000)
    os.close(master)
    shown = shown.decode()
    assert r"a\x1b]0;title\x07b\u202e" in shown
    assert r"after\x1b[2J" in shown
    assert "2/2" in shown
    assert "\x1b[?25l" in shown  # a bar, which hides the cursor
    assert not any(bad in shown for bad in ("\x1b]", "\u202e", "\x1b[2J"))


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_command_goes_on_when_its_terminal_or_the_reader_of_its_messages_is_gone(monkeypatch, is_terminal):
    monkeypatch.setenv("TERM", "xterm")
    reader, writer = os.openpty() if is_terminal else os.pipe()
    shown = os.fdopen(writer, "w", buffering=1)
    with contextlib.redirect_stderr(shown), escaping_streams(), track("Training", 2, "steps") as progress:
        progress.advance()
        os.close(reader)
        progress.advance()
        print("a warning", file=sys.stderr, flush=True)
        click.echo("another", err=True)
    with pytest.raises(OSError, match=r"Input/output error|Broken pipe"):
        shown.write("the stream itself\n")
    with contextlib.suppress(OSError):
        shown.close()
