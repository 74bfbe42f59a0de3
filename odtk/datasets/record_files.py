"""Record files: their sets of shards, splits and label map, and the classes in them."""

import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError

from odtk.datasets.splits import NO_SPLIT, TEST, TRAIN, VAL
from odtk.errors import DataError
from odtk.protos.example_pb2 import Example
from odtk.records import box_errors, shards
from odtk.records.box_errors import ImageWithBadBoxes
from odtk.records.features import BOX_SIDES, CLASS_LABEL, CLASS_TEXT, IMAGE_NAMES

# Words in the names of record files, by split, the usual one first.
_WORDS = {TRAIN: (TRAIN,), VAL: (VAL, "eval"), TEST: (TEST,)}
TRAIN_WORDS, EVAL_WORDS = _WORDS[TRAIN], (*_WORDS[VAL], *_WORDS[TEST])

# Above these a scan reads a sample; a few thousand photographs are read completely, in half a second.
SCANNED_BYTES = 512 * 2**20
SCANNED_SECONDS = 5.0

_SHARD = re.compile(r"(?P<base>.*)-(?P<index>\d{5})-of-(?P<count>\d{5})")


def record_sets(folder: str | os.PathLike, words: Sequence[str] = ("",)) -> list[str]:
    """Sets of record files in a folder, as a glob each (a path for a single file), sorted.

    Those with the first of `words` that any file's name contains: ("val", "test") gives val's sets, or else test's.
    """
    names = [path.name for path in sorted(Path(folder).iterdir()) if path.is_file() and ".part" not in path.suffixes]
    names = [name for name in names if ".record" in name or ".tfrecord" in name]
    for word in words:
        found = {_set_of(name) for name in names if word in name.lower()}
        if found:
            return sorted(str(Path(folder) / name) for name in found)
    return []


def _set_of(name: str) -> str:
    match = _SHARD.fullmatch(name)
    return shards.shard_glob(match["base"], int(match["count"])) if match else name


def split_of(filename: str) -> str:
    """The split according to the name of a record file, or NO_SPLIT."""
    name = filename.lower()
    return next((split for split, words in _WORDS.items() if any(word in name for word in words)), NO_SPLIT)


def label_map_beside(folder: str | os.PathLike) -> str | None:
    """The label map of a folder of records: the one named in dataset.json, or the only one in the folder."""
    if shards.is_dataset(folder):
        return os.fspath(shards.read_dataset(folder).label_map)
    maps = sorted(Path(folder).glob("*.pbtxt"))
    return os.fspath(maps[0]) if len(maps) == 1 else None


@dataclass(frozen=True)
class Records:
    """Record globs, and the label map of the folder that they were found in."""

    patterns: list[str]
    label_map: str | None = None


def find_records(path: str, words: tuple[str, ...]) -> Records:
    """The records of a path, a glob or a folder; of a folder only those of the split with `words`."""
    if not os.path.isdir(path):
        return Records([absolute_if_here(path)])
    folder, is_train = os.path.abspath(path), words == TRAIN_WORDS
    if shards.is_dataset(folder):
        dataset = shards.read_dataset(folder)
        return Records([dataset.train_records if is_train else dataset.val_records], label_map_beside(folder))
    sets = record_sets(folder, words)
    if len(sets) != 1:
        found = f"sets of records, {', '.join(sets)}" if sets else "no records of that name (*.record*, *.tfrecord*)"
        raise DataError(
            f"{path} was not made by odtk make-tfrecords and has {'several ' if sets else ''}{found} for "
            f"{'training' if is_train else 'evaluation'}. Give a glob of the records."
        )
    return Records(sets, label_map_beside(folder))


def held_out(path: str) -> list[Records]:
    """The evaluation records next to the training records of a folder, if there are any."""
    if not os.path.isdir(path):
        return []
    try:
        return [find_records(path, EVAL_WORDS)]
    except DataError:
        return []


def absolute_if_here(path: str) -> str:
    """A path or glob made absolute if it exists, as training may run in another folder; otherwise as typed."""
    path = os.path.expanduser(path)
    return os.path.abspath(path) if path and (os.path.exists(path) or shards.expand_globs([path])) else path


@dataclass
class ClassScan:
    """The boxes in record files: by class name, by 1-based id in records without names, and by image."""

    num_records: int = 0
    damaged: list[str] = field(default_factory=list)  # what is wrong with each record that could not be read
    is_complete: bool = True
    names: Counter = field(default_factory=Counter)
    ids: Counter = field(default_factory=Counter)
    counts: Counter = field(default_factory=Counter)  # number of boxes of an image, to the number of such images
    fullest: str = ""  # the place of the image with the most boxes
    bad_boxes: list[ImageWithBadBoxes] = field(default_factory=list)

    @property
    def num_boxes(self) -> int:
        """Boxes in the records that were read."""
        return self.names.total() + self.ids.total()


def scan_classes(
    files: Sequence[Path], max_bytes: int = SCANNED_BYTES, max_seconds: float = SCANNED_SECONDS
) -> ClassScan:
    """Reads all records or, beyond `max_bytes` or `max_seconds`, the first ones of each file.

    Damaged records, and those that are not Examples, are listed in the scan and skipped. Raises DataError if a file
    cannot be read.
    """
    scan, deadline = ClassScan(), time.monotonic() + max_seconds
    share = max_bytes // len(files) if sum(file.stat().st_size for file in files) > max_bytes else None
    for file in files:
        for record, data in _first(file, share, scan):
            _count(data, file, record, scan)
            if time.monotonic() > deadline:
                scan.is_complete = False
                return scan
    return scan


def _first(file: Path, max_bytes: int | None, scan: ClassScan) -> Iterator[tuple[int, bytes]]:
    """Numbers and records of a file up to `max_bytes` in all, but at least one."""
    total = 0
    for record, found in enumerate(shards.walk_records(file)):
        if isinstance(found, shards.Damage):
            scan.damaged.append(f"{file}: the record at byte {found.offset} {found.what}")
            continue
        data = found.data
        if max_bytes is not None and total >= max_bytes:
            scan.is_complete = False
            return
        total += len(data)
        yield record, data


def _count(data: bytes, file: Path, record: int, scan: ClassScan) -> None:
    try:
        features = Example.FromString(data).features.feature
    except DecodeError as error:
        scan.damaged.append(f"{file}: a record is not an Example message ({error})")
        return
    scan.num_records += 1
    names = features[CLASS_TEXT].bytes_list.value if CLASS_TEXT in features else []
    scan.names.update(name.decode("utf-8", "replace") for name in names)
    # As in the decoder: ids are used only if there is no text.
    if not names and CLASS_LABEL in features:
        scan.ids.update(features[CLASS_LABEL].int64_list.value)
    _count_boxes(features, file, record, scan)


def _count_boxes(features, file: Path, record: int, scan: ClassScan) -> None:
    sides = [features[side].float_list.value if side in features else [] for side in BOX_SIDES]
    count = len(sides[0])
    if len(set(map(len, sides))) > 1:
        # A record whose lists differ in length is skipped as a whole.
        return
    names = (features[name].bytes_list.value for name in IMAGE_NAMES if name in features)
    image = next((values[0].decode(errors="replace") for values in names if values and values[0]), None)
    if count > max(scan.counts, default=0):
        scan.fullest = f"{image or 'an image'} ({file}, record {record})"
    scan.counts[count] += 1
    bad = box_errors.bad_boxes(zip(*sides, strict=True))
    if bad:
        scan.bad_boxes.append(ImageWithBadBoxes(str(file), record, image, count, bad))
