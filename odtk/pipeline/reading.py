"""Reads a pipeline message from a shipped name or a path, and writes it to a file."""

import os
from pathlib import Path

from google.protobuf import text_format

from odtk import prototext, resources
from odtk.atomic import write_text
from odtk.errors import ConfigError
from odtk.protos import pipeline_pb2
from odtk.prototext import schema

# Earlier names of shipped pipelines, which configs, notebooks and notes still use.
_EARLIER_NAMES = {"ssd_resnet50_v1_fpn_demo": "ssd_resnet50_v1_fpn_small"}


def find(name_or_path: str | os.PathLike) -> Path:
    """The path of a config: an existing file first, then a shipped pipeline's name, with or without `.config`.

    Raises ConfigError, with similar names, if there is neither.
    """
    path, name = Path(name_or_path), os.fspath(name_or_path).removesuffix(".config")
    pipelines = resources.shipped_files("pipelines", ".config")
    if path.exists():
        return path
    name = _EARLIER_NAMES.get(name, name)
    if name in pipelines:
        return pipelines[name]
    raise ConfigError(_nothing_there(os.fspath(name_or_path), list(pipelines)))


def _nothing_there(name_or_path: str, pipelines: list[str]) -> str:
    if "://" in name_or_path:
        return f"{name_or_path} is a URL, but a file is expected. Download it first."
    path = Path(name_or_path)
    siblings = [str(file) for file in sorted(path.parent.glob("*.config"))] if path.parent.is_dir() else []
    close = schema.nearest(path.name.removesuffix(".config"), pipelines) + schema.nearest(str(path), siblings)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"The shipped ones are {', '.join(pipelines)}."
    return f"{path} is neither a file nor a shipped pipeline. {hint}"


def read_text(name_or_path: str | os.PathLike) -> str:
    """The text of a config, with comments, layout and line ends; raises ConfigError like `find` and `read`."""
    return prototext.read_text(find(name_or_path), "a pipeline config", ConfigError)


def parse(text: str, filename: str) -> pipeline_pb2.TrainEvalPipelineConfig:
    """The message of a config's text; `filename` is for the error texts.

    Raises ConfigError with file, line, column, the offending line, a caret and the likely cause.
    """
    return prototext.parse(text, pipeline_pb2.TrainEvalPipelineConfig(), filename, ConfigError)


def read(name_or_path: str | os.PathLike) -> pipeline_pb2.TrainEvalPipelineConfig:
    """The message of a shipped pipeline (by name) or of a config file; raises ConfigError."""
    path = find(name_or_path)
    return parse(prototext.read_text(path, "a pipeline config", ConfigError), str(path))


def format(message: pipeline_pb2.TrainEvalPipelineConfig) -> str:
    """A message as text, with each field on its own line."""
    return text_format.MessageToString(message, as_utf8=True)


def write(message: pipeline_pb2.TrainEvalPipelineConfig, path: str | os.PathLike) -> None:
    """Writes a message as a config file, whole or not at all."""
    write_text(path, format(message))
