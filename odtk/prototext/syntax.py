"""The text of a text-format message as a tree of spans, for editing in place and for error positions.

Offsets are character offsets into the text; lines and columns count from 1. The grammar is that of
`google.protobuf.text_format` (fields with or without colon, `{ }` and `< >`, `[a, b]` lists, adjacent strings, `#`
comments, `,` and `;` after a field, `[extension.names]`); only what text_format accepts needs to be read here.
"""

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

OPENING = {"{": "}", "<": ">"}

MAX_DEPTH = 100
"""Of nested messages; no schema here is a tenth as deep."""

MOST_KEPT = 50_000
"""Characters of a text that is not read again when it comes again; large ones would fill the memory."""

# The repeated groups match as much as possible at once: each repetition of a group with alternatives takes memory.
_TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
    |(?P<name>[a-zA-Z_][0-9a-zA-Z_+-]*)
    |(?P<number>(?:[0-9+-]|\.[0-9])[0-9a-zA-Z_.+-]*)
    |(?P<string>"[^"\n\\]*(?:\\.[^"\n\\]*)*(?:"|\\?(?=\n|\Z))|'[^'\n\\]*(?:\\.[^'\n\\]*)*(?:'|\\?(?=\n|\Z)))
    |(?P<symbol>.)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token: kind is `name`, `number`, `string` or `symbol`."""

    kind: str
    text: str
    start: int
    end: int


@dataclass
class Scalar:
    """A number, name or string (adjacent strings are one), text[start:end]."""

    start: int
    end: int


@dataclass
class Message:
    """A message: text[start:end] with its braces; the root has none and spans the whole text."""

    start: int
    end: int
    entries: list["Entry"] = field(default_factory=list)
    is_root: bool = False

    def named(self, name: str) -> list["Entry"]:
        """The entries of a field, in order."""
        return [entry for entry in self.entries if entry.name == name]


@dataclass
class Entry:
    """A field as written: text[start:end] with its separator; `name: [a, b]` has several values."""

    name: str
    start: int
    end: int
    values: list["Scalar | Message"]
    is_list: bool


def tokenize(text: str, start: int = 0, end: int | None = None) -> Iterator[Token]:
    """The tokens of text[start:end], without spaces and comments; never fails."""
    for match in _TOKEN.finditer(text, start, len(text) if end is None else end):
        if match.lastgroup and match.lastgroup != "blank":
            yield Token(match.lastgroup, match.group(), match.start(), match.end())


def map_blanks(text: str, change: Callable[[str], str]) -> str:
    """The text with `change` applied to each run of spaces and each comment; strings stay as they are."""
    return _TOKEN.sub(lambda match: change(match.group()) if match.lastgroup == "blank" else match.group(), text)


def read_tree(text: str) -> Message:
    """The tree of a text that text_format accepts, which must not be changed.

    Anything else, and MAX_DEPTH, raises ValueError.
    """
    return _kept_tree(text) if len(text) <= MOST_KEPT else _Reader(text).root()


@functools.lru_cache(maxsize=32)
def _kept_tree(text: str) -> Message:
    return _Reader(text).root()


def line_of(text: str, offset: int) -> int:
    """The line (from 1) that holds an offset."""
    return text.count("\n", 0, offset) + 1


def column_of(text: str, offset: int) -> int:
    """The column (from 1) of an offset."""
    return offset - text.rfind("\n", 0, offset)


def line_span(text: str, offset: int) -> tuple[int, int]:
    """Where the line that holds an offset begins, and where it ends."""
    end = text.find("\n", offset)
    return text.rfind("\n", 0, offset) + 1, len(text) if end < 0 else end


def offset_of(text: str, line: int, column: int) -> int:
    """The offset of a line and column."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return min(start + column - 1, len(text))


class _Reader:
    def __init__(self, text: str):
        self._text = text
        self._rest = itertools.chain(tokenize(text), [Token("end", "", len(text), len(text))])
        self._token = next(self._rest)
        self._end = 0  # of the token before
        self._depth = 0

    def _take(self) -> Token:
        taken = self._token
        self._token, self._end = next(self._rest, taken), taken.end
        return taken

    def _take_if(self, *symbols: str) -> Token | None:
        return self._take() if self._token.kind == "symbol" and self._token.text in symbols else None

    def root(self) -> Message:
        message = Message(0, len(self._text), is_root=True)
        while self._token.kind != "end":
            message.entries.append(self._entry())
        return message

    def _message(self) -> Message:
        opening = self._take()
        message = Message(opening.start, opening.end)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(f"Messages are nested more than {MAX_DEPTH} deep.")
        while not (closing := self._take_if(OPENING[opening.text])):
            message.entries.append(self._entry())
        self._depth -= 1
        message.end = closing.end
        return message

    def _entry(self) -> Entry:
        start = self._token.start
        name = self._name()
        self._take_if(":")
        is_list = bool(self._take_if("["))
        values = self._list() if is_list else [self._value()]
        self._take_if(",", ";")
        return Entry(name, start, self._end, values, is_list)

    def _name(self) -> str:
        if not self._take_if("["):
            if self._token.kind not in ("name", "number"):
                raise ValueError(f"Expected a field name at line {line_of(self._text, self._token.start)}.")
            return self._take().text
        parts = ["["]
        while not self._take_if("]"):
            parts.append(self._value_token().text)
        return "".join([*parts, "]"])

    def _list(self) -> list[Scalar | Message]:
        values = []
        while not self._take_if("]"):
            values.append(self._value())
            self._take_if(",")
        return values

    def _value(self) -> Scalar | Message:
        if self._token.text in OPENING:
            return self._message()
        first = last = self._value_token()
        while first.kind == "string" and self._token.kind == "string":
            last = self._take()
        return Scalar(first.start, last.end)

    def _value_token(self) -> Token:
        if self._token.kind == "end":
            raise ValueError("The text ends inside a message.")
        return self._take()
