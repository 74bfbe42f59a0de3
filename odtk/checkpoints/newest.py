"""Finds the newest usable checkpoint of a folder."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from odtk import files
from odtk.checkpoints.files import is_ours, name_of, prefixes_in
from odtk.checkpoints.reader import CheckpointReader, checked_prefix
from odtk.checkpoints.state_file import STATE_FILE, State, read_state
from odtk.errors import CheckpointError, DamagedCheckpointError


@dataclass(frozen=True)
class Newest:
    """The newest usable checkpoint of a folder, and the others."""

    prefix: str
    unusable: list[str]
    """Prefixes that would have been preferred, but are damaged."""
    newer: list[str]
    """Prefixes of a higher step, which the file `checkpoint` passes over; the newest first."""
    older: list[str]
    """All other prefixes, the newest first; not checked."""


def find_checkpoint(path: str | os.PathLike, log: Callable[[str], None] = lambda line: None) -> str:
    """The prefix meant by `path`: a prefix itself, a model dir (its newest that can be used), or an exported folder.

    `log` is called with the reason if another than the newest checkpoint is used. Raises CheckpointError.
    """
    # In some stores whatever a path begins with is a folder.
    if files.exists(f"{os.fspath(path)}.index") or not files.is_folder(path):
        return checked_prefix(path)
    for folder in (os.fspath(path), files.join(path, "checkpoint")):
        newest = newest_checkpoint(folder, log) or _stated_elsewhere(folder)
        if newest is not None:
            return newest
    stated = read_state(path).stated
    missing = f" {files.join(path, STATE_FILE)} names {stated}, which is not there." if stated else ""
    raise CheckpointError(f"{path} holds no checkpoint.{missing} Train first, or choose another folder.")


def newest_checkpoint(folder: str | os.PathLike, log: Callable[[str], None] = lambda line: None) -> str | None:
    """The newest usable checkpoint of a folder; None if it has no checkpoints. See find_newest."""
    found = find_newest(folder, log)
    return found.prefix if found else None


def find_newest(
    folder: str | os.PathLike, log: Callable[[str], None] = lambda line: None, only_ours: bool = False
) -> Newest | None:
    """The newest usable checkpoint of a folder, which is read with its checksums; None if it has no checkpoints.

    The newest is the one with the highest number, or with the highest step where the two differ (TFOD counts saves).
    The file `checkpoint` has the last word on the checkpoints that it lists, so that a person can go back to an earlier
    one by editing the file; but what it does not list was saved after it was written (by a process that was killed
    then). A damaged checkpoint, or one whose weights are not finite, is passed over. `log` is called with the reason if
    another than the newest is used, or another than the file says. With `only_ours` checkpoints of other names than
    `ckpt-N` count only where the file names them. Raises DamagedCheckpointError if none can be used.
    """
    state = read_state(folder)
    prefixes = [each for each in prefixes_in(folder) if not only_ours or is_ours(each) or name_of(each) == state.newest]
    ranked, damages = _by_step(prefixes), {}
    for prefix in _by_preference(ranked, state):
        try:
            CheckpointReader(prefix).verify()
        except DamagedCheckpointError as error:
            damages[prefix] = str(error)
            continue
        for damage in damages.values():
            log(f"{damage} {prefix} is used instead.")
        newer = [each for each in ranked[: ranked.index(prefix)] if each not in damages]
        older = [each for each in ranked[ranked.index(prefix) + 1 :] if each not in damages]
        found = Newest(prefix, list(damages), newer, older)
        if note := _note(os.fspath(folder), state, found, any(name_of(each) == state.newest for each in ranked)):
            log(note)
        return found
    if damages:
        raise DamagedCheckpointError(
            f"{folder} holds no usable checkpoint:" + "".join(f"\n  {damage}" for damage in damages.values())
        )
    return None


def _by_step(prefixes: list[str]) -> list[str]:
    """Prefixes that are sorted by number, sorted by their steps if these contradict the numbers.

    TFOD numbers checkpoints by the count of saves, odtk by the step; a folder can have both. Those whose step cannot be
    read come first, so that it is said if they are passed over.
    """
    if len(prefixes) < 2:
        return prefixes
    steps = {prefix: _step(prefix) for prefix in prefixes}
    known = {prefix: step for prefix, step in steps.items() if step is not None}
    if list(known) == sorted(known, key=known.__getitem__, reverse=True):
        return prefixes
    return [each for each in prefixes if each not in known] + sorted(known, key=known.__getitem__, reverse=True)


def _step(prefix: str) -> int | None:
    try:
        return CheckpointReader(prefix).step
    except CheckpointError:
        return None


def _by_preference(ranked: list[str], state: State) -> list[str]:
    stated = next((prefix for prefix in ranked if name_of(prefix) == state.newest), None)
    if stated is None:
        return ranked
    newer = ranked[: ranked.index(stated)] if state.listed else []
    unlisted = [prefix for prefix in newer if name_of(prefix) not in state.listed]
    return list(dict.fromkeys([*unlisted, stated, *ranked]))


def _note(folder: str, state: State, found: Newest, is_stated_there: bool) -> str | None:
    """How the choice differs from what the file `checkpoint` says; None if it does not, or was explained before."""
    path, prefix = files.join(folder, STATE_FILE), found.prefix
    if state.problem:
        return f"{path} {state.problem}; the newest checkpoint by its number is {prefix}."
    if state.stated is None:
        return f"{folder} has no file `checkpoint` that names the newest; by its number that is {prefix}."
    if not is_stated_there:
        return f"{path} names the checkpoint {state.stated}, which is not there; the newest in this folder is {prefix}."
    if state.newest == name_of(prefix):
        return f"{path} names {prefix}, which is used although {found.newer[0]} is newer." if found.newer else None
    if name_of(prefix) not in state.listed and not found.unusable:
        return f"{prefix} is used: it was saved after {path} was written, which names {state.stated}."
    return None


def _stated_elsewhere(folder: str) -> str | None:
    """The checkpoint in another folder that the file `checkpoint` of a folder without checkpoints names."""
    stated = read_state(folder).stated
    place = files.join(folder, stated) if stated and not files.is_remote(stated) else stated
    return place if place and files.exists(f"{place}.index") else None
