"""Checks for options that odtk does not implement, or that have no effect (as in TFOD 2)."""

from collections.abc import Sequence

from odtk import pipeline
from odtk.detectors import families
from odtk.findings import NOTE, Finding
from odtk.inputs.augmentations.supported import supported_augmentations, unsupported_augmentations
from odtk.pipeline import support
from odtk.prototext import schema
from odtk.tools.check_config.config_checks import ConfigChecks, setting
from odtk.tools.check_config.start_over import start_over

# An alternative of these with its defaults would not replace another: the whole model must be changed.
_NOT_BY_DEFAULTS = ("BoxPredictor", "AnchorGenerator")

_NO_EFFECT = "has no effect"


def has_no_effect(finding: Finding) -> bool:
    """Whether a finding is about a field without effect, as in TFOD 2."""
    return finding.severity == NOTE and finding.text.startswith(_NO_EFFECT)


def check_options(checks: ConfigChecks, needs: Sequence[str]) -> None:
    """Reports options that are not implemented as errors, options without effect as notes.

    `needs`: "train" and "eval", or only one if the other's part of the config is not read.
    """
    config, family = checks.config, families.find(checks.config)
    skipped = tuple(f"{part}_" for part in ("train", "eval") if part not in needs)
    # A model of an unsupported family is a single finding, not one per option.
    tables = [(config.model, "model", family.options)] if family else []
    tables.append((config, "", support.PIPELINE))
    for message, place, options in tables:
        for path, reason in support.unsupported(message, place, options):
            if not path.startswith(skipped):
                _report_unsupported(checks, path, reason, options)
    for path, reason in unsupported_augmentations(config.train_config.data_augmentation_options):
        if not path.startswith(skipped):
            _report_augmentation(checks, path, reason)
    for message, place, options in tables:
        for path, reason in support.without_effect(message, place, options):
            if not path.startswith(skipped):
                checks.note(path, f"{_NO_EFFECT}: {reason}.")


def _report_unsupported(checks: ConfigChecks, path: str, reason: str, options: support.Options) -> None:
    parent_path, _, name = path.rpartition(".")
    parent = pipeline.get_field(checks.config, parent_path) if parent_path else checks.config
    others = _implemented_instead(parent.DESCRIPTOR, name, options)
    why = "" if reason == support.NOT_IMPLEMENTED else f", as {reason}"
    if not others:
        text = f"odtk does not implement this option{why}; without it, it works."
        checks.error(path, text, setting(path, ""))
        return
    text = f"odtk does not implement it{why}; it has {', '.join(others)}."
    if parent.DESCRIPTOR.name in _NOT_BY_DEFAULTS:
        checks.error(path, text, start_over(checks.config))
    else:
        checks.error(path, text, setting(f"{parent_path}.{others[0]}", "{}"))


def _implemented_instead(descriptor, name: str, options: support.Options) -> list[str]:
    """The alternatives of a oneof's member that odtk implements."""
    field = descriptor.fields_by_name[name]
    members = [member.name for member in field.containing_oneof.fields] if field.containing_oneof else []
    row = options.get(descriptor.name, support.Fields())
    return [member for member in members if member in row.names]


def _report_augmentation(checks: ConfigChecks, path: str, reason: str) -> None:
    option, _, name = path.rpartition(".")
    near = schema.nearest(name, sorted(supported_augmentations()))
    hint = f" It has {' and '.join(near)}." if near else ""
    checks.error(path, f"{reason}.{hint}", setting(option if option.endswith("]") else path, ""))
