"""Checks of the checkpoint to fine-tune from; a TensorFlow 2 checkpoint PREFIX exists where PREFIX.index does."""

import re
from dataclasses import dataclass
from pathlib import Path

from odtk import pipeline
from odtk.checkpoints.files import is_index, missing_file, prefixes_near
from odtk.errors import OdtkError
from odtk.protos import train_pb2
from odtk.prototext import schema
from odtk.tools.check_config.findings import PLACEHOLDER, Inspection, setting

TYPES = ("detection", "classification", "full")

_PATH = "train_config.fine_tune_checkpoint"
_TYPE = "train_config.fine_tune_checkpoint_type"
_VERSION = "train_config.fine_tune_checkpoint_version"

_PART_OF_A_CHECKPOINT = re.compile(r"\.(index|data-\d{5}-of-\d{5}|meta)$")
_OTHER_FORMATS = (".pb", ".h5", ".hdf5", ".keras", ".tar.gz", ".tgz", ".tar", ".zip", ".tflite", ".npz", ".pth", ".pt")


@dataclass(frozen=True)
class Contents:
    """What a checkpoint's index says of it, as far as that can be seen without TensorFlow (None: it cannot)."""

    is_tf2: bool
    is_index: bool  # or other bytes
    kind: str | None  # "detection" or "classification"


def look_into(prefix: str) -> Contents | None:
    """What kind of checkpoint a prefix is; None where there is none.

    The index is a sorted table of variable names whose shared beginnings are left out, so that a name need not stand
    there in full; of names with a common beginning the first one does.
    """
    try:
        index = Path(f"{prefix}.index").read_bytes()
    except OSError:
        return None
    kind = None
    if b"model/_feature_extractor" in index or b"model/_box_predictor" in index:
        kind = "detection"
    elif b"feature_extractor/" in index:
        kind = "classification"
    is_tf2 = b"_CHECKPOINTABLE_OBJECT_GRAPH" in index
    return Contents(is_tf2, is_tf2 or is_index(index), kind)


def check_checkpoint(inspection: Inspection) -> None:
    """Reports on where the weights come from and what is taken of them."""
    train = inspection.config.train_config
    if not train.fine_tune_checkpoint:
        text = "is not set: training starts from random weights, which takes more images and steps than fine-tuning."
        inspection.information(_PATH, text)
        return
    contents = _check_prefix(inspection, train.fine_tune_checkpoint)
    useless = contents and _why_useless(train.fine_tune_checkpoint, contents)
    if useless:
        inspection.error(_PATH, useless, ("--fine-tune-checkpoint", "PREFIX"))
        return
    _check_version(inspection, train)
    _check_type(inspection, train, contents)
    _check_against_neighbour(inspection, train)


def _why_useless(prefix: str, contents: Contents) -> str | None:
    """Why nothing can be restored from a checkpoint whose index is there; None where nothing speaks against it."""
    if not contents.is_index:
        return f"{prefix}.index is damaged: it is no checkpoint's index. Copy the checkpoint again."
    if not contents.is_tf2:
        return (
            f"{prefix} is a TensorFlow 1 checkpoint, which cannot be restored. Take the model's TensorFlow 2 "
            "checkpoint, in TFOD's model zoo checkpoint/ckpt-0."
        )
    missing = missing_file(prefix)
    return missing and f"{missing} is missing: only a part of the checkpoint is here. Copy its other files, too."


def _check_prefix(inspection: Inspection, prefix: str) -> Contents | None:
    """Whether the path is a prefix and exists; its contents where they can be seen."""
    contents = look_into(prefix)
    if contents:
        return contents
    if PLACEHOLDER in prefix:
        text = f"{prefix} is a placeholder: name a checkpoint, or leave it empty to start from random weights."
        inspection.absent(_PATH, text, ("--fine-tune-checkpoint", "PREFIX"))
    elif _PART_OF_A_CHECKPOINT.search(prefix):
        stem = _PART_OF_A_CHECKPOINT.sub("", prefix)
        text = f"{prefix} is a file of a checkpoint; what is wanted is the prefix that its files share, {stem}."
        inspection.error(_PATH, text, ("--fine-tune-checkpoint", stem))
    elif prefix.endswith(_OTHER_FORMATS):
        text = f"{prefix} is a file name; what is wanted is the prefix of a TensorFlow checkpoint, such as DIR/ckpt-0."
        inspection.error(_PATH, text, ("--fine-tune-checkpoint", (prefixes_near(prefix) or ["PREFIX"])[0]))
    elif "://" in prefix:
        inspection.information(_PATH, f"{prefix} is not on this machine's disk and was not looked at.")
    else:
        _report_absent(inspection, prefix)
    return None


