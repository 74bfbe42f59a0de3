"""What a model is measured against: the records of a config, other records, or annotations that are no records."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from odtk import files, label_map
from odtk.annotations.data_folder import is_data_set
from odtk.datasets.record_files import EVAL_WORDS, Records, find_records, label_map_beside, record_sets, scan_classes
from odtk.errors import ConfigError, DataError, OdtkError
from odtk.evaluation.coco_groundtruth import read_groundtruth
from odtk.evaluation.dataset_groundtruth import open_groundtruth
from odtk.evaluation.groundtruth import Groundtruth
from odtk.evaluation.metrics_sets import build_evaluators
from odtk.exporting.label_maps import find_trained_map, read_map
from odtk.exporting.open_model import read_config
from odtk.findings import counted
from odtk.protos import eval_pb2, pipeline_pb2
from odtk.prototext.schema import some
from odtk.records import shards
from odtk.tools.evaluate.sources import RESULTS, Source

_MARKS = {"is_crowd": "crowd", "difficult": "difficult", "group_of": "group"}


@dataclass(frozen=True)
class RecordsTruth:
    """Records: the first eval_input_reader of a config, by whose eval_config they are measured."""

    name: str  # as the user knows them
    config: pipeline_pb2.TrainEvalPipelineConfig
    config_path: str | None  # for messages; None if no config names them
    is_named_by_label_map: bool = False  # the classes of the records are those of the `label_map` of the call


def find_truth(
    groundtruth: str | os.PathLike | None, source: Source, label_map_path: str | None
) -> RecordsTruth | Groundtruth:
    """The RecordsTruth or the Groundtruth that `groundtruth` names; None for the records of the model's config.

    A path ends with .config (its evaluation records) or .json (COCO's groundtruth), or is records (a file, a glob, a
    folder), or the folder of an annotated dataset. `label_map_path` names the classes of records that no config names
    and that have no label map beside them. Raises OdtkError if there is nothing to measure against.
    """
    config = read_config(source.config_path) if source.config_path else pipeline_pb2.TrainEvalPipelineConfig()
    place = None if groundtruth is None else os.fspath(groundtruth)
    if place is None or place.endswith(".config"):
        return _of_config(place, config, source)
    if place.endswith(".json"):
        return read_groundtruth(place)
    is_records = shards.is_dataset(place) or bool(os.path.isdir(place) and record_sets(place))
    if not files.is_remote(place) and not is_records and is_data_set(place):
        return open_groundtruth(place, _mark_of_ignored(place, config.eval_config))
    return _of_records(place, config, source, label_map_path)


def _mark_of_ignored(place: str, eval_config: eval_pb2.EvalConfig) -> str:
    """The mark of objects that need not be found. Raises ConfigError if the metrics sets differ in it."""
    names_alone = eval_pb2.EvalConfig(metrics_set=eval_config.metrics_set)  # the classes are not known yet
    marks = {_MARKS[each.ignored_flag] for each in build_evaluators(names_alone, [{"id": 1, "name": ""}])}
    if len(marks) > 1:
        raise ConfigError(
            f"{place} holds annotations, of which one mark says what need not be found, but the metrics sets of "
            f"eval_config ({', '.join(eval_config.metrics_set)}) differ in it: {', '.join(sorted(marks))}. Choose one "
            "metrics_set, or make records of it and evaluate on these.",
            argument="groundtruth",
        )
    return marks.pop()


def _of_config(place: str | None, config: pipeline_pb2.TrainEvalPipelineConfig, source: Source) -> RecordsTruth:
    if place is None and source.config_path is None:
        raise OdtkError(
            f"{source.path} has no pipeline.config, so nothing says on which images it is to be evaluated. Give the "
            "groundtruth: records, a COCO JSON, the folder of an annotated dataset, or a config.",
            argument="groundtruth",
        )
    path = place or source.config_path
    found = config if place is None else read_config(place)
    readers = found.eval_input_reader[:1]
    if not readers:
        raise ConfigError(
            f"{path} has no eval_input_reader, and so no records to evaluate on. Give the groundtruth, or add them: "
            "odtk configure CONFIG --output CONFIG --eval-records ...",
            argument="groundtruth",
        )
    return RecordsTruth(_named(readers[0].tf_record_input_reader.input_path), found, path)


def _of_records(
    place: str, config: pipeline_pb2.TrainEvalPipelineConfig, source: Source, label_map_path: str | None
) -> RecordsTruth:
    records = find_records(place, EVAL_WORDS)
    mine = pipeline_pb2.TrainEvalPipelineConfig()
    mine.eval_config.CopyFrom(config.eval_config)
    reader = mine.eval_input_reader.add()
    if config.eval_input_reader:
        reader.CopyFrom(config.eval_input_reader[0])
        reader.sample_1_of_n_examples = 1  # of the config's own records
    reader.tf_record_input_reader.input_path[:] = records.patterns
    beside = records.label_map or (None if files.is_remote(place) else label_map_beside(os.path.dirname(place) or "."))
    # The config's own map comes last, as it is of other records.
    named = beside or label_map_path or reader.label_map_path or _map_of_model(source)
    if not named:
        raise OdtkError(
            f"Nothing says which classes {place} has: there is no label map beside it, and {source.path} has none "
            "either. Give one.",
            argument="label_map",
        )
    reader.label_map_path = os.fspath(label_map.find(named)) if not files.is_remote(named) else named
    _require_classes(records, reader.label_map_path, place)
    return RecordsTruth(_named(records.patterns), mine, None, is_named_by_label_map=named == label_map_path)


def _require_classes(records: Records, label_map_path: str, place: str) -> None:
    """Raises DataError if boxes of the records would be left out, as the label map does not have their class."""
    if any(map(files.is_remote, records.patterns)):
        return
    known = read_map(label_map_path)[1]
    counts = scan_classes(shards.expand_globs(records.patterns)).names
    strange = {name: count for name, count in counts.items() if known.id_of(name) is None}
    if strange:
        raise DataError(
            f"{place} has {counted(sum(strange.values()), 'box', 'boxes')} of classes that {label_map_path} does not "
            f"have: {some(list(strange), 6)}. Give the label map of these records, or put it beside them as "
            "label_map.pbtxt.",
            argument="label_map",
        )


def _map_of_model(source: Source) -> str | None:
    return None if source.kind == RESULTS else find_trained_map(source.path)


def _named(patterns: Sequence[str]) -> str:
    return some(list(patterns), 2) or "no records"


def names_of(path: str | None) -> dict[int, str] | None:
    """The classes of a label map by their ids; None without one."""
    return {item["id"]: item["name"] for item in read_map(path)[1].categories()} if path else None
