"""The keys of each stage of a project file: the options of its command, their kinds, and what a change of one means.

A test compares them with the commands' options and with the tools' keyword arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from odtk.tools.run.kinds import (
    Assignments,
    Cache,
    Choice,
    Devices,
    Flag,
    Kind,
    Number,
    Path,
    PictureSource,
    Several,
    Size,
    Splits,
    Text,
    Whole,
    WholeOrAuto,
)

START_OVER, GO_ON, NOTHING = "start over", "go on", "nothing"
"""What a changed value asks for: the stage from its start, the stage from where it ended (training), nothing."""


@dataclass(frozen=True)
class Key:
    """One key: the kind of its values, its default (None: none, or one that depends), and what a change asks for."""

    kind: Kind
    default: Any = None
    change: str = START_OVER


@dataclass(frozen=True)
class Section:
    """The keys of one stage. `arguments` are the command's, in their order; the other keys are its options."""

    keys: Mapping[str, Key]
    arguments: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    """Options that are no keys, and why."""


_PLACE = Key(Path(), change=NOTHING)  # what lies there counts
_FLAG = Key(Flag(), False)
_ITSELF = "a run replaces what it wrote itself, and nothing else"
_NO_DOWNLOAD = "a run downloads nothing: odtk download MODEL does, and fine-tune-checkpoint names what it unpacked"
_CHECKPOINT = Key(Path(names=("best", "last")))
_BAD_RECORDS = 100

SECTIONS: dict[str, Section] = {
    "make-tfrecords": Section(
        {
            "data-dir": _PLACE,
            "output-dir": _PLACE,
            "format": Key(Choice(("pets", "voc", "coco", "yolo", "csv"))),
            "label-map": Key(Path("label_maps")),
            "write-label-map": _PLACE,
            "val-fraction": Key(Number(0, below=1), 0.3),
            "test-fraction": Key(Number(0, below=1), 0.0),
            "split": Key(Splits()),
            "resplit": _FLAG,
            "seed": Key(Whole(), 42),
            "allow-duplicates": _FLAG,
            "exif": Key(Choice(("auto", "apply", "ignore")), "auto"),
            "boxes": Key(Choice(("xyxy", "xywh", "cxcywh", "yxyx"))),
            "max-side": Key(Whole(1)),
            "skip-difficult": _FLAG,
            "skip-crowd": _FLAG,
            "masks": _FLAG,
            "full-body": Key(Flag("--faces-only"), False),
            "mask-type": Key(Choice(("png", "numerical")), "png"),
            "strict-tfod": _FLAG,
            "num-shards": Key(Whole(1, 99999)),
            "max-bad-fraction": Key(Number(0, 1), 0.05, NOTHING),
            "workers": Key(Whole(1), change=NOTHING),
            "runner": Key(Text("a runner of Apache Beam"), change=NOTHING),
            "runner-options": Key(Several(Text()), change=NOTHING),
        },
        ("data-dir", "output-dir", "runner-options"),
        {"overwrite": _ITSELF},
    ),
    "configure": Section(
        {
            "base": Key(Path("pipelines"), change=NOTHING),
            "output": _PLACE,
            "num-classes": Key(Whole(1)),
            "label-map": Key(Path("label_maps")),
            "train-records": Key(Several(Path())),
            "eval-records": Key(Several(Path())),
            "fine-tune-checkpoint": Key(Path()),
            "fine-tune-checkpoint-type": Key(Text()),
            "batch-size": Key(Whole(1)),
            "scale-learning-rate": Key(Flag("--no-scale-learning-rate"), True),
            "num-steps": Key(Whole(1)),
            "learning-rate": Key(Number(above=0)),
            "image-size": Key(Size()),
            "set": Key(Assignments()),
        },
        ("base",),
        {"overwrite": _ITSELF, "fine-tune": _NO_DOWNLOAD, "download-dir": _NO_DOWNLOAD},
    ),
    "train": Section(
        {
            "pipeline-config": Key(Path("pipelines"), change=NOTHING),
            "model-dir": _PLACE,
            "num-steps": Key(Whole(1), change=GO_ON),
            "extend-schedule": Key(Flag(), False, GO_ON),
            "checkpoint-every": Key(Whole(1), 1000, NOTHING),
            "keep": Key(Whole(1), 7, NOTHING),
            "log-every": Key(Whole(1), 10, NOTHING),
            "eval-every": Key(Whole(0), change=GO_ON),
            "eval-images": Key(Whole(1), change=GO_ON),
            "best-metric": Key(Text("the name of a metric"), "mAP"),
            "patience": Key(Whole(1), change=GO_ON),
            "min-delta": Key(Number(0), 0.0, GO_ON),
            "max-time": Key(Text("a time, such as 11h30m or 45m"), change=GO_ON),
            "on-nan": Key(Choice(("stop", "lower-rate")), "stop", GO_ON),
            "seed": Key(Whole(0, 2**32 - 1)),
            "deterministic": _FLAG,
            "log-to": Key(Several(Choice(("wandb", "mlflow"))), change=NOTHING),
            "reuse-head-weights": _FLAG,
            "max-bad-records": Key(Whole(0), _BAD_RECORDS, NOTHING),
            "batch-size": Key(WholeOrAuto()),
            "accumulate": Key(WholeOrAuto(), 1),
            "precision": Key(Choice(("auto", "float32", "float16", "bfloat16")), "auto"),
            "xla": Key(Flag(), False, NOTHING),
            "devices": Key(Devices(), "auto", NOTHING),
            "tpu": Key(Text(), change=NOTHING),
            "freeze": Key(Choice(("backbone", "bn", "none"))),
            "profile": Key(Text("FIRST:LAST, such as 10:20"), change=NOTHING),
            "cache": Key(Cache(), change=NOTHING),
        },
        ("pipeline-config", "model-dir"),
        {
            "repeat": "it starts another run's training again: that is a command of its own, odtk train --repeat",
            "workers": "on several machines each runs odtk train itself, at the same time",
            "worker-index": "on several machines each runs odtk train itself, at the same time",
        },
    ),
    "evaluate": Section(
        {
            "pipeline-config": Key(Path("pipelines"), change=NOTHING),
            "model-dir": _PLACE,
            "checkpoint": Key(Path(names=("best", "last", "all"))),
            "groundtruth": _PLACE,
            "label-map": Key(Path("label_maps")),
            "compare": _PLACE,
            "report": Key(Flag("--no-report"), True),
            "export-suspects": _PLACE,
            "output": _PLACE,
            "max-bad-records": Key(Whole(0), _BAD_RECORDS),
            "precision": Key(Choice(("auto", "float32", "float16", "bfloat16")), "float32"),
            "devices": Key(Devices(), "auto", NOTHING),
            "tpu": Key(Text(), change=NOTHING),
        },
        ("pipeline-config", "model-dir"),
    ),
    "export": Section(
        {
            "pipeline-config": Key(Path("pipelines"), change=NOTHING),
            "model-dir": _PLACE,
            "output-dir": _PLACE,
            "format": Key(Text("formats, such as saved_model,onnx"), "saved_model"),
            "checkpoint": _CHECKPOINT,
            "input-type": Key(Text(), "image_tensor"),
            "winograd": _FLAG,
            "precision": Key(Choice(("float32", "float16", "bfloat16")), "float32"),
            "quantize": Key(Choice(("none", "float16", "dynamic", "int8")), "none"),
            "calibration": Key(Whole(1), 200),
            "uint8-input": _FLAG,
            "verify": Key(Whole(0), 16),
            "tolerance": Key(Number(0, 1)),
        },
        ("pipeline-config", "model-dir", "output-dir"),
        {"overwrite": _ITSELF},
    ),
    "predict": Section(
        {
            "model": _PLACE,
            "images": Key(Several(PictureSource())),
            "output": _PLACE,
            "checkpoint": _CHECKPOINT,
            "save": Key(Text("outputs, such as pictures,csv"), "pictures,video,coco"),
            "min-score": Key(Number(0, 1)),
            "thresholds": Key(Path()),
            "classes": Key(Text("classes, such as cat,dog")),
            "max-boxes": Key(Whole(1)),
            "top": Key(Whole(1)),
            "layer": Key(Text()),
            "track": _FLAG,
            "every": Key(Whole(1), 1),
            "batch-size": Key(Whole(1), 1, NOTHING),
            "warm-up": Key(Whole(0), 1, NOTHING),
            "label-map": Key(Path("label_maps")),
            "devices": Key(Devices(one=True), "auto", NOTHING),
        },
        ("model", "images"),
        {"overwrite": _ITSELF, "show": "a run may be alone with the machine: look at what it saves"},
    ),
}
"""By stage, in the order in which they run."""

