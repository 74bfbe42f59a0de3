"""A pipeline.config as text on a page: numbered lines with what is wrong at them, and differences from another one."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from odtk import pipeline
from odtk.errors import ConfigError
from odtk.findings import ERROR, WARNING, Finding
from odtk.pipeline.differences import changed_fields, unified_diff
from odtk.protos import pipeline_pb2
from odtk.tools.shipped_pipelines import shipped_pipelines
from odtk.web.model_views.config_edits import Check, said

_PLACE = re.compile(r"[^\n]*?:(\d+):(?:(\d+):)? ?", re.DOTALL)


@dataclass(frozen=True)
class Message:
    """What is to be said of a line."""

    severity: str
    text: str
    line: int | None


@dataclass(frozen=True)
class Line:
    """A line with its number, from 1."""

    number: int
    text: str
    messages: list[Message] = field(default_factory=list)

    @property
    def tone(self) -> str:
        """The worst of its messages."""
        found = {message.severity for message in self.messages}
        return next((each for each in (ERROR, WARNING, "note") if each in found), "")


@dataclass(frozen=True)
class CheckedText:
    """A whole text; `messages` are those of no line."""

    lines: list[Line]
    messages: list[Message]
    counts: dict[str, int]
    parses: bool


@dataclass(frozen=True)
class DiffLine:
    """A line of a diff: its kind ("added", "removed", "place" or "") and its text with the sign."""

    kind: str
    text: str


def checked_text(text: str, check: Check, filename: str) -> CheckedText:
    """A text with what parsing or the check says of it; notes on fields without effect are left to the check."""
    try:
        found, parses = [_message(each) for each in check(text)], True
    except ConfigError as error:
        found, parses = [_of_error(str(error), filename)], False
    at = _by_line(found)
    lines = [Line(number, line, at.get(number, [])) for number, line in enumerate(text.splitlines(), start=1)]
    counts = {severity: sum(each.severity == severity for each in found) for severity in (ERROR, WARNING)}
    rest = [each for each in found if each.line is None or not 1 <= each.line <= len(lines)]
    return CheckedText(lines, rest, counts, parses)


def _by_line(messages: Sequence[Message]) -> dict[int, list[Message]]:
    found: dict[int, list[Message]] = {}
    for message in messages:
        if message.line is not None:
            found.setdefault(message.line, []).append(message)
    return found


def _message(finding: Finding) -> Message:
    return Message(finding.severity, said(finding), finding.line)


def _of_error(text: str, filename: str) -> Message:
    """An error of parsing, which names its line first and quotes it at the end."""
    place = _PLACE.match(text)
    if not text.startswith(f"{filename}:") or place is None:
        return Message(ERROR, text, None)
    return Message(ERROR, text[place.end() :].partition("\n")[0], int(place[1]))


def diff(before: str, after: str, name: str, output: str) -> list[DiffLine]:
    """How a text became another, in the form of `diff -u`."""
    kinds = {"+": "added", "-": "removed", "@": "place"}
    lines = unified_diff(before, after, name, output).splitlines()[2:]
    return [DiffLine(kinds.get(line[:1], ""), line) for line in lines]


def nearest_shipped(text: str, filename: str) -> tuple[str, str] | None:
    """The name and text of the shipped pipeline that a config differs least from; None if it cannot be read."""
    try:
        config = pipeline.parse(text, filename)
    except ConfigError:
        return None
    kind = config.model.WhichOneof("model")

    def distance(shipped: _Shipped) -> tuple[bool, int]:
        return shipped.config.model.WhichOneof("model") != kind, len(changed_fields(shipped.config, config))

    nearest = min(_shipped(), key=distance)
    return nearest.name, nearest.text


@dataclass(frozen=True)
class _Shipped:
    name: str
    text: str
    config: pipeline_pb2.TrainEvalPipelineConfig


@functools.cache
def _shipped() -> tuple[_Shipped, ...]:
    texts = [(each.name, pipeline.read_text(each.path)) for each in shipped_pipelines()]
    return tuple(_Shipped(name, text, pipeline.parse(text, name)) for name, text in texts)
