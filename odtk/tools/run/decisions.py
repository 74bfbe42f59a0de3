"""Whether a stage has to run, and why: what it would take now against what it took when it ran last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from odtk.prototext.schema import some
from odtk.tools.run.keys import GO_ON, MADE, NOTHING, SECTIONS, START_OVER
from odtk.tools.run.lock_file import BEGUN, DONE, Entry
from odtk.tools.run.project import Stage
from odtk.tools.run.stage_files import SCHEDULE, STEPS, Digests

_NAMED = 4


@dataclass(frozen=True)
class Decision:
    """Whether a stage runs, and the reason in words."""

    runs: bool
    reason: str
    goes_on: bool = False
    """Whether training goes on where it ended, instead of starting over."""
    is_edited: bool = False
    """Whether the outputs are neither missing nor what the stage wrote."""
    is_unknown: bool = False
    """Whether something is there that no run of this project wrote."""


def decide(
    stage: Stage,
    entry: Entry | None,
    inputs: Digests,
    outputs: Digests,
    is_there: bool,
    revision: int,
    force: str | None = None,
) -> Decision:
    """What to do about a stage, as `entry` says what it took and gave; `inputs` and `outputs` are those of now.

    `is_there`: whether anything lies where it writes; `force`: FRESH or BEGUN if it runs even if nothing changed.
    """
    if entry is None:
        return Decision(True, "it has not run yet", is_unknown=is_there)
    if _places(stage.values) != _places(entry.options):
        return Decision(True, "its output is to be elsewhere", is_unknown=is_there)
    changes = list(_changes(stage, entry, inputs, revision))
    starts_over = any(change == START_OVER for change, _ in changes)
    words = some([text for _, text in changes if text], _NAMED)
    is_edited = entry.state == DONE and bool(outputs) and outputs != entry.outputs
    is_under_way = force == BEGUN and entry.state != DONE and not changes
    if force and not is_under_way:
        return Decision(True, "it is forced", is_edited=is_edited)
    if changes:
        return Decision(True, words, goes_on=not starts_over, is_edited=is_edited)
    if entry.state != DONE:
        return Decision(True, entry.reason or "it was interrupted", goes_on=True)
    missing = entry.outputs.keys() - outputs.keys()
    if missing:
        return Decision(True, f"its {_and(sorted(missing))} are missing" if len(missing) > 1 else _is_missing(missing))
    if is_edited:
        others = sorted(name for name in outputs if outputs[name] != entry.outputs.get(name))
        return Decision(True, f"its {_and(others)} changed since it ran", goes_on=True, is_edited=True)
    return Decision(False, "nothing changed")


def options_of(stage: Stage) -> dict[str, Any]:
    """What is recorded of a stage's options: those that are not at their defaults."""
    keys = SECTIONS[stage.name].keys
    return {key: value for key, value in stage.values.items() if value != keys[key].default}


def _places(options: Mapping[str, Any]) -> list[Any]:
    """Where a stage writes to."""
    return [options.get(key) for key in dict.fromkeys(key for _, key in MADE)]


def _changes(stage: Stage, entry: Entry, inputs: Digests, revision: int) -> Iterator[tuple[str, str]]:
    """What each change asks for, and its words."""
    now = options_of(stage)
    for key in sorted(now.keys() | entry.options.keys()):
        before, after = entry.options.get(key), now.get(key)
        known = SECTIONS[stage.name].keys.get(key)
        change = known.change if known else START_OVER
        if before != after and change != NOTHING:
            yield change, f"{key} {_shown(before)} -> {_shown(after)}"
    for change, text in _input_changes(entry.inputs, inputs):
        is_told = text.startswith(STEPS) and entry.options.get("num-steps") != now.get("num-steps")
        yield change, "" if is_told else text
    if revision != entry.revision:
        yield START_OVER, f"odtk does this otherwise since version {entry.odtk}"


def _input_changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    longer = int(now.get(STEPS, 0)) > int(before.get(STEPS, 0))
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if name == STEPS:
            yield GO_ON if longer else START_OVER, f"steps {old} -> {new}"
        elif name == SCHEDULE:
            yield GO_ON if longer else START_OVER, f"the {name} changed"
        else:
            yield START_OVER, f"the {name} {_how(old, new)}"


def _how(old: str | None, new: str | None) -> str:
    """`changed (480 -> 481 files)`."""
    if old is None or new is None:
        return "is new" if old is None else "is missing"
    counts = [each.partition(", ")[0] for each in (old, new) if ", " in each]
    return f"changed ({counts[0].split()[0]} -> {counts[1]})" if len(set(counts)) == 2 else "changed"


def _shown(value: Any) -> str:
    return "unset" if value is None else str(value)


def _is_missing(missing) -> str:
    (name,) = missing
    return f"its {name} is missing"


def _and(names: list[str]) -> str:
    return " and ".join(names)
