"""Reads text-format files: from a path to text, from text to a message, with errors that a person can act on."""

import codecs
import os
import re
from pathlib import Path
from typing import TypeVar

from google.protobuf import text_encoding, text_format
from google.protobuf.message import Message

from odtk import files
from odtk.errors import OdtkError
from odtk.prototext.diagnosis import at, diagnose
from odtk.prototext.syntax import map_blanks, tokenize

_M = TypeVar("_M", bound=Message)

MAX_BYTES = 16 * 2**20
"""Of a config or a label map; 200,000 classes are half of that, and what is parsed takes fifty times as much memory."""


_LONG_BLANKS = re.compile(r"[^\S\n]{10000,}")


def read_text(path: str | os.PathLike, what: str, error: type[OdtkError]) -> str:
    """The text of a file, line ends untouched; `what` is what the file should be ("a pipeline config").

    Raises `error` where there is no such file, where it is a folder, a pipe, empty, binary, not UTF-8, or has more than
    MAX_BYTES.
    """
    path = Path(path)
    if path.is_dir():
        inside = path / "pipeline.config"
        hint = f"Did you mean {inside}?" if inside.is_file() and "config" in what else "Name the file in it."
        raise error(f"{path} is a folder, where {what} is expected. {hint}")
    try:
        data = files.read_bounded(path, MAX_BYTES)
    except OSError as reason:
        raise error(f"{path} cannot be read ({reason.strerror}). Name a file that holds {what}.") from reason
    return _decode(data, path, what, error)


def _decode(data: bytes, path: Path, what: str, error: type[OdtkError]) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise error(f"{path} is UTF-16 text, as some Windows programs write it. Save it as UTF-8.")
    if b"\0" in data:
        raise error(f"{path} is a binary file, where {what} is expected, which is text. Name another file.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        line = data.count(b"\n", 0, reason.start) + 1
        raise error(
            f"{path}:{line}: a byte that is not UTF-8 (0x{data[reason.start]:02x}). If this is {what}, save it as "
            f"UTF-8; otherwise name another file."
        ) from reason
    if not text.strip():
        raise error(f"{path} is empty, where {what} is expected.")
    return text


def parse(text: str, message: _M, filename: str, error: type[OdtkError]) -> _M:
    """Parses `text` into `message`, which is returned; text_format is the judge.

    Raises `error` with file, line, column, the offending line, a caret and the likely cause. A field that is set
    twice is an error (TFOD takes the last one without a word), and so is a control character that an escape put into
    a string: no name and no path has one, so the escape is a Windows path's backslash.
    """
    _refuse_surrogates(text, filename, error)
    if _LONG_BLANKS.search(text):
        # Lines keep their numbers; text_format takes 300 bytes of memory for each blank in a row.
        text = map_blanks(text, lambda blank: _LONG_BLANKS.sub(" ", blank))
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as reason:
        raise error(diagnose(text, reason, message.DESCRIPTOR, filename)) from None
    _refuse_control_characters(text, filename, error)
    return message


def _refuse_surrogates(text: str, filename: str, error: type[OdtkError]) -> None:
    """No file has half a character; Python's strings may, and protobuf's own lookups fail on them in odd ways."""
    try:
        text.encode()
    except UnicodeEncodeError as reason:
        cause = f"half a character (a lone surrogate, U+{ord(text[reason.start]):X}). Type it again."
        raise error(at(text.replace(text[reason.start], "?"), reason.start, filename, cause)) from None


def _refuse_control_characters(text: str, filename: str, error: type[OdtkError]) -> None:
    for token in tokenize(text):
        if token.kind == "string" and "\\" in token.text:
            meant = text_encoding.CUnescape(token.text[1:-1])
            if any(byte < 0x20 for byte in meant):
                cause = (
                    f"the backslash makes a control character of what follows ({token.text}). Write paths with /, "
                    f'or double each backslash: "C:/data/x".'
                )
                raise error(at(text, token.start + token.text.index("\\"), filename, cause))
