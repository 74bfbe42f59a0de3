"""Pet-layout annotations to TFRecord shards: TFOD's split, shards, names and features; nothing silently dropped."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import itertools
import os
import random
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from odtk import example, label_map, progress, shards
from odtk.annotations import pets
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.atomic import atomic_directory
from odtk.errors import DataError

SPLITS = ("train", "val")
LABEL_MAP_FILE = "label_map.pbtxt"

_BASES = {False: "pet_faces_{}.record", True: "pets_fullbody_with_masks_{}.record"}
_NAMED_IN_AN_ERROR = 10


@dataclass
class ClassCounts:
    """Images that show a class, and its boxes in them."""

    images: int = 0
    boxes: int = 0


@dataclass
class SplitCounts:
    """Records (one per image) and boxes of one split, and both by class name."""

    images: int = 0
    boxes: int = 0
    classes: dict[str, ClassCounts] = field(default_factory=dict)

    def add(self, class_names: tuple[str, ...]) -> None:
        """Counts an image with one box per class name."""
        self.images += 1
        self.boxes += len(class_names)
        for name in sorted(set(class_names)):
            counts = self.classes.setdefault(name, ClassCounts())
            counts.images += 1
            counts.boxes += class_names.count(name)


@dataclass
class Report:
    """What make_tfrecords wrote, mended and left out. `skipped` and `repaired` are counted by their `kind`."""

    output_dir: str
    label_map: str
    records: dict[str, str]  # split to glob
    listed: int
    written: int = 0
    splits: dict[str, SplitCounts] = field(default_factory=lambda: {split: SplitCounts() for split in SPLITS})
    repaired: list[Problem] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    bad_images: int = 0  # the skipped ones whose data is bad, as against left out by a rule
    problems: list[Problem] = field(default_factory=list)
    dropped_objects: int = 0


@dataclass(frozen=True)
class _Converted:
    """One listed name: its record (None where it is skipped) and what the report needs of it."""

    record: bytes | None
    class_names: tuple[str, ...] = ()
    repaired: Problem | None = None
    skipped: Problem | None = None
    is_bad: bool = False
    problems: tuple[Problem, ...] = ()
    dropped_objects: int = 0


def make_tfrecords(
    data_dir: str | os.PathLike,
    output_dir: str | os.PathLike,
    *,
    full_body: bool = False,
    mask_type: str = "png",
    num_shards: int = 10,
    val_fraction: float = 0.3,
    seed: int = 42,
    label_map_path: str | os.PathLike | None = None,
    max_bad_fraction: float = 0.05,
    strict_tfod: bool = False,
    overwrite: bool = False,
    num_workers: int | None = None,
) -> Report:
    """Writes the shards of both splits, the label map and dataset.json to `output_dir`, which appears whole or not.

    `label_map_path` is a file or a shipped map's name, None the 37 breeds; `num_workers` None is one per core, and any
    number gives the same bytes. Raises DataError where the layout is another, a class is not in the label map, or more
    than `max_bad_fraction` of the listed images cannot be used; OutputError where `output_dir` holds something already
    (`overwrite` replaces an earlier output, and nothing else).
    """
    data_dir, output_dir = Path(data_dir), Path(output_dir)
    pets.check_layout(data_dir, full_body)
    names = pets.read_names(data_dir)
    map_path = label_map.find(label_map_path or "pet_label_map")
    classes = label_map.read(map_path)
    _check_classes(names, classes, map_path)

    def convert(name: str) -> _Converted:
        return _convert(data_dir, name, classes, full_body, mask_type, strict_tfod)

    bases = {split: _BASES[full_body].format(split) for split in SPLITS}
    report = _empty_report(output_dir, bases, num_shards, names)
    num_workers = num_workers or _num_cores()
    with (
        atomic_directory(output_dir, replace=overwrite and _is_earlier_output(output_dir)) as folder,
        progress.track("Converting", len(names), "images") as bar,
        _threads(num_workers) as pool,
    ):
        for split, chosen in zip(SPLITS, split_names(names, val_fraction, seed), strict=True):
            # A name's place in its split, be it skipped or not, is its shard. Shard after shard: one file open at once.
            parts = [chosen[index::num_shards] for index in range(num_shards)]
            results = _in_order(pool, convert, itertools.chain(*parts), 4 * num_workers)
            for index, part in enumerate(parts):
                records = _account(itertools.islice(results, len(part)), report, split, bar)
                shards.write_records(folder / shards.shard_name(bases[split], index, num_shards), records)
        for found in (report.skipped, report.repaired, report.problems):
            found.sort(key=lambda problem: (problem.file, problem.line or 0))
        _check_bad_fraction(report, max_bad_fraction)
        shutil.copyfile(map_path, folder / LABEL_MAP_FILE)
        globs = [shards.shard_glob(base, num_shards) for base in bases.values()]
        shards.write_dataset(folder, *globs, LABEL_MAP_FILE, dataclasses.asdict(report))
    return report


def split_names(names: list[str], val_fraction: float = 0.3, seed: int = 42) -> tuple[list[str], list[str]]:
    """TFOD's shuffle and split: train is the first `int(0.7 * n)` of the names, validation the rest."""
    names = list(names)
    random.Random(seed).shuffle(names)
    # Rounded, so that 1 - val_fraction is the very float that its decimal digits name.
    num_train = int(round(1 - val_fraction, 12) * len(names))
    return names[:num_train], names[num_train:]


