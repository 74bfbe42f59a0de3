"""Reads text-format files: from a path to text, from text to a message, with helpful error messages."""

import codecs
import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import text_encoding, text_format
from google.protobuf.message import Message

from odtk import files
from odtk.errors import OdtkError
from odtk.prototext.diagnosis import at, diagnose
from odtk.prototext.syntax import MOST_KEPT, map_blanks, tokenize

_M = TypeVar("_M", bound=Message)

MAX_BYTES = 16 * 2**20
"""Of a config or a label map; 200,000 classes are half of that, and a parsed message needs fifty times the memory."""


_LONG_BLANKS = re.compile(r"[^\S\n]{10000,}")


def read_text(path: str | os.PathLike, what: str, error: type[OdtkError]) -> str:
    """The text of a file, with its line ends; `what` is the expected kind of file ("a pipeline config").

    Raises `error` if there is no such file, or if it is a folder, a pipe, empty, binary, not UTF-8, or has more than
    MAX_BYTES.
    """
    path = Path(path)
    if path.is_dir():
        inside = path / "pipeline.config"
        hint = f"Did you mean {inside}?" if inside.is_file() and "config" in what else "Give the file in it."
        raise error(f"{path} is a folder, but {what} is expected. {hint}")
    try:
        data = files.read_bounded(path, MAX_BYTES)
    except OSError as reason:
        raise error(f"{path} cannot be read ({reason.strerror}). Give a file with {what}.") from reason
    return _decode(data, path, what, error)


def _decode(data: bytes, path: Path, what: str, error: type[OdtkError]) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise error(f"{path} is UTF-16 text, as some Windows programs write it. Save it as UTF-8.")
    if b"\0" in data:
        raise error(f"{path} is a binary file, but {what}, which is text, is expected. Give another file.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        line = data.count(b"\n", 0, reason.start) + 1
        raise error(
            f"{path}:{line}: a byte that is not UTF-8 (0x{data[reason.start]:02x}). If this is {what}, save it as "
            f"UTF-8; otherwise give another file."
        ) from reason
    if not text.strip():
        raise error(f"{path} is empty, but {what} is expected.")
    return text


def parse(text: str, message: _M, filename: str, error: type[OdtkError]) -> _M:
    """Parses `text` into the empty `message`, which is returned; text_format decides what is valid.

    Raises `error` with file, line, column, the offending line, a caret and the likely cause. A field that is set
    twice is an error (TFOD silently uses the last one), and so is a control character from an escape in a string: no
    name and no path has one, so the escape must be a Windows path's backslash.
    """
    _refuse_surrogates(text, filename, error)
    if _LONG_BLANKS.search(text):
        # Line numbers are kept; text_format needs 300 bytes of memory for each space in a row.
        text = map_blanks(text, lambda blank: _LONG_BLANKS.sub(" ", blank))
    try:
        message.CopyFrom(_parsed(text, message))
    except text_format.ParseError as reason:
        raise error(diagnose(text, reason, message.DESCRIPTOR, filename)) from None
    _refuse_control_characters(text, filename, error)
    return message


def _parsed(text: str, empty: _M) -> _M:
    kind: Callable[[], Any] = type(empty)
    return _kept(text, kind) if len(text) <= MOST_KEPT else text_format.Parse(text, kind())


# A command parses one config again and again: to set a field, to find the line of another, to compare it with an
# earlier one. That is most of the time of those that do not compute.
@functools.lru_cache(maxsize=32)
def _kept(text: str, kind: Callable[[], Any]) -> Any:
    return text_format.Parse(text, kind())


def _refuse_surrogates(text: str, filename: str, error: type[OdtkError]) -> None:
    """Raises `error` for lone surrogates, which no file has but Python strings may, and on which protobuf fails."""
    try:
        text.encode()
    except UnicodeEncodeError as reason:
        cause = f"an invalid character (a lone surrogate, U+{ord(text[reason.start]):X}). Type it again."
        raise error(at(text.replace(text[reason.start], "?"), reason.start, filename, cause)) from None


def _refuse_control_characters(text: str, filename: str, error: type[OdtkError]) -> None:
    for token in tokenize(text) if "\\" in text else ():
        if token.kind == "string" and "\\" in token.text:
            meant = text_encoding.CUnescape(token.text[1:-1])
            if any(byte < 0x20 for byte in meant):
                cause = (
                    f"the backslash makes a control character of what follows ({token.text}). Write paths with /, "
                    f'or double each backslash: "C:/data/x".'
                )
                raise error(at(text, token.start + token.text.index("\\"), filename, cause))
