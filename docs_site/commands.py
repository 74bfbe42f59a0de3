"""The commands of odtk that pages tell a reader to type."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_PROMPT = re.compile(r"^\$ ")
_SPAN = re.compile(r"`(odtk [^`]+)`", re.DOTALL)
_ENDS = {"&&", "||", "|", ";", "&", ">", ">>", "<"}


class Command(NamedTuple):
    """The words of a command after `odtk`, and where it stands; `is_whole` if it is a line of its own."""

    words: tuple[str, ...]
    page: Path
    line: int
    is_whole: bool

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}: odtk {' '.join(self.words)}"


def block_commands(page: Path) -> Iterator[Command]:
    """Commands in blocks of code, where lines begin with `odtk` or have it after a pipe or `&&`."""
    lines = page.read_text("utf-8").splitlines()
    for number, text in _code_lines(lines):
        for words in _split(_PROMPT.sub("", text)):
            if words[:1] == ["odtk"] and len(words) > 1:
                yield Command(tuple(words[1:]), page, number, True)


def named_commands(page: Path) -> Iterator[Command]:
    """Commands in the text, between backticks: often without their arguments."""
    text = page.read_text("utf-8")
    code = {number for number, _ in _code_lines(text.splitlines())}
    for found in _SPAN.finditer(text):
        number = text.count("\n", 0, found.start()) + 1
        if number not in code:
            # In a table's cell a bar is escaped; `...` stands for what is left out.
            said = " ".join(found[1].replace("\\|", "|").split())
            for words in _split(said):
                if words[:1] == ["odtk"] and len(words) > 1:
                    yield Command(tuple(word for word in words[1:] if word != "..."), page, number, False)


def _code_lines(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The lines of blocks of code with their numbers, those that a backslash continues joined."""
    fenced, kept, started = False, "", 0
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            started = started if kept else number
            kept += line.strip()
            if kept.endswith("\\"):
                kept = kept[:-1]
                continue
            yield started, kept
            kept = ""


def _split(text: str) -> Iterator[list[str]]:
    """The words of each command of a line of a shell; nothing of a line that is none."""
    if "odtk" not in text:
        return
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>")
    lexer.wordchars += "{}[]=:,?*+@%!/~.-$"
    lexer.commenters = "#"
    try:
        words = list(lexer)
    except ValueError:  # output of a command, with an apostrophe
        return
    command: list[str] = []
    for word in [*words, ";"]:
        if word not in _ENDS:
            command.append(word)
            continue
        if command:
            yield command
        command = []