def _report_absent(inspection: Inspection, prefix: str) -> None:
    found, path = prefixes_near(prefix), Path(prefix)
    hint = f" There is {' and '.join(found[:3])}." if found else ""
    mend = ("--fine-tune-checkpoint", found[0] if found else "PREFIX")
    if path.is_dir():
        text = f"{prefix} is a folder; what is wanted is the prefix of a checkpoint, such as {prefix}/ckpt-0.{hint}"
        inspection.error(_PATH, text, mend)
    elif path.is_file():
        text = f"{prefix} is a file name; what is wanted is the prefix that a checkpoint's files share.{hint}"
        inspection.error(_PATH, text, mend)
    else:
        text = f"there is no checkpoint {prefix} here: {path.name}.index does not exist.{hint}"
        inspection.absent(_PATH, text, mend)


def _check_version(inspection: Inspection, train) -> None:
    if train.fine_tune_checkpoint_version == train_pb2.V2:
        return
    mend = setting(_VERSION, "V2")
    if train.HasField("fine_tune_checkpoint_version"):
        name = train_pb2.CheckpointVersion.Name(train.fine_tune_checkpoint_version)
        inspection.error(_VERSION, f"is {name}; odtk restores TensorFlow 2 checkpoints, which are V2.", mend)
    else:
        text = "is not set, which means V1, and TFOD 2 refuses that; odtk takes any TensorFlow 2 checkpoint."
        inspection.warning(_VERSION, text, mend)


def _check_type(inspection: Inspection, train, contents: Contents | None) -> None:
    kind = train.fine_tune_checkpoint_type
    if not kind:
        meant = "detection" if train.from_detection_checkpoint else "classification"
        text = f"is not set, which means '{meant}'" + (": only the backbone is restored." * (meant != "detection"))
        wanted = contents.kind if contents and contents.kind else "detection"
        inspection.warning(_TYPE, text.rstrip(".") + ".", ("--fine-tune-checkpoint-type", wanted))
    elif kind not in TYPES:
        near = schema.nearest(kind, list(TYPES))
        text = f"is '{kind}'; it is one of {', '.join(TYPES)}."
        inspection.error(_TYPE, text, ("--fine-tune-checkpoint-type", near[0] if near else "detection"))
    elif contents and contents.kind == "classification" and kind != "classification":
        text = f"is '{kind}', but {train.fine_tune_checkpoint} holds a classification model, which has a backbone only."
        inspection.error(_TYPE, text, ("--fine-tune-checkpoint-type", "classification"))


def _check_against_neighbour(inspection: Inspection, train) -> None:
    """Compares with the pipeline.config that the zoo (and odtk) keeps beside a checkpoint."""
    theirs = _neighbour(train.fine_tune_checkpoint)
    if theirs is None or theirs.model.WhichOneof("model") != "ssd":
        return
    ours, theirs = inspection.config.model.ssd, theirs.model.ssd
    if ours.feature_extractor.type != theirs.feature_extractor.type:
        text = (
            f"{train.fine_tune_checkpoint} is of a {theirs.feature_extractor.type}, as the pipeline.config beside it "
            f"says, and this model is a {ours.feature_extractor.type}."
        )
        inspection.error(_PATH, text, ("--fine-tune-checkpoint", "PREFIX"))
    elif ours.feature_extractor.depth_multiplier != theirs.feature_extractor.depth_multiplier:
        text = (
            f"{train.fine_tune_checkpoint} was made with depth_multiplier {theirs.feature_extractor.depth_multiplier:g}"
            f", as the pipeline.config beside it says, and this model has {ours.feature_extractor.depth_multiplier:g}."
        )
        field = "model.ssd.feature_extractor.depth_multiplier"
        inspection.error(_PATH, text, setting(field, f"{theirs.feature_extractor.depth_multiplier:g}"))
    elif train.fine_tune_checkpoint_type == "full" and ours.num_classes != theirs.num_classes:
        text = (
            f"is 'full', which takes over the classes too, but the checkpoint has {theirs.num_classes} of them, as the "
            f"pipeline.config beside it says, and this model {ours.num_classes}."
        )
        inspection.error(_TYPE, text, ("--fine-tune-checkpoint-type", "detection"))


def _neighbour(prefix: str):
    folder = Path(prefix).parent
    for place in (folder, folder.parent) if folder.name == "checkpoint" else (folder,):
        try:
            if (place / "pipeline.config").is_file() and Path(f"{prefix}.index").is_file():
                return pipeline.read(place / "pipeline.config")
        except OdtkError:
            return None
    return None
