"""The report of make_tfrecords: what it wrote, repaired and skipped."""

import shlex
from dataclasses import dataclass, field, replace

from odtk.annotations.annotated_image import Problem
from odtk.annotations.image_files import ImageInfo


@dataclass(frozen=True, slots=True)
class ImageReport:
    """The report of one listed image: the contents of its record, or why it has none, and its problems."""

    key: str
    class_names: tuple[str, ...] = ()
    fingerprint: int = 0
    repaired: tuple[Problem, ...] = ()
    skipped: Problem | None = None
    is_bad: bool = False
    problems: tuple[Problem, ...] = ()
    left_out_objects: int = 0
    shrunk: bool = False
    seen: ImageInfo | None = None


@dataclass(frozen=True)
class WrittenRecord:
    """The result for one item of a shard: its record (None if there is none), and the image's report, if it is new."""

    record: bytes | None
    class_names: tuple[str, ...] = ()
    image: ImageReport | None = None


@dataclass
class ClassCounts:
    """The numbers of images with a class, and of its boxes."""

    images: int = 0
    boxes: int = 0


@dataclass
class SplitCounts:
    """Records (one per image) and boxes of one split, and both by class name; `negatives` are images without boxes."""

    images: int = 0
    boxes: int = 0
    negatives: int = 0
    classes: dict[str, ClassCounts] = field(default_factory=dict)

    def add(self, class_names: tuple[str, ...]) -> None:
        """Counts an image with one box per class name."""
        self.images += 1
        self.boxes += len(class_names)
        self.negatives += not class_names
        for name in sorted(set(class_names)):
            counts = self.classes.setdefault(name, ClassCounts())
            counts.images += 1
            counts.boxes += class_names.count(name)


@dataclass
class ConversionReport:
    """What make_tfrecords wrote, repaired and skipped. `skipped` and `repaired` are counted by their `kind`."""

    output_dir: str
    label_map: str
    records: dict[str, str]  # split to glob
    listed: int
    format: str = "pets"
    format_was_guessed: bool = False
    split_source: str = ""
    written: int = 0
    splits: dict[str, SplitCounts] = field(default_factory=dict)
    repaired: list[Problem] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    bad_images: int = 0  # skipped because their data is bad, not by a rule
    problems: list[Problem] = field(default_factory=list)
    left_out_objects: int = 0
    warnings: list[str] = field(default_factory=list)  # what is missing for training or evaluation, as sentences
    shrunk_images: int = 0  # to `max_side`
    near_duplicates: int = 0  # images that are near-duplicates of another
    duplicates: list[dict[str, list[str]]] = field(default_factory=list)  # near-duplicates in several splits, by split

    def __post_init__(self):
        self.bad: list[Problem] = []  # the bad ones of the skipped; not a field, because `skipped` has them

    @property
    def next_command(self) -> str:
        """The next command: makes a config that reads the records."""
        pipeline = "ssd_resnet50_v1_fpn_640x640_pets" if self.format == "pets" else "ssd_resnet50_v1_fpn_small"
        folder = shlex.quote(self.output_dir)
        return f"odtk configure {pipeline} --output pipeline.config --train-records {folder}"

    def add(self, image: ImageReport) -> None:
        """Adds the report of one image."""
        if image.skipped:
            self.skipped.append(image.skipped)
            self.bad += [image.skipped] * image.is_bad
            self.bad_images += image.is_bad
        self.repaired += image.repaired
        self.problems += image.problems
        self.left_out_objects += image.left_out_objects
        self.shrunk_images += image.shrunk

    def rename(self, near: str, far: str) -> None:
        """Replaces the path `near` of a local copy by the original path `far`, in everything that was added."""
        if near == far:
            return
        for found in (self.skipped, self.repaired, self.problems):
            found[:] = [
                replace(problem, file=problem.file.replace(near, far), text=problem.text.replace(near, far))
                for problem in found
            ]

    def sort(self) -> None:
        """Sorts what was added by the order of the files."""
        for found in (self.skipped, self.repaired, self.problems):
            found.sort(key=lambda problem: (problem.file, problem.line or 0))


def look_alikes(keys: list[str], splits: list[str], groups: list[int]) -> list[dict[str, list[str]]]:
    """The groups of near-duplicates with images in more than one split, as lists of keys by split."""
    by_group: dict[int, dict[str, list[str]]] = {}
    for key, split, group in zip(keys, splits, groups, strict=True):
        by_group.setdefault(group, {}).setdefault(split, []).append(key)
    return [{split: sorted(found) for split, found in group.items()} for group in by_group.values() if len(group) > 1]