FILLED_IN: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("configure", "train-records"): (("make-tfrecords", "output-dir"),),
    ("train", "pipeline-config"): (("configure", "output"),),
    ("evaluate", "pipeline-config"): (("configure", "output"), ("train", "pipeline-config")),
    ("evaluate", "model-dir"): (("train", "model-dir"),),
    ("export", "pipeline-config"): (
        ("configure", "output"),
        ("train", "pipeline-config"),
        ("evaluate", "pipeline-config"),
    ),
    ("export", "model-dir"): (("train", "model-dir"), ("evaluate", "model-dir")),
    ("predict", "model"): (("export", "output-dir"), ("train", "model-dir")),
}
"""Keys that may be left out where another stage makes what they name: the first of these that the file has."""

MADE: dict[tuple[str, str], str] = {
    ("make-tfrecords", "output-dir"): "records",
    ("configure", "output"): "pipeline.config",
    ("train", "model-dir"): "model",
    ("export", "output-dir"): "exported",
    ("predict", "output"): "predictions",
}
"""What a stage writes, and its name in the project's output folder where the file does not say otherwise."""

OPTIONAL = {("configure", "train-records")}
"""Of FILLED_IN: keys that may be missing altogether."""

DEVICES = ("devices", "tpu")
"""What evaluation takes from training where it names neither: one process keeps the devices that it started with."""

NEEDED = {"make-tfrecords": ("data-dir",), "configure": ("base",), "predict": ("images",)}
"""Keys that no other stage can fill in."""
