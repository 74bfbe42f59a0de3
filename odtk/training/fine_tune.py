"""The start of training: restores a detector's variables from a fine_tune_checkpoint."""

from collections.abc import Mapping

import tensorflow as tf

from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.restoring import RestoreReport, restore
from odtk.detectors.detector import Detector, FineTunePlan
from odtk.errors import CheckpointError, ConfigError


def checkpoint_type(train_config) -> str:
    """`fine_tune_checkpoint_type`, or TFOD's default if it is empty."""
    legacy = "detection" if train_config.from_detection_checkpoint else "classification"
    return train_config.fine_tune_checkpoint_type or legacy


def fine_tune(model: Detector, prefix: str, kind: str, reuse_heads: bool = False) -> RestoreReport:
    """Restores the part of a TFOD (or odtk) checkpoint that a fine_tune_checkpoint_type selects.

    The detector's plan defines it: for an SSD, "full" is everything, with equal shapes; "detection" all but the heads;
    "classification" only the backbone, from a classification checkpoint or a detection one. `reuse_heads` adds to
    "detection" those parts of the heads that do not depend on the classes, if all variables of a part match. Raises
    CheckpointError, or ConfigError if the type does not exist or cannot be combined with `reuse_heads`.
    """
    plan = _plan(model, kind, reuse_heads)
    reader = CheckpointReader(prefix)
    variables, keys = model.checkpoint_variables(), plan.keys
    reasons = dict.fromkeys(variables, f"fine_tune_checkpoint_type '{kind}' leaves it out")
    if reuse_heads:
        reasons |= dict.fromkeys(variables, "belongs to the checkpoint's classes ('full' restores it)")
        taken, differing = _reusable(model, plan, reader)
        keys, reasons = keys + taken, reasons | differing
    report = restore(variables, reader, keys, plan.may_be_unused, _renamed(reader, plan))
    report.skipped = {key: reasons[key] for key in report.skipped}
    return report


def _plan(model: Detector, kind: str, reuse_heads: bool) -> FineTunePlan:
    if kind not in model.fine_tune_types:
        of_old = " TFOD refuses it, too: 'detection' is what it was." * (kind == "fine_tune")
        types = ", ".join(model.fine_tune_types)
        raise ConfigError(f"train_config.fine_tune_checkpoint_type is '{kind}'; it is one of {types}.{of_old}")
    plan = model.fine_tune_plan(kind)
    if reuse_heads and not plan.reusable:
        others = [name for name in model.fine_tune_types if model.fine_tune_plan(name).reusable]
        fitting = " or ".join(f"'{name}'" for name in others) or "no type for this model"
        raise ConfigError(
            f"Head weights can be reused with train_config.fine_tune_checkpoint_type {fitting}; this is '{kind}', "
            "which restores all of the heads or nothing. Change one of the two.",
            argument="reuse_head_weights",
        )
    return plan


def _renamed(reader: CheckpointReader, plan: FineTunePlan) -> Mapping[str, str]:
    """The plan's renamed keys if this checkpoint has them under their other names, otherwise none."""
    ours, theirs = next(iter(plan.renamed.items()), ("", ""))
    if not plan.renamed or reader.tensor_name(ours) is not None:
        return {}
    if reader.tensor_name(theirs) is not None:
        return plan.renamed
    raise CheckpointError(
        f"{reader.prefix} holds neither {theirs}, as a classification checkpoint does, nor {ours}, as a detection "
        "checkpoint does: there is no backbone to restore. Set another checkpoint in "
        "train_config.fine_tune_checkpoint."
    )


def _reusable(model: Detector, plan: FineTunePlan, reader: CheckpointReader) -> tuple[list[str], dict[str, str]]:
    """Keys of the parts of the heads that match the checkpoint, and for the other parts the reason why they do not."""
    taken, reasons = [], {}
    for part, beginnings in plan.reusable.items():
        variables = {key: v for key, v in model.checkpoint_variables().items() if key.startswith(beginnings)}
        difference = _difference(variables, reader, beginnings)
        if difference is None:
            taken += variables
        else:
            reasons |= dict.fromkeys(variables, f"the {part} differs: {difference}")
    return taken, reasons


def _difference(variables: dict[str, tf.Variable], reader: CheckpointReader, beginnings: tuple[str, ...]) -> str | None:
    """How a part of the model differs from the checkpoint's; None if they match."""
    names = {key: reader.tensor_name(key) for key in variables}
    for key, name in names.items():
        short = "/".join(key.split("/")[-3:])
        if name is None:
            return f"{short} is not in the checkpoint"
        if reader.shape(name) != tuple(variables[key].shape):
            return f"{short} is {tuple(variables[key].shape)} here, {reader.shape(name)} in the checkpoint"
    besides = [name for name in reader.variable_names("model") if name.startswith(beginnings)]
    besides = [name for name in besides if name not in names.values()]
    return f"the checkpoint's has {len(besides)} variables more" if besides else None
