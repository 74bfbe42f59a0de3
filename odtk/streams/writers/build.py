"""The writers of a run, by the names of their kinds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtk.streams import output_kinds
from odtk.streams.writer import Writer
from odtk.streams.writers.coco import CocoWriter
from odtk.streams.writers.crops import CropWriter
from odtk.streams.writers.csv_rows import CsvWriter
from odtk.streams.writers.features import FeaturesOf, FeatureWriter
from odtk.streams.writers.pictures import PictureWriter
from odtk.streams.writers.video import VideoWriter
from odtk.streams.writers.voc import VocWriter
from odtk.streams.writers.yolo import YoloWriter


@dataclass(frozen=True)
class Wanted:
    """What is to be saved."""

    kinds: Sequence[str]  # of `odtk.streams.output_kinds`
    name_of: Callable[[int], str]  # of a 1-based class
    names: Mapping[int, str] = field(default_factory=dict)  # of all classes that have one
    top: int | None = None  # classes per box in coco and csv
    features_of: FeaturesOf | None = None  # needed for features
    layer: str | None = None  # of these features


def build_writers(wanted: Wanted, folder: Path) -> list[Writer]:
    """A writer for each of the kinds, in their order."""
    return [_MAKERS[kind](wanted, folder) for kind in wanted.kinds]


def _features(wanted: Wanted, folder: Path) -> Writer:
    assert wanted.features_of is not None, "features need what computes them"
    return FeatureWriter(folder, wanted.name_of, wanted.features_of, wanted.layer)


_MAKERS: Mapping[str, Callable[[Wanted, Path], Writer]] = {
    "pictures": lambda wanted, folder: PictureWriter(folder, wanted.name_of, only_still="video" in wanted.kinds),
    # By default no note says that there is none.
    "video": lambda wanted, folder: VideoWriter(folder, wanted.name_of, tuple(wanted.kinds) != output_kinds.DEFAULT),
    "coco": lambda wanted, folder: CocoWriter(folder, wanted.name_of, wanted.top),
    "csv": lambda wanted, folder: CsvWriter(folder, wanted.name_of, wanted.top, "pictures" in wanted.kinds),
    "yolo": lambda wanted, folder: YoloWriter(folder, wanted.name_of, wanted.names),
    "voc": lambda wanted, folder: VocWriter(folder, wanted.name_of),
    "crops": lambda wanted, folder: CropWriter(folder, wanted.name_of),
    "features": _features,
}
