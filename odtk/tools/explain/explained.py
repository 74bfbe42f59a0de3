"""What `odtk explain` found out about each picture, and the files that show it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from odtk.explaining.anchors import LevelAnchors, MatchedBox


@dataclass(frozen=True)
class PictureFile:
    """A PNG below the output folder."""

    path: str  # relative, with /
    width: int
    height: int


@dataclass(frozen=True)
class ExplainedDetection:
    """A detection with its heat map."""

    class_name: str
    score: float
    box: tuple[float, ...]  # yxyx, normalized to the picture
    level: str | None  # of the pyramid, from which it was predicted; None if unknown
    heat: PictureFile
    heat_source: str  # the layer's name, or "occlusion"
    heat_inside: float | None  # the share of the heat that is in the box; None without any heat


@dataclass(frozen=True)
class ScoreMap:
    """The best score of each cell of one level for one class."""

    level: str
    best: float
    picture: PictureFile


@dataclass(frozen=True)
class Channel:
    """One channel of a layer's output."""

    number: int
    low: float
    high: float
    picture: PictureFile


@dataclass(frozen=True)
class Features:
    """Some channels of a layer's output."""

    layer: str
    shape: tuple[int, int, int]  # rows, columns, channels of the whole output
    sheet: PictureFile
    channels: Sequence[Channel]


@dataclass(frozen=True)
class ExplainedPicture:
    """All about one picture; what the model does not show is empty or None."""

    source: str  # a path or an address
    name: str  # of its files' folder
    size: tuple[int, int]  # width and height
    detected: PictureFile
    detections: Sequence[ExplainedDetection]
    groundtruth: PictureFile | None = None
    scores: dict[str, list[ScoreMap]] = field(default_factory=dict)  # by class
    fired: PictureFile | None = None
    num_fired: int = 0
    called: str = "anchors"  # what fires
    is_moved: bool = True  # whether what fires is moved to a box, and shown as it is before
    levels: Sequence[LevelAnchors] = ()
    matched: PictureFile | None = None
    boxes: Sequence[MatchedBox] = ()
    features: Sequence[Features] = ()
    notes: Sequence[str] = ()
