"""Checks a pipeline.config: all fields, its files and the classes in its records.

Without TensorFlow, whose import would take longer than the check.
"""

import os
from collections.abc import Sequence

from odtk.errors import ConfigError
from odtk.findings import ERROR, Finding, worst_first
from odtk.protos import pipeline_pb2
from odtk.tools.check_config.checkpoint import check_checkpoint
from odtk.tools.check_config.config_checks import ConfigChecks, is_placeholder, with_lines
from odtk.tools.check_config.data import check_data
from odtk.tools.check_config.model import check_model, is_of_another_family
from odtk.tools.check_config.options import check_options, has_no_effect
from odtk.tools.check_config.training import check_eval, check_training

__all__ = [
    "check_config",
    "fixing_command",
    "has_no_effect",
    "is_placeholder",
    "require_valid",
]

TRAIN, EVAL = "train", "eval"


def check_config(
    config: pipeline_pb2.TrainEvalPipelineConfig,
    filename: str | os.PathLike | None = None,
    text: str | None = None,
    paths_must_exist: bool = False,
    needs: Sequence[str] = (TRAIN, EVAL),
) -> list[Finding]:
    """All findings about a config: errors first, then warnings, then notes.

    `filename` is used in the commands that fix findings, `text` gives the findings their lines. A path that does not
    exist here is a warning, or an error with `paths_must_exist`. `needs` limits the check to what training ("train") or
    evaluation ("eval") reads. A model of a family that odtk does not have is the only finding about its config, because
    the other fields do not apply to the model that replaces it.
    """
    checks = ConfigChecks(config, filename, paths_must_exist)
    check_model(checks)
    if not is_of_another_family(config):
        _check_the_rest(checks, needs)
    found = worst_first(checks.findings)
    return with_lines(found, text) if text is not None else found


def _check_the_rest(checks: ConfigChecks, needs: Sequence[str]) -> None:
    check_options(checks, needs)
    if TRAIN in needs:
        check_training(checks)
        check_checkpoint(checks)
    if EVAL in needs:
        check_eval(checks)
    check_data(checks, needs)


def require_valid(
    config: pipeline_pb2.TrainEvalPipelineConfig,
    filename: str | os.PathLike,
    needs: Sequence[str] = (TRAIN,),
    overridden: Sequence[str] = (),
) -> list[Finding]:
    """Checks a config that is about to be used, missing paths included; returns its warnings and notes.

    `needs`: as for `check_config`. Findings about the fields in `overridden`, which the caller replaces, are
    left out. Raises ConfigError that names every error with its field and the command that fixes it.
    """
    found = check_config(config, filename, paths_must_exist=True, needs=needs)
    found = [finding for finding in found if finding.path not in overridden]
    errors = [finding for finding in found if finding.severity == ERROR]
    if errors:
        count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
        listed = "".join(f"\n  {error.path}: {error.text}" + _fix(error) for error in errors)
        raise ConfigError(f"{filename} has {count}:{listed}")
    return found


def fixing_command(config: pipeline_pb2.TrainEvalPipelineConfig, filename: str | os.PathLike, *options) -> str:
    """The `odtk configure` command that changes a config by `options`; a shipped one is copied."""
    return ConfigChecks(config, filename).command(*options)


def _fix(finding: Finding) -> str:
    return f"\n    fix it: {finding.fix}" if finding.fix else ""
