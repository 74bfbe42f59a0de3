"""Text for terminals: names of files and classes come from strangers, and may hold what steers a terminal.

The command line writes through `Escaping` streams, so that nothing it prints gets past; tables and bars, which rich
draws with control codes of its own, are given texts that are escaped before.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import TextIO

# Control characters (C0, DEL, C1) but for tab and line feed; line and paragraph separators; what turns the direction of
# writing (bidi); what cannot be seen at all; half characters, which no stream takes. Joiners, which some scripts need,
# stay.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
# Bold, not bold, six colors and their end, as commands print them. A name can have them, too, and hides nothing.
_COLORS = re.compile(r"(\x1b\[(?:0|1|22|(?:1;)?3[1-6])m)")


def escaped(text: str) -> str:
    r"""`text` with escapes, such as `\x1b` and `\u202e`, for characters that steer a terminal; tabs and lines stay."""
    return text if text.isascii() and text.isprintable() else _STEERING.sub(_escape, text)


def on_one_line(text: str) -> str:
    r"""A name, with `\n` for its line feeds as well."""
    return escaped(text).replace("\n", r"\n")


def _escape(match: re.Match) -> str:
    number = ord(match.group())
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


class Escaping:
    """A text stream that writes to another what `escaped` makes of it; colors stay on a terminal, and go elsewhere."""

    def __init__(self, stream: TextIO):
        self.rich_proxied_file = stream  # under this name rich finds what to draw on
        self._keeps_colors = stream.isatty() and not os.environ.get("NO_COLOR")
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Writes `text`, escaped; returns its length."""
        # Every other piece is a color.
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


@contextlib.contextmanager
def escaping_streams() -> Iterator[None]:
    """Has stdout and stderr escape what is written to them, while the block runs."""
    streams = sys.stdout, sys.stderr
    # None where the process was started without.
    for stream in filter(None, streams):
        _take_all_letters(stream)
    sys.stdout, sys.stderr = (stream if stream is None else Escaping(stream) for stream in streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def _take_all_letters(stream: TextIO) -> None:
    """Has a stream show escapes for what it has no letters for; past one with ASCII alone Click would write."""
    if hasattr(stream, "reconfigure") and stream.encoding:
        is_ascii = codecs.lookup(stream.encoding).name == "ascii"
        stream.reconfigure(encoding="utf-8" if is_ascii else None, errors="backslashreplace")
