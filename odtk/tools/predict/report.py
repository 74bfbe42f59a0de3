"""What `odtk predict` found and wrote."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from odtk.detections import DetectedImage, Detections
from odtk.streams.frame import Frame
from odtk.streams.sources.source import Source
from odtk.streams.times import StageTime


@dataclass(frozen=True)
class Prediction:
    """One image: its source, the file with the drawn boxes (None if none is saved), and the detections."""

    source: Path | str
    picture: Path | None
    image: DetectedImage


@dataclass
class StreamSummary:
    """A video or camera: how many of its pictures were looked at, and what was found in all of them."""

    source: str
    is_live: bool
    frames: int = 0
    boxes: Counter[str] = field(default_factory=Counter)  # by the name of the class
    tracks: set[int] | None = None  # the ids of all boxes; None if nothing was tracked
    dropped: int = 0  # pictures of a camera that came while others were being worked on
    ended: str | None = None  # why a camera gives no more pictures, unless it was asked to end


@dataclass(frozen=True)
class PredictReport:
    """All images in the order they were read, videos and cameras; and what could not be read, with the reason."""

    predictions: list[Prediction]  # of pictures of their own
    streams: list[StreamSummary]
    skipped: list[tuple[Path | str, str]]
    output: Path
    detections_path: Path | None  # COCO results, where they are saved
    has_names: bool  # whether classes have names; otherwise they are called by their numbers
    name_of: Callable[[int], str]  # 1-based class to its name
    model: str  # a line on what ran
    seconds: float  # without loading the model and the runs that warm it up
    best_score: float | None  # of all boxes, including those that are not wanted; None if there are none
    boxes: Counter[str]  # by the name of the class, in all pictures
    animated: list[tuple[Path | str, int]] = field(default_factory=list)  # only the first frame is used; of how many
    written: list[str] = field(default_factory=list)  # each output in a few words
    notes: list[str] = field(default_factory=list)
    times: list[StageTime] = field(default_factory=list)  # by stage
    stopped: str | None = None  # why it ended before all was done

    @property
    def num_boxes(self) -> int:
        """The number of boxes in all pictures."""
        return self.boxes.total()

    @property
    def num_images(self) -> int:
        """The number of pictures that were looked at, those of videos and cameras included."""
        return len(self.predictions) + sum(each.frames for each in self.streams)


class Collected:
    """What has been found so far; of a video or camera only sums, as it may have no end."""

    def __init__(self, output: Path, has_pictures: bool, name_of: Callable[[int], str]):
        self.output, self._has_pictures, self._name_of = output, has_pictures, name_of
        self.predictions: list[Prediction] = []
        self.streams: dict[str, StreamSummary] = {}  # by the name of the source
        self.skipped: list[tuple[Path | str, str]] = []
        self.animated: list[tuple[Path | str, int]] = []
        self.boxes: Counter[str] = Counter()
        self.best_score: float | None = None

    def add(self, source: Source, frame: Frame, found: Detections, best_score: float | None) -> None:
        """Adds a picture; `best_score` is that of all its boxes."""
        if best_score is not None:
            self.best_score = max(best_score, self.best_score or 0.0)
        names = Counter(map(self._name_of, found.classes.tolist()))
        self.boxes.update(names)
        if not frame.is_still:
            stream = self.streams.setdefault(frame.name, StreamSummary(source.written, source.is_live))
            stream.frames += 1
            stream.boxes.update(names)
            if found.track_ids is not None:
                stream.tracks = set() if stream.tracks is None else stream.tracks
                stream.tracks.update(each for each in found.track_ids.tolist() if each)
            return
        height, width = frame.pixels.shape[:2]
        image = DetectedImage(frame.image_id, frame.picture_name, width, height, found)
        picture = self.output / frame.picture_name if self._has_pictures else None
        self.predictions.append(Prediction(source.place, picture, image))
