"""What each stage reads and writes, as digests by name: two runs with the same inputs need only one of them."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from odtk import files, label_map, pipeline, resources
from odtk.checkpoints.files import is_exported_folder
from odtk.errors import ConfigError, LabelMapError
from odtk.evaluation.output_folder import default_output
from odtk.records import shards
from odtk.tools.run.content import Contents, of_text

STEPS, SCHEDULE = "steps", "learning rate"
"""Inputs of training that may change without starting over."""


@dataclass(frozen=True)
class Reading:
    """How digests are made: the contents, and what lies among the data but was written by the run."""

    contents: Contents
    written: tuple[str, ...] = ()


Digests = dict[str, str]
Arguments = Mapping[str, Any]


def inputs_of(stage: str, arguments: Arguments, reading: Reading) -> Digests:
    """What a stage would read now, without what is not there."""
    return _there(_INPUTS[stage](arguments, reading))


def outputs_of(stage: str, arguments: Arguments, reading: Reading) -> Digests:
    """What there is of a stage's outputs."""
    contents = reading.contents
    return _there({name: _digest(stage, path, contents) for name, path in places_of(stage, arguments).items()})


def places_of(stage: str, arguments: Arguments) -> dict[str, str]:
    """The outputs of a stage, by what they are."""
    return {what: place for what, place in _OUTPUTS[stage](arguments).items() if place}


def _digest(stage: str, path: str, contents: Contents) -> str | None:
    return contents.of_checkpoints(path) if stage == "train" else contents.of(path)


def _there(digests: Mapping[str, str | None]) -> Digests:
    return {name: digest for name, digest in digests.items() if digest is not None}


_OUTPUTS: dict[str, Callable[[Arguments], dict[str, str | None]]] = {
    "make-tfrecords": lambda a: {"records": a["output_dir"], "label map": a.get("write_label_map")},
    "configure": lambda a: {"config": a["output"]},
    "train": lambda a: {"checkpoints": a["model_dir"]},
    "evaluate": lambda a: {
        "metrics": _of_evaluation(a, "metrics.json"),
        "classes": _of_evaluation(a, "classes.json"),
        "detections": _of_evaluation(a, "detections.json"),
        "report": _of_evaluation(a, "report.html") if a.get("report", True) else None,
        "suspects": a.get("export_suspects"),
    },
    "export": lambda a: {"exported model": a["output_dir"]},
    "predict": lambda a: {"predictions": a["output"]},
}


def _of_evaluation(arguments: Arguments, name: str) -> str:
    return files.join(arguments.get("output") or default_output(arguments["model_dir"]), name)


def _of_make_tfrecords(arguments: Arguments, reading: Reading) -> dict[str, str | None]:
    data, contents = arguments["data_dir"], reading.contents
    if os.path.isfile(data):  # a data.yaml, which stands for its folder
        data = os.path.dirname(data) or os.curdir
    lists = [place for place in arguments.get("split", {}).values() if os.path.isfile(place)]
    return {
        "data": contents.of(data, reading.written),
        "label map": _of_label_map(arguments.get("label_map"), contents),
        "lists": contents.of_files(lists),
    }


def _of_configure(arguments: Arguments, reading: Reading) -> dict[str, str | None]:
    contents, checkpoint = reading.contents, arguments.get("fine_tune_checkpoint")
    return {
        "base": _of_base(arguments["base"], contents),
        "label map": _of_label_map(arguments.get("label_map"), contents),
        "records": _of_record_names(arguments.get("train_records", []), contents),
        "evaluation records": _of_record_names(arguments.get("eval_records", []), contents),
        # Its path stands in the config.
        "checkpoint": of_text(_absolute(checkpoint), contents.of_checkpoints(checkpoint) or "") if checkpoint else None,
        "folder": of_text(_absolute(arguments["output"])),
    }


def _of_train(arguments: Arguments, reading: Reading) -> dict[str, str | None]:
    config = _read_config(arguments["pipeline_config"])
    if config is None:
        return {}
    steps = arguments.get("num_steps") or config.train_config.num_steps
    checkpoint = config.train_config.fine_tune_checkpoint
    readers = [config.train_input_reader, *config.eval_input_reader[:1]]
    return {
        "config": of_text(_without_paths(config, schedule=False)),
        SCHEDULE: of_text(str(_optimizer(config).learning_rate)),
        STEPS: str(steps),
        "checkpoint": reading.contents.of_checkpoints(checkpoint) if checkpoint else None,
        **_of_readers(readers, reading.contents),
    }


def _of_evaluate(arguments: Arguments, reading: Reading) -> dict[str, str | None]:
    config = _read_config(arguments["pipeline_config"])
    if config is None:
        return {}
    truth, contents = arguments.get("groundtruth"), reading.contents
    compared = arguments.get("compare")
    return {
        "config": of_text(_without_paths(config)),
        **(_of_groundtruth(truth, contents) if truth else _of_readers(config.eval_input_reader[:1], contents)),
        **_of_model(arguments, contents),
        "other label map": _of_label_map(arguments.get("label_map"), contents),
        "compared model": _of_any_model(compared, None, contents) if compared else None,
    }


