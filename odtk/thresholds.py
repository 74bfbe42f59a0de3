"""Score thresholds of the classes, and their file, which `odtk evaluate` writes and `odtk predict` takes.

    {"score": 0.42, "classes": {"cat": 0.5, "dog": 0.31}}

`score` is for every class that is not listed. It may be absent, and so may `classes`.
"""

import difflib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odtk import files
from odtk.detections import Detections
from odtk.errors import DataError
from odtk.terminal_text import on_one_line

_FORM = 'Expected, as `odtk evaluate` writes it: {"score": 0.42, "classes": {"cat": 0.5}}.'
_MOST_NAMES = 20  # of a message


@dataclass(frozen=True)
class Thresholds:
    """The least score with which a detection counts, of each class."""

    score: float = 0.0  # of the classes that have none of their own
    classes: Mapping[str, float] = field(default_factory=dict)  # by name

    def of(self, name: str) -> float:
        """The threshold of a class."""
        return self.classes.get(name, self.score)

    def apply(self, found: Detections, name_of: Callable[[int], str]) -> Detections:
        """The detections that reach the threshold of their class; `name_of`: a class by its id from 1."""
        least = np.array([self.of(name_of(int(class_id))) for class_id in found.classes])
        return found.take(reaches(found.scores, least))

    def check(self, names: Iterable[str], place: str | os.PathLike = "the thresholds") -> None:
        """Raises DataError if there is a threshold of a class that is not among `names`, those of the model.

        `place` is the file for the message.
        """
        known = list(names)
        unknown = [name for name in self.classes if name not in known]
        if not unknown:
            return
        close = difflib.get_close_matches(unknown[0], known, 1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        raise DataError(
            f"{os.fspath(place)} has thresholds for {_listed(unknown)}, which the model does not know; its classes are "
            f"{_listed(known)}.{meant} Correct the names, or make the file with this model."
        )


def reaches(scores: np.ndarray | float, threshold: float | np.ndarray) -> np.ndarray:
    """bool: whether scores are at least the threshold, both as float32.

    So 0.9 in a file keeps a detection of just 0.9, which is a little less in float32, in which networks compute.
    """
    return np.asarray(scores, np.float32) >= np.asarray(threshold, np.float32)


def write(thresholds: Thresholds, path: str | os.PathLike) -> None:
    """Writes the file, whole or not at all."""
    document = {"score": thresholds.score, "classes": dict(thresholds.classes)}
    files.write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def read(path: str | os.PathLike) -> Thresholds:
    """Reads the file; raises DataError, which names the entry, if it is not in this form."""
    try:
        document = json.loads(files.read_text(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. Give a file of thresholds.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}. {_FORM}") from error
    if not isinstance(document, dict):
        raise DataError(f"{path} holds {_named(document)}. {_FORM}")
    if unknown := [key for key in document if key not in ("score", "classes")]:
        raise DataError(
            f'{path} has {_listed(unknown)}, but only "score" and "classes" have a meaning there. {_FORM} Thresholds '
            'of classes go inside "classes".'
        )
    classes = document.get("classes", {})
    if not isinstance(classes, dict):
        raise DataError(f'{path}: "classes" is {_named(classes)}. {_FORM}')
    score = _score(path, '"score"', document.get("score", 0.0))
    return Thresholds(score, {name: _score(path, f"the threshold of {name!r}", classes[name]) for name in classes})


def _score(path: str | os.PathLike, what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError(f"{path}: {on_one_line(what)} is {_named(value)}, where a number from 0 to 1 is expected.")
    if not 0 <= value <= 1:  # not for NaN either
        percent = f" Write {value / 100:g} for {value:g} %." if 1 < value <= 100 else ""
        raise DataError(f"{path}: {on_one_line(what)} is {value}. Scores are from 0 to 1.{percent}")
    return float(value)


def _named(value: Any) -> str:
    text = on_one_line(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 40 else f"{text[:39]}…"


def _listed(names: Iterable[str]) -> str:
    quoted = [repr(name) for name in names]
    more = f" and {len(quoted) - _MOST_NAMES:,} more" if len(quoted) > _MOST_NAMES else ""
    return ", ".join(quoted[:_MOST_NAMES]) + more
