"""What writes one kind of output (drawn pictures, a video, COCO results ...) from frames and their detections."""

import abc
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from odtk.detections import Detections
from odtk.streams.frame import Frame


class Writer(abc.ABC):
    """Is given every frame once, in the order of each source, by one thread; a kind of output is a subclass.

    It writes below the folder that it is made with, which is renamed into place when the run is complete.
    """

    def __init__(self, folder: Path, name_of: Callable[[int], str]):
        """`name_of`: a 1-based class to its name."""
        self.folder, self.name_of = folder, name_of
        self.notes: list[str] = []  # what the user should know about the output: complete after `finish`

    @abc.abstractmethod
    def write(self, frame: Frame, found: Detections, drawn: Callable[[], Image.Image]) -> None:
        """Takes a frame and the detections that the user wants to see; `drawn` makes the annotated picture, once."""

    def finish(self) -> None:  # noqa: B027
        """Called once after the last frame; also after a run was stopped early, so that what was written is whole."""

    @abc.abstractmethod
    def written(self) -> str:
        """What was written, in a few words with its path below the folder: "detections.csv (12 boxes)"."""
