"""The project file as text: a section for each stage, and the reasons as comments."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from odtk.terminal_text import on_one_line

_WIDTH = 100
_PLAIN = re.compile(r"[\w./]([\w./:-]*[\w./-])?( [\w./-]+)*")


@dataclass(frozen=True)
class Entry:
    """A key of a section with its value and a comment; if it `is_off`, it is written behind a #."""

    key: str
    value: object
    comment: str = ""
    """A phrase stands beside the key, sentences above it."""
    is_off: bool = False
    example: tuple[str, ...] = ()
    """Lines below the sentences, as they are."""

    @property
    def lines(self) -> list[str]:
        """The key and its value; those of a mapping are on lines of their own."""
        mark = "#" if self.is_off else ""
        if not isinstance(self.value, dict):
            return [f"  {mark}{self.key}: {scalar(self.value)}"]
        return [f"  {mark}{self.key}:", *(f"  {mark}  {name}: {value}" for name, value in self.value.items())]


def section(name: str, entries: Sequence[Entry]) -> list[str]:
    """The lines of a section, with sentences above their keys and phrases beside them."""
    lines = [f"{name}:"]
    for run in _runs(entries):
        if len(run) == 1 and not _is_beside(run[0]):
            lines += comment(run[0].comment, "  ") + [f"  #     {line}" for line in run[0].example] + run[0].lines
        else:
            lines += _beside(run)
    return lines


def comment(text: str, indent: str = "") -> list[str]:
    """A paragraph as lines of a comment."""
    start = f"{indent}# "
    return textwrap.wrap(on_one_line(text), _WIDTH, initial_indent=start, subsequent_indent=start,
                         break_on_hyphens=False, break_long_words=False)  # fmt: skip


def _runs(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Neighbors whose comments are written beside them, in one column; every other entry alone."""
    run: list[Entry] = []
    for entry in entries:
        if run and not (_is_beside(entry) and _is_beside(run[0])):
            yield run
            run = []
        run.append(entry)
    if run:
        yield run


def _is_beside(entry: Entry) -> bool:
    return len(entry.lines) == 1 and not entry.comment.endswith((".", ":"))


def _beside(run: Sequence[Entry]) -> list[str]:
    column = max((len(entry.lines[0]) for entry in run if entry.comment), default=0) + 2
    return [
        f"{entry.lines[0]:{column}}# {on_one_line(entry.comment)}" if entry.comment else entry.lines[0] for entry in run
    ]


def scalar(value: object) -> str:
    """A value as YAML, in quotes where it could be read as something else."""
    text = str(value)
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in ("null", "~")
    return text if is_plain else on_one_line(json.dumps(text, ensure_ascii=False))


def command(*words: str) -> str:
    """A command on one line, to be pasted into a shell."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """As shlex does it; a line feed would end a comment, so words with control characters stand in $'...'."""
    if on_one_line(word) == word:
        return shlex.quote(word)
    plain = word.replace("\\", r"\\").replace("'", r"\'")
    return f"$'{on_one_line(plain)}'"
