"""`open_target` opens data: a dataset's folder, records, or the records of a pipeline.config."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from odtk import label_map, parallel, pipeline, progress
from odtk.annotations import pets
from odtk.annotations.annotated_image import Problem
from odtk.annotations.conventions import Evidence
from odtk.annotations.data_folder import is_data_set
from odtk.annotations.formats import PETS, check_pets, guess, open_dataset
from odtk.annotations.frames import Rules
from odtk.datasets.record_files import label_map_beside, record_sets, split_of
from odtk.datasets.record_source import read_records
from odtk.datasets.sources import DatasetSource, ImageSummary, PetSource, Source
from odtk.datasets.splits import NO_SPLIT, TRAIN, VAL, rank
from odtk.errors import ConfigError, DataError, LabelMapError, Option
from odtk.label_map import LabelMap
from odtk.protos import pipeline_pb2
from odtk.records import shards

MAX_HEADERS = 4_000
"""Images whose annotations and headers are read to find out how to interpret a dataset, before some are shown."""

RECORDS, CONFIG = "records", "pipeline.config"
"""Kinds of targets that are not annotated datasets."""


@dataclass(frozen=True)
class Target:
    """Opened data; `sources` has one for each split, training's first."""

    name: str
    kind: str
    sources: Sequence[Source]
    damaged: dict[str, list[ImageSummary]] = field(default_factory=dict)  # by split, places without a valid record
    missing: list[str] = field(default_factory=list)  # shards that the names of others imply
    notes: list[str] = field(default_factory=list)  # what could not be listed, as sentences
    problems: tuple[Problem, ...] = ()  # of the dataset as a whole
    class_names: tuple[str, ...] = ()  # if the dataset itself lists its classes
    labels: LabelMap | None = None
    label_map: str | None = None
    config: pipeline_pb2.TrainEvalPipelineConfig | None = None
    config_path: str | None = None
    is_annotated: bool = False  # a dataset that is not converted yet, not records
    refusal: str | None = None  # why its boxes cannot be right with the assumed order and units
    options: tuple[Option, ...] = ()  # that may be meant then

    @property
    def splits(self) -> list[str]:
        """The names of the splits, training's first."""
        return list(dict.fromkeys(source.split for source in self.sources))

    def interpreted(self, evidence: Evidence) -> Target:
        """The target, with its annotations interpreted by the evidence of all of them."""
        conventions = evidence.decide()
        is_said = any(source.rules.boxes for source in self.sources if isinstance(source, DatasetSource))
        return replace(
            self,
            sources=[
                replace(source, rules=replace(source.rules, conventions=conventions))
                if isinstance(source, DatasetSource)
                else source
                for source in self.sources
            ],
            problems=(*self.problems, *evidence.problems(self.name)),
            refusal=None if is_said else evidence.refusal(self.name),
            options=() if is_said else evidence.options("inspect"),
        )


