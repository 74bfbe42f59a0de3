"""What a model's config says that explains its errors: how large its input is, and how much it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from odtk import files
from odtk.datasets.record_files import scan_classes
from odtk.detectors import families
from odtk.detectors.parts.input_size import output_size
from odtk.errors import OdtkError
from odtk.exporting.open_model import read_config
from odtk.protos import pipeline_pb2
from odtk.records import shards

Config = pipeline_pb2.TrainEvalPipelineConfig


def read_facts(
    config_path: str | None, names: Mapping[int, str]
) -> tuple[tuple[int, int] | None, dict[int, int] | None]:
    """The input's height and width, and the boxes of each class (an id of `names`) in the training records.

    None for what is not known: nothing without a config, the boxes also where the records are not there, in a store,
    or take more than seconds to read.
    """
    if config_path is None:
        return None, None
    config = read_config(config_path)
    family = families.find(config)
    size = output_size(family.image_resizer(config.model)) if family else None
    return size, _training_boxes(config, names)


def _training_boxes(config: Config, names: Mapping[int, str]) -> dict[int, int] | None:
    patterns = list(config.train_input_reader.tf_record_input_reader.input_path)
    if not patterns or any(map(files.is_remote, patterns)):
        return None
    try:
        found = [Path(file) for file in shards.expand_globs(patterns)]
        scan = scan_classes(found) if found else None
    except (OdtkError, OSError):
        return None
    if scan is None or not scan.is_complete:
        return None
    return {number: scan.names[name] + scan.ids[number] for number, name in names.items()}
