"""Decodes text files: UTF-8, or UTF-16 as Windows writes it (for example PowerShell's `>` and Out-File)."""

from __future__ import annotations

import codecs
import re

# UTF-32's little-endian mark begins with UTF-16's, so it comes first.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_UTF8 = "utf-8"
_OBVIOUS_BYTES = 64  # without a byte order mark, UTF-16 is recognized by the zero bytes among this many
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
# Also after leading spaces, which XML does not allow.
_LATE = re.compile(rb"""\A(\s+)(<\?xml([^>]*encoding\s*=\s*["']([\w.-]+))?[^>]*\?>)""")
_WIDE = re.compile(rb"""\A\s*<\?xml[^>]*encoding\s*=\s*["'](utf-?16|utf-?32|ucs-?2|unicode)""", re.IGNORECASE)


def encoding_of(data: bytes) -> tuple[str, int]:
    """The Unicode encoding of a text, of which `data` is all or the beginning, and the length of its byte order mark.

    Without a mark a text is UTF-8, unless nearly every other byte at its beginning is zero: all annotation formats
    begin with ASCII.
    """
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding, len(mark)
    start = data[:_OBVIOUS_BYTES]
    even, odd = start[::2], start[1::2]
    if odd and odd.count(0) > 0.8 * len(odd) and not even.count(0):
        return "utf-16-le", 0
    if odd and even.count(0) > 0.8 * len(even) and not odd.count(0):
        return "utf-16-be", 0
    return _UTF8, 0


def decode(data: bytes) -> str:
    """The text of a file; UnicodeDecodeError, with the position after the byte order mark, if it cannot be decoded."""
    encoding, mark = encoding_of(data)
    return data[mark:].decode(encoding)


def decode_start(data: bytes) -> str:
    """The text of a file's beginning, which may be cut in the middle of a character, for detection only."""
    encoding, mark = encoding_of(data)
    return data[mark:].decode(encoding, "replace")


def xml_for_lxml(data: bytes) -> tuple[bytes, str | None]:
    """The bytes of an xml, and the encoding to read them in (None: the one that they declare).

    A declaration may be wrong, if the file was saved again in UTF-16 or UTF-8; and it may come after spaces.
    """
    encoding, _ = encoding_of(data)
    if late := _LATE.match(data):
        return late[1] + _blank_lines(late[2]) + data[late.end() :], late[4].decode() if late[4] else None
    if encoding != _UTF8:
        return _DECLARATION.sub(lambda found: _blank_lines(found[0]), decode(data)).encode(), "utf-8"
    return data, "utf-8" if _WIDE.match(data.removeprefix(codecs.BOM_UTF8)) else None


def _blank_lines(text):
    """Only the line breaks of a text or bytes, so that messages have the right line numbers."""
    return b"\n" * text.count(b"\n") if isinstance(text, bytes) else "\n" * text.count("\n")
