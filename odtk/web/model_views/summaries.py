"""Summaries of configs in the background, one for each text that was ever shown; a change gives up the one before."""

from __future__ import annotations

import functools
import weakref
from importlib import metadata
from pathlib import Path

from odtk.web.background import RUNNING, Run
from odtk.web.commands import Command, command
from odtk.web.model_views.architecture import Architecture, architecture
from odtk.web.model_views.config_history import digest_of
from odtk.web.studio import Studio

_last: weakref.WeakKeyDictionary[Studio, dict[str, str]] = weakref.WeakKeyDictionary()


def summary_command(model: str) -> Command:
    """The command that describes a model."""
    return command("summary", model, "--json")


def summary_of_text(
    studio: Studio, owner: str, text: str, file: Path, is_new: bool = False, again: bool = False
) -> Run:
    """The summary of a config's text, which is in `file`; started unless it is there, or has failed and not `again`.

    `is_new`: it replaces the text that `owner` (a project's name) had before, whose summary is cancelled if it still
    runs. Who only looks cancels nothing: tabs that wait for two texts would end each other's summaries for ever.
    """
    key, last = _key(digest_of(text)), _last.setdefault(studio, {})
    if is_new and last.get(owner, key) != key:
        studio.background.cancel(last[owner])
    last[owner] = key
    return _ensure(studio, key, summary_command(studio.workspace.shown(file)), again)


def summary_of_shipped(studio: Studio, name: str, again: bool = False) -> Run:
    """The summary of a shipped pipeline, which does not change."""
    return _ensure(studio, _key(f"shipped:{name}"), summary_command(name), again)


def _key(of: str) -> str:
    """Another odtk may summarize otherwise."""
    return f"summary:{_version()}:{of}"


@functools.cache
def _version() -> str:
    try:
        return metadata.version("odtk")
    except metadata.PackageNotFoundError:  # it runs from a folder
        return ""


def shown_architecture(run: Run) -> Architecture | None:
    """What a summary found; None while it runs, or if it could not be made."""
    document = run.outcome.document if run.outcome else None
    return architecture(document) if isinstance(document, dict) and "layers" in document else None


def failure(run: Run) -> str:
    """Why a summary could not be made; empty if it was, or runs."""
    if run.state == RUNNING or shown_architecture(run) is not None:
        return ""
    return (run.outcome.error if run.outcome else None) or "It was stopped."


def _ensure(studio: Studio, key: str, words: Command, again: bool) -> Run:
    """What failed is made again only when someone asks for it: a page that waits would start it for ever."""
    found = studio.background.find(key)
    if found is not None and (found.state == RUNNING or _is_kept(found, again)):
        return found
    return studio.background.start(key, words)


def _is_kept(found: Run, again: bool) -> bool:
    has_failed = shown_architecture(found) is None
    return found.outcome is not None and not found.was_cut_off and not (has_failed and again)
