"""What corrects the annotations of a folder, and what makes records of them: together, records have half of it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from odtk.errors import OdtkError
from odtk.queue import ENDED, RUNNING
from odtk.web.studio import Studio

LOCK = threading.Lock()
"""Held from the look at what runs until what was asked for runs, too."""

_CORRECT, _MAKE = "correct", "make-tfrecords"


def require_unwritten(studio: Studio, folder: Path) -> None:
    """Raises OdtkError while corrections are written into a folder's annotations, for whatever project."""
    if _is_about(studio, folder, _CORRECT, _in_background(studio)):
        raise OdtkError(
            f"Corrections are being written into {studio.workspace.shown(folder)} just now. Wait for the end of that."
        )


def require_unread(studio: Studio, folder: Path) -> None:
    """Raises OdtkError while records are made of a folder's annotations, or are about to be."""
    require_unwritten(studio, folder)
    if _is_about(studio, folder, _MAKE, [*_in_background(studio), *_in_the_queue(studio)]):
        raise OdtkError(
            f"Records are being made of {studio.workspace.shown(folder)} just now: they would have some of the "
            "corrections and lack others. Wait for the end of that, which the page Jobs shows."
        )


def _in_background(studio: Studio) -> list[Sequence[str]]:
    return [command.words for command in studio.background.running()]


def _in_the_queue(studio: Studio) -> list[Sequence[str]]:
    """Of the jobs that run; of those that wait, too, if none runs that they wait for."""
    jobs = [job for job in studio.jobs.all() if job.state not in ENDED]
    running = [job for job in jobs if job.state == RUNNING]
    return [job.command for job in running or jobs]


def _is_about(studio: Studio, folder: Path, name: str, commands: Iterable[Sequence[str]]) -> bool:
    named = [words[1] for words in commands if len(words) > 1 and words[0] == name]
    places = [(studio.workspace.folder / word).resolve() for word in named]
    return any(place.is_relative_to(folder) or folder.is_relative_to(place) for place in places)
