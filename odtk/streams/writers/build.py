"""The writers of a run, by the names of their kinds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtk.streams.writer import Writer
from odtk.streams.writers.coco import CocoWriter
from odtk.streams.writers.crops import CropWriter
from odtk.streams.writers.csv_rows import CsvWriter
from odtk.streams.writers.pictures import PictureWriter
from odtk.streams.writers.voc import VocWriter
from odtk.streams.writers.yolo import YoloWriter


@dataclass(frozen=True)
class Wanted:
    """What is to be saved."""

    kinds: Sequence[str]  # of `odtk.streams.output_kinds`
    name_of: Callable[[int], str]  # of a 1-based class
    names: Mapping[int, str] = field(default_factory=dict)  # of all classes that have one
    top: int | None = None  # classes per box in coco and csv


def build_writers(wanted: Wanted, folder: Path) -> list[Writer]:
    """A writer for each of the kinds, in their order."""
    makers: Mapping[str, Callable[[], Writer]] = {
        "pictures": lambda: PictureWriter(folder, wanted.name_of, only_still="video" in wanted.kinds),
        "coco": lambda: CocoWriter(folder, wanted.name_of, wanted.top),
        "csv": lambda: CsvWriter(folder, wanted.name_of, wanted.top),
        "yolo": lambda: YoloWriter(folder, wanted.name_of, wanted.names),
        "voc": lambda: VocWriter(folder, wanted.name_of),
        "crops": lambda: CropWriter(folder, wanted.name_of),
    }
    return [makers[kind]() for kind in wanted.kinds if kind in makers]
