"""What a folder of annotated images holds, as far as the choice of a detector depends on it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from odtk import files, label_map
from odtk.annotations import duplicates, pets
from odtk.datasets.open_dataset import Target, open_target
from odtk.datasets.record_files import label_map_beside
from odtk.datasets.scan import Rows, scan
from odtk.datasets.sources import DatasetSource
from odtk.errors import DataError, LabelMapError
from odtk.terminal_text import on_one_line
from odtk.tools.make_tfrecords.plan import Settings
from odtk.tools.make_tfrecords.splitting import choose_source

MAX_DECODED = 4_000
"""Images that are decoded to the last pixel; of the others the header is read. make-tfrecords decodes all."""
_MAX_BOXES = 200_000  # whose sizes are kept


@dataclass(frozen=True, eq=False)
class DataFacts:
    """A dataset in numbers."""

    folder: str
    format: str
    """voc, coco, yolo, csv or pets."""
    images: int
    """That can be used."""
    boxes: int
    classes: dict[str, int]
    """The number of images that show each class that has boxes; sorted by name."""
    box_sizes: np.ndarray
    """Height and width of boxes, relative to their images: float [boxes, 2]; of very many an even sample."""
    image_size: tuple[int, int]
    """Median height and width, pixels."""
    aspect_ratios: tuple[float, float, float]
    """Width by height of the images: the 10th, 50th and 90th percentile."""
    most_boxes: int = 0
    """In one image."""
    negatives: int = 0
    """Images without boxes."""
    own_splits: dict[str, int] | None = None
    """Images by split, if make-tfrecords keeps the dataset's own splits."""
    unusable: int = 0
    """Images that make-tfrecords would leave out."""
    problems: dict[str, int] = field(default_factory=dict)
    """Other kinds of problems, and how often."""
    near_duplicates: int = 0
    decoded: int = 0
    label_map: str | None = None
    """One in the folder that has all classes."""
    notes: tuple[str, ...] = ()

    @property
    def held_out(self) -> int:
        """Images of the dataset's own validation split."""
        return (self.own_splits or {}).get("val", 0)


def find_data_facts(folder: str | os.PathLike) -> DataFacts:
    """Reads all annotations of a folder, as make-tfrecords will. Raises DataError if there is nothing to learn."""
    target = _open(os.fspath(folder))
    rows = scan(target, MAX_DECODED)
    if rows.target.refusal:
        raise DataError(rows.target.refusal)
    if not len(rows.boxes):
        raise DataError(_nothing_to_learn(rows))
    if len(rows.split) < 2:
        raise DataError(f"{target.name} has one image; at least two are expected, to train on and to evaluate on.")
    sizes = (rows.boxes[:, 2:] - rows.boxes[:, :2])[:: -(-len(rows.boxes) // _MAX_BOXES)]
    classes = _images_of_classes(rows)
    own_map, notes = _label_map(target.name, classes)
    low, middle, high = np.quantile(rows.width / np.maximum(rows.height, 1), (0.1, 0.5, 0.9)).tolist()
    return DataFacts(
        folder=target.name,
        format=_format(target),
        images=len(rows.split),
        boxes=len(rows.boxes),
        classes=classes,
        box_sizes=sizes,
        image_size=(int(np.median(rows.height)), int(np.median(rows.width))),
        aspect_ratios=(low, middle, high),
        most_boxes=int(rows.num_boxes.max()),
        negatives=int((rows.num_boxes == 0).sum()),
        own_splits=_own_splits(target),
        unusable=sum(tally.count for tally in rows.unusable.values()),
        problems={kind: tally.count for kind, tally in sorted(rows.problems.items())},
        near_duplicates=_near_duplicates(rows),
        decoded=int(rows.decoded.sum()),
        label_map=own_map,
        notes=(*notes, *_notes(Path(folder))),
    )


def _open(folder: str) -> Target:
    if files.is_remote(folder):
        raise DataError(f"{folder} is not on this machine. Only a folder of this machine can be looked at.")
    if not os.path.isdir(folder):
        found = "is a file" if os.path.exists(folder) else "does not exist"
        raise DataError(f"{folder} {found}; a folder with annotated images is expected.")
    try:
        target = open_target(folder, read_label_map=False)
    except DataError as error:  # its argument is an option of other commands
        raise DataError(str(error)) from error
    if not target.is_annotated:
        raise DataError(
            f"{folder} holds records, which are converted already; a folder with images and their annotations is "
            "expected. Give that one, or train on the records: odtk configure ssd_resnet50_v1_fpn_small --output "
            f"pipeline.config --train-records {folder}"
        )
    return target


def _nothing_to_learn(rows: Rows) -> str:
    found = f"{len(rows.split)} images without a box"
    for kind, tally in sorted(rows.unusable.items()):
        first = tally.examples[0]
        found += f", and {tally.count} that cannot be used ({kind}: {on_one_line(f'{first.file}: {first.text}')})"
    return (
        f"{rows.target.name} is a dataset ({_format(rows.target)}) with {found}: there is nothing to learn. Annotate "
        f"objects, or check that the annotations belong to these images; `odtk inspect {rows.target.name}` shows more."
    )


def _format(target: Target) -> str:
    source = target.sources[0]
    return source.dataset.format if isinstance(source, DatasetSource) else "pets"


def _images_of_classes(rows: Rows) -> dict[str, int]:
    """The number of images that show each class."""
    pairs = np.unique(np.stack([rows.image, rows.class_of]), axis=1)
    counts = np.bincount(pairs[1], minlength=len(rows.class_names)).tolist()
    return dict(sorted(zip(rows.class_names, counts, strict=True), key=lambda pair: (pair[0].lower(), pair[0])))


def _near_duplicates(rows: Rows) -> int:
    """Decoded images that look like an earlier one."""
    groups = duplicates.groups(rows.fingerprint[rows.decoded].tolist())
    return len(groups) - len(set(groups))


def _own_splits(target: Target) -> dict[str, int] | None:
    """The splits that make-tfrecords will keep; None if it splits the images itself."""
    source = target.sources[0]
    if not isinstance(source, DatasetSource):
        return None
    _, chosen = choose_source(source.dataset, Settings())
    return None if chosen is None else dict(Counter(split for split in chosen if split))


def _label_map(folder: str, classes: dict[str, int]) -> tuple[str | None, list[str]]:
    """The label map in the folder, if it has all classes; else a note on why it is not used."""
    path = label_map_beside(folder)
    if path is None:
        return None, []
    try:
        known = label_map.read(path)
    except LabelMapError as error:
        return None, [f"{path} is not used, as it cannot be read: {error}"]
    missing = [name for name in classes if known.id_of(name) is None]
    if not missing:
        return path, []
    return None, [f"{path} is not used, as it has no item for {missing[0]!r}, which the annotations have."]


def _notes(folder: Path) -> list[str]:
    """What else is in the folder that may have been meant."""
    if pets.has_layout(folder):
        return []
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and pets.has_layout(path))
    return [
        f"{path} is in the Oxford-IIIT Pet layout, with breeds in the file names. If that is meant, give that folder."
        for path in inside[:1]
    ]