def _empty_report(output_dir: Path, bases: dict[str, str], num_shards: int, names: list[str]) -> Report:
    return Report(
        output_dir=str(output_dir),
        label_map=str(output_dir / LABEL_MAP_FILE),
        records={split: str(output_dir / shards.shard_glob(base, num_shards)) for split, base in bases.items()},
        listed=sum(map(bool, names)),
    )


def _is_earlier_output(folder: Path) -> bool:
    """Whether all that a folder holds is ours, so that replacing it loses nothing else."""
    ours = {shards.DATASET_FILE, LABEL_MAP_FILE}
    return shards.is_dataset(folder) and all(
        path.name in ours or fnmatch.fnmatch(path.name, "*.record-*-of-*") for path in folder.iterdir()
    )


def _convert(
    data_dir: Path, name: str, classes: label_map.LabelMap, full_body: bool, mask_type: str, strict_tfod: bool
) -> _Converted:
    if not name:
        return _Converted(None)  # a blank line of trainval.txt takes a place in the split, and is nothing more
    try:
        pet = pets.read(data_dir, name, classes, full_body, strict_tfod)
        if strict_tfod and full_body and mask_type == "numerical" and not pet.image.objects:
            raise UnusableImage(
                pet.image_path, None, "no object, as in TFOD", "it has no masks to write.", is_bad=False
            )
    except UnusableImage as error:
        return _Converted(None, skipped=error.problem, is_bad=error.is_bad)
    return _Converted(
        record=example.encode(pet.image, mask_type if full_body else None),
        class_names=tuple(entry.class_name for entry in pet.image.objects),
        repaired=pet.repaired and Problem(str(pet.image_path), None, pet.repaired, pet.repaired),
        problems=pet.problems,
        dropped_objects=pet.dropped_objects,
    )


def _account(results: Iterable[_Converted], report: Report, split: str, bar: progress.Progress) -> Iterator[bytes]:
    """Yields the records of `results`, entering each result in the report."""
    counts = report.splits[split]
    for result in results:
        bar.advance()
        report.skipped += [result.skipped] if result.skipped else []
        report.repaired += [result.repaired] if result.repaired else []
        report.problems += result.problems
        report.bad_images += result.is_bad
        report.dropped_objects += result.dropped_objects
        if result.record is not None:
            report.written += 1
            counts.add(result.class_names)
            yield result.record


@contextlib.contextmanager
def _threads(num_workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool that an error leaves at once, dropping what was not begun.

    Threads, not processes: decoding, hashing and reading release the interpreter lock, no worker has to start, and
    a caller that has TensorFlow loaded need not fork it.
    """
    pool = ThreadPoolExecutor(num_workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(pool: ThreadPoolExecutor, function: Callable, items: Iterable, window: int) -> Iterator:
    """Maps on the pool, in order, never more than `window` results ahead: memory stays flat."""
    items = iter(items)
    waiting = deque(pool.submit(function, item) for item in itertools.islice(items, window))
    while waiting:
        result = waiting.popleft().result()
        waiting.extend(pool.submit(function, item) for item in itertools.islice(items, 1))
        yield result


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_classes(names: list[str], classes: label_map.LabelMap, map_path: Path) -> None:
    found = {pets.class_of(f"{name}.jpg") for name in names} - {None}
    unknown = sorted(name for name in found if classes.id_of(name) is None)
    if unknown:
        raise DataError(
            f"The label map {map_path} has no item named {', '.join(unknown)}, which trainval.txt lists images of. "
            "Add an item for each, or name another map with --label-map."
        )


def _check_bad_fraction(report: Report, max_bad_fraction: float) -> None:
    if report.bad_images > max_bad_fraction * report.listed:
        named = [str(problem).rstrip(".") for problem in report.skipped[:_NAMED_IN_AN_ERROR]]
        more = f"; and {len(report.skipped) - len(named)} more" * (len(report.skipped) > len(named))
        raise DataError(
            f"{report.bad_images} of {report.listed} images ({report.bad_images / report.listed:.1%}) cannot be used, "
            f"more than --max-bad-fraction {max_bad_fraction:g} allows: {'; '.join(named)}{more}. Nothing was written. "
            "Mend the files, or allow a larger fraction."
        )
