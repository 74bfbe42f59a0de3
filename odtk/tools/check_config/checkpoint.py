"""Checks of the checkpoint to fine-tune from; a TensorFlow 2 checkpoint PREFIX exists where PREFIX.index does."""

import re
from dataclasses import dataclass
from pathlib import Path

from odtk import pipeline
from odtk.checkpoints.files import is_index, missing_file, prefixes_near
from odtk.detectors import families
from odtk.detectors.family import Family
from odtk.errors import OdtkError
from odtk.pipeline.support import FINE_TUNE_TYPES
from odtk.protos import train_pb2
from odtk.prototext import schema
from odtk.tools.check_config.config_checks import PLACEHOLDER, ConfigChecks, setting

_PATH = "train_config.fine_tune_checkpoint"
_TYPE = "train_config.fine_tune_checkpoint_type"
_VERSION = "train_config.fine_tune_checkpoint_version"

_PART_OF_A_CHECKPOINT = re.compile(r"\.(index|data-\d{5}-of-\d{5}|meta)$")
# As shipped pipelines have it: odtk knows where to download that model.
_ZOO = re.compile(rf"{PLACEHOLDER}/[^/]+_coco17_[^/]+/checkpoint/ckpt-0")
_OTHER_FORMATS = (".pb", ".h5", ".hdf5", ".keras", ".tar.gz", ".tgz", ".tar", ".zip", ".tflite", ".npz", ".pth", ".pt")


@dataclass(frozen=True)
class Contents:
    """What can be read from a checkpoint's index without TensorFlow (None: unknown)."""

    is_tf2: bool
    is_index: bool  # otherwise other bytes
    kind: str | None  # "detection" or "classification"


def look_into(prefix: str, family: Family | None) -> Contents | None:
    """The kind of checkpoint at a prefix, for a family (None: the kind is unknown); None if there is no checkpoint.

    The index is a sorted table of variable names without the prefixes that they share with the previous name, so not
    all names are in it in full, but the first of several with a common prefix is.
    """
    try:
        index = Path(f"{prefix}.index").read_bytes()
    except OSError:
        return None
    marks = family.checkpoint_marks if family else {}
    kind = next((kind for kind, names in marks.items() if any(name.encode() in index for name in names)), None)
    is_tf2 = b"_CHECKPOINTABLE_OBJECT_GRAPH" in index
    return Contents(is_tf2, is_tf2 or is_index(index), kind)


def check_checkpoint(checks: ConfigChecks) -> None:
    """Reports on the initial weights and the part of the checkpoint that is restored."""
    train = checks.config.train_config
    if not train.fine_tune_checkpoint:
        text = "is not set: training starts from random weights, which takes more images and steps than fine-tuning."
        checks.note(_PATH, text + _other_start(checks))
        _check_kept_norms(checks)
        return
    contents = _check_prefix(checks, train.fine_tune_checkpoint)
    useless = contents and _why_useless(train.fine_tune_checkpoint, contents)
    if useless:
        checks.error(_PATH, useless, ("--fine-tune-checkpoint", "PREFIX"))
        return
    _check_version(checks, train)
    _check_type(checks, train, contents)
    _check_against_neighbor(checks, train)


def _other_start(checks: ConfigChecks) -> str:
    """The sentence about what TFOD starts from instead; "" if it starts from random weights as well."""
    family = families.find(checks.config)
    start = family.start_in_tfod(checks.config.model) if family else ""
    return start and f" TFOD starts {start}, which odtk does not have."


def _check_kept_norms(checks: ConfigChecks) -> None:
    """Batch norms that keep the statistics of a network that was never trained: its features grow with every layer."""
    family = families.find(checks.config)
    if family is None or family.batch_norm_switch is None:
        return
    field, keeps = f"{family.path}.{family.batch_norm_switch}", family.batch_norm_switch_keeps
    if pipeline.get_field(checks.config, field) == keeps:
        text = (
            f"is {str(keeps).lower()}: batch norms keep the statistics that they start with, and without a "
            "fine_tune_checkpoint these are those of no data: nothing is normalized, and losses are huge."
        )
        checks.warning(field, text, setting(field, str(not keeps).lower()))


def _why_useless(prefix: str, contents: Contents) -> str | None:
    """Why nothing can be restored from a checkpoint whose index exists; None if there is no known reason."""
    if not contents.is_index:
        return f"{prefix}.index is damaged: it is not the index of a checkpoint. Copy the checkpoint again."
    if not contents.is_tf2:
        return (
            f"{prefix} is a TensorFlow 1 checkpoint, which cannot be restored. Use the model's TensorFlow 2 "
            "checkpoint (checkpoint/ckpt-0 in TFOD's model zoo)."
        )
    missing = missing_file(prefix)
    return missing and f"{missing} is missing: the checkpoint is incomplete. Copy its other files too."


