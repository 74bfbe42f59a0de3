"""One picture on its way through a detector."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Frame:
    """A still picture, or one of a video or camera."""

    source: str  # as the user gave it or it was found: a path, a URL, "camera:0"
    name: str  # relative path of what is written of it, with / and a suffix: "holiday/cat.jpg", "walk.mp4"
    image_id: int  # from 1, unique in a run; COCO's own if all names are numbers
    pixels: np.ndarray  # uint8 [height, width, 3] RGB, upright
    number: int = 0  # in its source, from 0
    seconds: float | None = None  # when it is shown, since the start of its source; None for a still picture

    @property
    def is_still(self) -> bool:
        """Whether it is a picture of its own."""
        return self.seconds is None

    @property
    def picture_name(self) -> str:
        """What a picture of it is called, in lists of detections too: its name, or "walk_mp4/000012.jpg"."""
        return self.name if self.is_still else f"{frames_folder(self.name)}/{self.number:06d}.jpg"


def frames_folder(name: str) -> str:
    """Where pictures of the frames of a video are: "walk_mp4"; with the suffix, as there may be a walk.mov, too."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}_{suffix}"