def _of_groundtruth(path: str, contents: Contents) -> dict[str, str | None]:
    if path.endswith(".config"):
        config = _read_config(path)
        return {} if config is None else _of_readers(config.eval_input_reader[:1], contents)
    if files.is_remote(path) or os.path.exists(path):
        return {"groundtruth": contents.of(path)}
    return {"groundtruth": contents.of_files(map(str, shards.expand_globs([path])))}


def _of_export(arguments: Arguments, reading: Reading) -> dict[str, str | None]:
    config = _read_config(arguments["pipeline_config"])
    return {"config": config and of_text(pipeline.format(config))} | _of_model(arguments, reading.contents)


def _of_predict(arguments: Arguments, reading: Reading) -> dict[str, str | None]:
    contents, images = reading.contents, [_of_images(path, reading) for path in arguments["images"]]
    thresholds = arguments.get("thresholds")
    return {
        "model": _of_any_model(arguments["model"], arguments.get("checkpoint"), contents),
        "images": of_text(*(each or "" for each in images)) if any(images) else None,
        "label map": _of_label_map(arguments.get("label_map"), contents),
        "thresholds": contents.of(thresholds) if thresholds else None,
    }


def _of_images(place: str, reading: Reading) -> str | None:
    if place.startswith(("http://", "https://")):
        return of_text(place)
    if not files.is_remote(place) and not os.path.exists(place) and glob.has_magic(place):
        return reading.contents.of_files(sorted(glob.glob(place, recursive=True)))
    return reading.contents.of(place, reading.written)


def _of_any_model(model: str, checkpoint: str | None, contents: Contents) -> str | None:
    """Of an exported folder or a file (a model, or detections) all, of a model dir its checkpoints."""
    if model.endswith(".json") or os.path.isfile(model) or is_exported_folder(model):
        return contents.of(model)
    return contents.of_checkpoints(model if checkpoint in (None, "best", "last", "all") else checkpoint)


_INPUTS: dict[str, Callable[[Arguments, Reading], dict[str, str | None]]] = {
    "make-tfrecords": _of_make_tfrecords,
    "configure": _of_configure,
    "train": _of_train,
    "evaluate": _of_evaluate,
    "export": _of_export,
    "predict": _of_predict,
}


def _of_model(arguments: Arguments, contents: Contents) -> dict[str, str | None]:
    return {
        "checkpoints": _of_any_model(arguments["model_dir"], arguments.get("checkpoint"), contents),
        "label map": contents.of(files.join(arguments["model_dir"], "label_map.pbtxt")),
    }


def _of_readers(readers, contents: Contents) -> dict[str, str | None]:
    """The contents of the records and label maps that a config names."""
    patterns = [pattern for reader in readers for pattern in reader.tf_record_input_reader.input_path]
    here = [pattern for pattern in patterns if not files.is_remote(pattern)]
    return {
        "records": contents.of_files(map(str, shards.expand_globs(here))),
        "records in a store": of_text(*(p for p in patterns if files.is_remote(p)))
        if len(here) < len(patterns)
        else None,
        "label maps": of_text(*(_of_label_map(each.label_map_path, contents) or "" for each in readers)),
    }


def _of_record_names(places: list[str], contents: Contents) -> str | None:
    """What a config takes of records: where they are, their names, and the label map beside them."""
    parts: list[str] = []
    for place in places:
        parts.append(_absolute(place))
        if os.path.isdir(place):
            names = files.names_in(place)
            parts += names
            parts += [contents.of(os.path.join(place, name)) or "" for name in names if name.endswith(".pbtxt")]
        elif not files.is_remote(place):
            parts += map(str, shards.expand_globs([place]))
    return of_text(*parts) if parts else None


def _of_label_map(name: str | None, contents: Contents) -> str | None:
    if not name:
        return None
    if files.is_remote(name):
        return contents.of(name)
    try:
        return contents.of(os.fspath(label_map.find(name)))
    except LabelMapError:
        return None


def _of_base(name: str, contents: Contents) -> str | None:
    shipped = resources.shipped_folder("pipelines") / f"{name.removesuffix('.config')}.config"
    return contents.of(name if os.path.isfile(name) else os.fspath(shipped))


def _read_config(path: str):
    """None for one that is not there yet, or cannot be read: the stage that reads it will say so."""
    try:
        return pipeline.read(path)
    except ConfigError:
        return None


def _without_paths(config, schedule: bool = True) -> str:
    """A config's text without the paths in it, whose contents count; without `schedule` also without its steps."""
    copy = type(config)()
    copy.CopyFrom(config)
    for reader in (copy.train_input_reader, *copy.eval_input_reader):
        reader.ClearField("label_map_path")
        reader.tf_record_input_reader.ClearField("input_path")
    copy.train_config.ClearField("fine_tune_checkpoint")
    if not schedule:
        copy.train_config.ClearField("num_steps")
        _optimizer(copy).ClearField("learning_rate")
    return pipeline.format(copy)


def _optimizer(config):
    """The message of the optimizer that is set."""
    optimizer = config.train_config.optimizer
    return getattr(optimizer, optimizer.WhichOneof("optimizer") or "momentum_optimizer")


def _absolute(path: str) -> str:
    return path if files.is_remote(path) else os.path.abspath(path)