def interpreted_by_headers(target: Target) -> Target:
    """`Target.interpreted` without decoding pixels, from at most MAX_HEADERS images, evenly spread.

    For commands that show a part of a dataset; a scan and make-tfrecords read all of it.
    """
    places = [(source, i) for source in target.sources if isinstance(source, DatasetSource) for i in range(len(source))]
    if not places:
        return target
    evidence, chosen = Evidence(), places[:: -(-len(places) // MAX_HEADERS)]
    with (
        progress.track("Reading", len(chosen), "annotations") as bar,
        parallel.mapped(_facts, chosen, num_workers=min(parallel.num_cores(), parallel.MANY_WORKERS - 1)) as found,
    ):
        for facts in found:
            if facts is not None:
                evidence.add(facts)
            bar.advance()
    return target.interpreted(evidence)


def _facts(place: tuple[DatasetSource, int]):
    source, index = place
    return source.facts(index)


def open_target(
    target: str | os.PathLike,
    config: str | os.PathLike | None = None,
    format: str | None = None,
    boxes: str | None = None,
    read_label_map: bool = True,
) -> Target:
    """Finds out what `target` is and lists its images; `config` provides anchors, and a label map if there is none.

    `target`: the folder of a dataset or of records, the data.yaml of a dataset, a record file, a glob of them, or a
    pipeline.config, whose readers' records are the splits.

    `format` is a dataset's (one of formats.FORMATS, or "pets"); None detects it, and is for records, which are read
    completely, with their checksums. `boxes` is the order of the boxes' numbers, None the format's. Without
    `read_label_map` the data's own label map is not read. Raises DataError if there are no data or `boxes` does not
    apply to them, ConfigError and LabelMapError if a given file cannot be read.
    """
    found = _open(os.fspath(target), config, format, boxes, read_label_map)
    if boxes and not any(isinstance(source, DatasetSource) for source in found.sources):
        raise DataError(
            f"{target} is not the folder of a dataset in a format other than pets, and only there the order of the "
            "boxes' numbers can be chosen. Leave that out.",
            argument="boxes",
        )
    return found


def _open(
    target: str, config: str | os.PathLike | None, format: str | None, boxes: str | None, read_label_map: bool
) -> Target:
    message = pipeline.read(config) if config is not None else None
    settings = {"config": message, "config_path": None if config is None else os.fspath(config)}
    if target.endswith(".config"):
        return _of_config(target, settings, read_label_map)
    is_folder = os.path.isdir(target)
    if is_data_set(target) and (format or not is_folder or not (shards.is_dataset(target) or record_sets(target))):
        return _of_folder(target, format, Rules(boxes=boxes), settings | _labels(_map_of(message), read_label_map))
    found = _record_splits(target)
    folder = Path(target) if is_folder else Path(target).parent
    return _of_records(target, found, settings | _labels(_map_of(message) or label_map_beside(folder), read_label_map))


def _of_config(path: str, settings: dict, read_label_map: bool) -> Target:
    if settings["config"] is not None:
        raise ConfigError(f"{path} is a pipeline.config itself; leave the other config out.", argument="config")
    message = pipeline.read(path)
    found, notes = {TRAIN: _reader_files(path, "train_input_reader", message.train_input_reader)}, []
    try:
        for reader in message.eval_input_reader[:1]:
            found[VAL] = _reader_files(path, "eval_input_reader[0]", reader)
    except DataError as error:  # the training data can be opened without it
        notes.append(str(error))
    labels = _labels(message.train_input_reader.label_map_path, read_label_map)
    settings = {"config": message, "config_path": path, "notes": notes, **labels}
    return _of_records(path, found, settings, kind=CONFIG)


def _reader_files(path: str, field_name: str, reader) -> tuple[list[Path], list[str]]:
    patterns = list(reader.tf_record_input_reader.input_path)
    files = shards.expand_globs(patterns)
    if not files:
        named = ", ".join(patterns) or "nothing"
        raise DataError(
            f"{path}: {field_name}.tf_record_input_reader.input_path is {named}, and there is no record file. "
            "Set the records: odtk configure CONFIG --output CONFIG --train-records ... --eval-records ..."
        )
    return files, [name for pattern in patterns for name in shards.missing_shards(pattern, files)]


def configuring(config: str) -> str:
    """The command that edits a config, without what it sets; a shipped one is edited as a copy."""
    return shlex.join(
        ["odtk", "configure", config, "--output", config if os.path.exists(config) else "pipeline.config"]
    )


def _record_splits(target: str) -> dict[str, tuple[list[Path], list[str]]]:
    """The record files of a folder, path or glob, and the missing shards, by split."""
    patterns = record_sets(target) if os.path.isdir(target) else [target]
    files = [file for file in shards.expand_globs(patterns) if file.is_file()]
    if not files:
        raise DataError(
            f"{target} does not exist. Give the folder of a dataset or of records, a glob of record files (in "
            "quotes), or a pipeline.config."
        )
    missing = [name for pattern in patterns for name in shards.missing_shards(pattern, files)]
    names = sorted({split_of(file.name) for file in files}, key=rank)
    return {
        split: (
            [file for file in files if split_of(file.name) == split],
            [name for name in missing if split_of(Path(name).name) == split],
        )
        for split in names
    }


def _of_records(
    name: str, found: dict[str, tuple[list[Path], list[str]]], settings: dict, kind: str = RECORDS
) -> Target:
    sources, damaged = [], {}
    with progress.track("Reading", sum(len(files) for files, _ in found.values()), "record files") as bar:
        for split, (files, _) in found.items():
            source, damages = read_records(split, files, bar.advance)
            sources.append(source)
            damaged |= {split: damages} if damages else {}
    missing = [shard for _, shards_missing in found.values() for shard in shards_missing]
    return Target(name, kind, sources, damaged, missing, **settings)


def _of_folder(folder: str, format: str | None, rules: Rules, settings: dict) -> Target:
    own = settings.get("label_map")
    format = format or guess(folder, own)
    if format == PETS:
        check_pets(folder, own)
        names = [name for name in pets.read_names(Path(folder)) if name]
        classes = label_map.of_names(sorted({found for name in names if (found := pets.class_of(f"{name}.jpg"))}))
        source = PetSource(NO_SPLIT, Path(folder), names, classes)
        return Target(folder, "Pet layout", [source], is_annotated=True, **settings)
    dataset = open_dataset(folder, format)
    splits = sorted({listed.split or NO_SPLIT for listed in dataset.listed}, key=rank)
    sources = [
        DatasetSource(split, dataset, [each for each in dataset.listed if (each.split or NO_SPLIT) == split], rules)
        for split in splits
    ]
    if not sources:
        raise DataError(f"{folder} is a dataset ({dataset.format}) without images. Choose another folder.")
    class_names = tuple(dataset.class_names or ())
    settings |= {"problems": dataset.problems, "class_names": class_names, "is_annotated": True}
    return Target(folder, f"{dataset.format} dataset", sources, **settings)


def _map_of(config) -> str | None:
    """The label map of a config that is given for its anchors; a config with placeholders may have none."""
    path = config.train_input_reader.label_map_path if config is not None else None
    try:
        return os.fspath(label_map.find(path)) if path else None
    except LabelMapError:
        return None


def _labels(path: str | None, read: bool) -> dict:
    return {"label_map": path, "labels": label_map.read(path)} if path and read else {}
