"""What pictures are taken from, one after the other."""

import abc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from odtk.errors import DataError


@dataclass(frozen=True)
class Pixels:
    """A decoded picture, uint8 [height, width, 3] RGB, upright."""

    array: np.ndarray
    frames: int = 1  # of the animation whose first frame it is, or pages of the document


@dataclass(frozen=True)
class Taken:
    """A picture that was taken from its source, but not decoded yet."""

    load: Callable[[], Pixels]  # in any thread; raises DataError
    number: int = 0  # in its source, from 0
    seconds: float | None = None  # when it is shown, since the start of its source; None for a still picture
    spent: float = 0.0  # seconds of decoding that were needed so far


class Source(abc.ABC):
    """A picture, or a video or camera, which gives many."""

    is_still = True
    """Whether it is a picture of its own."""
    is_live = False
    """Whether it goes on while its pictures are not taken."""
    path: Path | None = None
    """Of a local file."""
    ended: str | None = None
    """Why a live source gives no more pictures, unless it was asked to end."""

    def __init__(self, written: str, name: str):
        """`written` as the user gave it, `name` of what is written of it: see Frame."""
        self.written, self.name = written, name

    @property
    def place(self) -> Path | str:
        """What a report calls it: the path of a file, or what the user wrote."""
        return self.path or self.written

    @abc.abstractmethod
    def pictures(self, every: int = 1) -> Iterator[Taken]:
        """All its pictures in order, or each `every`th. One that cannot be decoded raises DataError when loaded."""

    def open(self) -> None:  # noqa: B027
        """Opens a live source; others open when their pictures are taken. Raises DataError."""

    def end_of_live(self, error: DataError, pictures: int) -> None:
        """A live source that showed something has ended; one that did not is an error, which is raised."""
        if not pictures:
            raise error
        self.ended = str(error)

    def count(self) -> int | None:
        """How many pictures it has; None if that is unknown."""
        return 1
