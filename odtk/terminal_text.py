"""Escapes text for terminals, as names of files and classes come from others and may hold control sequences.

All output of the command line goes through `Escaping` streams. Tables and progress bars, which rich draws with its own
control sequences, get text that is already escaped.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import TextIO

# Control characters (C0, DEL, C1) except tab and line feed; line and paragraph separators; bidirectional controls;
# invisible characters; lone surrogates, which cannot be encoded. Joiners, which some scripts need, are kept.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
# Bold, not bold, six colors and their end, which commands print. In a name they are harmless.
_COLORS = re.compile(r"(\x1b\[(?:0|1|22|(?:1;)?3[1-6])m)")


def escaped(text: str) -> str:
    r"""`text` with escapes such as `\x1b` and `\u202e` for control characters, except tabs and line feeds."""
    return text if text.isascii() and text.isprintable() else _STEERING.sub(_escape, text)


def on_one_line(text: str) -> str:
    r"""`text` with escapes for line feeds too."""
    return escaped(text).replace("\n", r"\n")


def _escape(match: re.Match) -> str:
    number = ord(match.group())
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


class Escaping:
    """A text stream that writes escaped text to another; colors are kept on a terminal and removed elsewhere."""

    def __init__(self, stream: TextIO | Surviving):
        self.rich_proxied_file = stream  # rich looks for its underlying stream under this name
        self._keeps_colors = stream.isatty() and not os.environ.get("NO_COLOR")
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Writes `text`, escaped; returns its length."""
        # Every second piece is a color.
        pieces = _COLORS.split(text)
        pieces[::2] = map(escaped, pieces[::2])
        self.rich_proxied_file.write("".join(pieces if self._keeps_colors else pieces[::2]))
        return len(text)

    def writelines(self, lines) -> None:
        """Writes each of `lines`."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str):
        return getattr(self.rich_proxied_file, name)


class Surviving:
    """A text stream that forgets what another one cannot take: its terminal was closed, or the reader of its pipe."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes `text` if possible; returns its length."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flushes the other stream if possible."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


@contextlib.contextmanager
def escaping_streams() -> Iterator[None]:
    """Makes stdout and stderr escape their output while the block runs.

    What stderr cannot take is lost: no command, which may train for days, ends because its messages cannot be read.
    """
    streams = sys.stdout, sys.stderr
    # A stream is None if the process was started without it.
    for stream in filter(None, streams):
        _take_all_letters(stream)
    if sys.stdout is not None:
        sys.stdout = Escaping(sys.stdout)
    if sys.stderr is not None:
        sys.stderr = Escaping(Surviving(sys.stderr))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def _take_all_letters(stream: TextIO) -> None:
    """Makes a stream escape characters that it cannot encode; Click would bypass a stream that is only ASCII."""
    if hasattr(stream, "reconfigure") and stream.encoding:
        is_ascii = codecs.lookup(stream.encoding).name == "ascii"
        stream.reconfigure(encoding="utf-8" if is_ascii else None, errors="backslashreplace")
