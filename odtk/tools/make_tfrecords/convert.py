"""Converts annotated images to TFRecord shards: nothing is dropped silently, and the output is atomic."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from odtk import files, progress
from odtk import label_map as label_maps
from odtk.annotations import duplicates, formats
from odtk.annotations.frames import EXIF_CHOICES
from odtk.atomic import check_file, may_replace
from odtk.errors import OdtkError
from odtk.records import decoded_images, shards
from odtk.tools.arguments import require_fraction, require_one_of, require_whole
from odtk.tools.make_tfrecords import dataset_plan, pets_plan, source, warnings
from odtk.tools.make_tfrecords.local import LocalRunner
from odtk.tools.make_tfrecords.plan import PETS, Plan, Runner, Settings
from odtk.tools.make_tfrecords.report import ConversionReport, SplitCounts, WrittenRecord, look_alikes
from odtk.tools.make_tfrecords.validation import check_bad_fraction

LABEL_MAP_FILE = "label_map.pbtxt"

# The files in an output folder.
_OURS = (shards.DATASET_FILE, LABEL_MAP_FILE, "*.record-*-of-*", decoded_images.NAME.format("*", "*"))


def make_tfrecords(
    data_dir: str | os.PathLike,
    output_dir: str | os.PathLike,
    format: str | None = None,
    *,
    label_map: str | os.PathLike | None = None,
    write_label_map: str | os.PathLike | None = None,
    val_fraction: float = 0.3,
    test_fraction: float = 0.0,
    split: Mapping[str, str | os.PathLike] | None = None,
    resplit: bool = False,
    seed: int = 42,
    allow_duplicates: bool = False,
    exif: str = "auto",
    boxes: str | None = None,
    max_side: int | None = None,
    skip_difficult: bool = False,
    skip_crowd: bool = False,
    masks: bool = False,
    full_body: bool = False,
    mask_type: str = "png",
    strict_tfod: bool = False,
    num_shards: int | None = None,
    max_bad_fraction: float = 0.05,
    overwrite: bool = False,
    workers: int | None = None,
    runner: str | None = None,
    runner_options: Sequence[str] = (),
) -> ConversionReport:
    """Writes the shards of every split, the label map and dataset.json to `output_dir`, atomically.

    `format` is "voc", "coco", "yolo", "csv" or "pets", None to detect it. `split` maps splits ("train", "val", "test")
    to their images: a text file with one per line, or a folder. See Settings for the other arguments. Raises DataError
    if the data is in another format, a class is not in the label map, an option does not apply to the format, or more
    than `max_bad_fraction` of the listed images cannot be used; OutputError if `output_dir` is not empty (`overwrite`
    replaces an earlier output, and nothing else).
    """
    options = _settings(
        label_map=_path(label_map), write_label_map=_path(write_label_map), val_fraction=val_fraction,
        test_fraction=test_fraction, split=tuple((name, os.fspath(place)) for name, place in (split or {}).items()),
        resplit=resplit, seed=seed, allow_duplicates=allow_duplicates, exif=exif, boxes=boxes, max_side=max_side,
        skip_difficult=skip_difficult, skip_crowd=skip_crowd, masks=masks, full_body=full_body, mask_type=mask_type,
        strict_tfod=strict_tfod, num_shards=num_shards, max_bad_fraction=max_bad_fraction, overwrite=overwrite,
        workers=workers, runner=runner, runner_options=tuple(runner_options),
    )  # fmt: skip
    return _convert(os.fspath(data_dir).rstrip("/") or "/", os.fspath(output_dir), format, options)


def check_conversion(
    data_dir: str | os.PathLike,
    output_dir: str | os.PathLike,
    format: str | None = None,
    *,
    split: Mapping[str, str | os.PathLike] | None = None,
    **settings: Any,
) -> None:
    """Raises what `make_tfrecords` would raise with these arguments before it reads the images.

    Of data in a store only the values are checked, as its annotations would have to be copied here.
    """
    options = _settings(split=tuple((name, os.fspath(place)) for name, place in (split or {}).items()), **settings)
    data_dir = os.fspath(data_dir)
    if files.is_remote(data_dir):
        if format:
            options.check(format)
        return
    with source.near(data_dir) as near:
        options.check(format or _detected(near, options))
    if options.label_map:
        label_maps.read(label_maps.find(options.label_map))


def _settings(**settings: Any) -> Settings:
    """The settings, whose values are in their ranges; raises OdtkError."""
    options = Settings(**settings)
    require_whole(1, max_side=options.max_side, workers=options.workers)
    require_whole(1, 99999, num_shards=options.num_shards)
    require_fraction(val_fraction=options.val_fraction, test_fraction=options.test_fraction)
    require_fraction(max_bad_fraction=options.max_bad_fraction)
    require_one_of(EXIF_CHOICES, exif=options.exif)
    require_one_of(("png", "numerical"), mask_type=options.mask_type)
    return options


def _detected(near: str, options: Settings) -> str:
    return PETS if options.is_for_pets else formats.guess(near, options.label_map)


def _path(path: str | os.PathLike | None) -> str | None:
    return None if path is None else os.fspath(path)


def _convert(data_dir: str, output_dir: str, format: str | None, options: Settings) -> ConversionReport:
    with source.near(data_dir) as near:
        chosen = format or _detected(near, options)
        options.check(chosen)
        if options.write_label_map and not files.is_remote(options.write_label_map):
            check_file(options.write_label_map, options.overwrite)
        replace = may_replace(output_dir, files.names_in(output_dir), _OURS, shards.DATASET_FILE, options.overwrite)
        with files.output_folder(output_dir, replace) as folder, _runner(options, folder) as runner:
            plan = _plan(near, data_dir, chosen, options, runner)
            num_shards = plan.shard_counts(options.num_shards)
            report = _begin_report(plan, output_dir, num_shards)
            report.format, report.format_was_guessed = chosen, format is None
            _write(plan, folder, runner, report, num_shards)
            check_bad_fraction(report.bad, report.listed, options.max_bad_fraction)
            report.rename(near, data_dir)
            report.warnings = list(warnings.of(report, num_shards))
            _finish(plan, folder, report, num_shards, {**options.chosen, **({"format": format} if format else {})})
            if options.write_label_map:
                _write_bytes(options.write_label_map, plan.label_map)
    return report


def _plan(near: str, data_dir: str, format: str, options: Settings, runner: Runner) -> Plan:
    if format == PETS:
        if near != data_dir:
            source.bring_images(data_dir, near, options)
        return pets_plan.make_plan(near, options)
    dataset = formats.open_dataset(near, format, keep_segmentations=options.masks)
    if near != data_dir:
        dataset = source.with_images_afar(dataset, near, data_dir, read_ahead=options.runner is not None)
    return dataset_plan.make_plan(dataset, options, runner)


@contextlib.contextmanager
def _runner(options: Settings, folder: str | Path) -> Iterator[Runner]:
    if options.runner is None:
        yield LocalRunner(options.workers)
        return
    if find_spec("apache_beam") is None:
        raise OdtkError(
            'A runner is one of Apache Beam, which is not installed. Install it: pip install "odtk[beam]"',
            argument="runner",
        )
    from odtk.tools.make_tfrecords.beam import BeamRunner

    exchange = files.join(folder, "exchange")
    files.make_folder(exchange)
    yield BeamRunner(options.runner, options.runner_options, exchange)
    files.remove_folder(exchange)


def _begin_report(plan: Plan, output_dir: str, num_shards: Mapping[str, int]) -> ConversionReport:
    globs = {split: shards.shard_glob(base, num_shards[split]) for split, base in plan.bases.items()}
    report = ConversionReport(
        output_dir=output_dir,
        label_map=files.join(output_dir, LABEL_MAP_FILE),
        records={split: files.join(output_dir, pattern) for split, pattern in globs.items()},
        listed=plan.listed,
        split_source=plan.split_source,
        splits={split: SplitCounts() for split in plan.bases},
        near_duplicates=plan.near_duplicates,
        duplicates=plan.duplicates,
        problems=list(plan.problems),
    )
    for image in plan.images:
        report.add(image)
    return report


def _write(
    plan: Plan, folder: str | Path, runner: Runner, report: ConversionReport, num_shards: Mapping[str, int]
) -> None:
    keys, splits, fingerprints = [], [], []  # of images that were not examined before

    def account(split: str, written: WrittenRecord) -> None:
        bar.advance()
        if written.image:
            report.add(written.image)
        if written.record is not None:
            report.written += 1
            report.splits[split].add(written.class_names)
        if written.image and not written.image.skipped:
            keys.append(written.image.key)
            splits.append(split)
            fingerprints.append(written.image.fingerprint)

    with progress.track("Writing", sum(map(len, plan.items.values())), "images", compiles=True) as bar:
        runner.write(folder, plan.shards(num_shards), plan.convert, account)
    if keys:
        groups = duplicates.groups(fingerprints)
        report.near_duplicates = len(groups) - len(set(groups))
        report.duplicates = look_alikes(keys, splits, groups)


def _finish(
    plan: Plan,
    folder: str | Path,
    report: ConversionReport,
    num_shards: Mapping[str, int],
    chosen: Mapping[str, Any],
) -> None:
    report.sort()
    _write_bytes(files.join(folder, LABEL_MAP_FILE), plan.label_map)
    globs = {f"{split}_glob": shards.shard_glob(base, num_shards[split]) for split, base in plan.bases.items()}
    # Last: in an object store, this file marks a complete folder.
    shards.write_dataset(folder, **globs, label_map=LABEL_MAP_FILE, report=dataclasses.asdict(report), options=chosen)


def _write_bytes(path: str, data: bytes) -> None:
    with files.create(path) as file:
        file.write(data)