def _check_prefix(checks: ConfigChecks, prefix: str) -> Contents | None:
    """Checks that the path is a prefix and exists; returns its contents, if they can be read."""
    contents = look_into(prefix, families.find(checks.config))
    if contents:
        return contents
    if PLACEHOLDER in prefix:
        text = f"{prefix} is a placeholder: set a checkpoint, or an empty value to start from random weights."
        is_of_the_zoo = _ZOO.fullmatch(prefix) is not None
        checks.absent(_PATH, text, ("--fine-tune",) if is_of_the_zoo else ("--fine-tune-checkpoint", "PREFIX"))
    elif _PART_OF_A_CHECKPOINT.search(prefix):
        stem = _PART_OF_A_CHECKPOINT.sub("", prefix)
        text = f"{prefix} is one file of a checkpoint; the prefix of its files is expected: {stem}."
        checks.error(_PATH, text, ("--fine-tune-checkpoint", stem))
    elif prefix.endswith(_OTHER_FORMATS):
        text = f"{prefix} is a file name; the prefix of a TensorFlow checkpoint is expected, such as DIR/ckpt-0."
        checks.error(_PATH, text, ("--fine-tune-checkpoint", (prefixes_near(prefix) or ["PREFIX"])[0]))
    elif "://" in prefix:
        checks.note(_PATH, f"{prefix} is not on this machine's disk and was not checked.")
    else:
        _report_absent(checks, prefix)
    return None


def _report_absent(checks: ConfigChecks, prefix: str) -> None:
    found, path = prefixes_near(prefix), Path(prefix)
    hint = f" There is {' and '.join(found[:3])}." if found else ""
    fix = ("--fine-tune-checkpoint", found[0] if found else "PREFIX")
    if path.is_dir():
        text = f"{prefix} is a folder; the prefix of a checkpoint is expected, such as {prefix}/ckpt-0.{hint}"
        checks.error(_PATH, text, fix)
    elif path.is_file():
        text = f"{prefix} is a file name; the common prefix of a checkpoint's files is expected.{hint}"
        checks.error(_PATH, text, fix)
    else:
        text = f"there is no checkpoint {prefix} here: {path.name}.index does not exist.{hint}"
        checks.absent(_PATH, text, fix)


def _check_version(checks: ConfigChecks, train) -> None:
    if train.fine_tune_checkpoint_version == train_pb2.V2:
        return
    fix = setting(_VERSION, "V2")
    if train.HasField("fine_tune_checkpoint_version"):
        name = train_pb2.CheckpointVersion.Name(train.fine_tune_checkpoint_version)
        checks.error(_VERSION, f"is {name}; odtk restores TensorFlow 2 checkpoints, which are V2.", fix)
    else:
        text = "is not set, which means V1, and TFOD 2 refuses that; odtk takes any TensorFlow 2 checkpoint."
        checks.warning(_VERSION, text, fix)


def _check_type(checks: ConfigChecks, train, contents: Contents | None) -> None:
    family = families.find(checks.config)
    kind, types = train.fine_tune_checkpoint_type, family.fine_tune_types if family else FINE_TUNE_TYPES
    if not kind:
        meant = "detection" if train.from_detection_checkpoint else "classification"
        part = "" if meant == "detection" else ": only the backbone is restored"
        wanted = contents.kind if contents and contents.kind else "detection"
        checks.warning(_TYPE, f"is not set, which means '{meant}'{part}.", ("--fine-tune-checkpoint-type", wanted))
    elif kind not in types:
        near = schema.nearest(kind, list(types))
        of_old = " TFOD refuses it, too: 'detection' is what it was." * (kind == "fine_tune")
        text = f"is '{kind}'; it is one of {', '.join(types)}.{of_old}"
        checks.error(_TYPE, text, ("--fine-tune-checkpoint-type", near[0] if near else "detection"))
    elif contents and contents.kind == "classification" and kind != "classification":
        text = f"is '{kind}', but {train.fine_tune_checkpoint} holds a classification model, which has a backbone only."
        checks.error(_TYPE, text, ("--fine-tune-checkpoint-type", "classification"))


def _check_against_neighbor(checks: ConfigChecks, train) -> None:
    """Compares with the pipeline.config that the zoo (and odtk) stores next to a checkpoint."""
    kind, neighbor = checks.config.model.WhichOneof("model"), _neighbor(train.fine_tune_checkpoint)
    if neighbor is None or kind is None or neighbor.model.WhichOneof("model") != kind:
        return
    ours, theirs = getattr(checks.config.model, kind), getattr(neighbor.model, kind)
    our_type, their_type = families.type_of(checks.config.model), families.type_of(neighbor.model)
    our_width, their_width = (getattr(each.feature_extractor, "depth_multiplier", 1) for each in (ours, theirs))
    if our_type != their_type:
        text = (
            f"{train.fine_tune_checkpoint} is from a {their_type}, according to the pipeline.config next to it, but "
            f"this model is a {our_type}."
        )
        checks.error(_PATH, text, ("--fine-tune-checkpoint", "PREFIX"))
    elif our_width != their_width:
        text = (
            f"{train.fine_tune_checkpoint} was made with depth_multiplier {their_width:g}, according to the "
            f"pipeline.config next to it, but this model has {our_width:g}."
        )
        checks.error(_PATH, text, setting(f"model.{kind}.feature_extractor.depth_multiplier", f"{their_width:g}"))
    elif train.fine_tune_checkpoint_type == "full" and ours.num_classes != theirs.num_classes:
        text = (
            f"is 'full', which includes the classes, but the checkpoint has {theirs.num_classes} of them, according to "
            f"the pipeline.config next to it, and this model {ours.num_classes}."
        )
        checks.error(_TYPE, text, ("--fine-tune-checkpoint-type", "detection"))


def _neighbor(prefix: str):
    folder = Path(prefix).parent
    for place in (folder, folder.parent) if folder.name == "checkpoint" else (folder,):
        try:
            if (place / "pipeline.config").is_file() and Path(f"{prefix}.index").is_file():
                return pipeline.read(place / "pipeline.config")
        except OdtkError:
            return None
    return None
