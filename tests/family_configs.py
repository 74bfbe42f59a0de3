"""Configs with fields changed, and what their family finds in them. No network is built."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from odtk import pipeline
from odtk.detectors import families
from odtk.errors import ConfigError
from odtk.findings import ERROR, NOTE, WARNING, Finding
from odtk.tools.check_config import check_config

ZOO = Path(__file__).parent / "../../shared/reference/tfod2_configs"
FAMILY_GOLDENS = Path(__file__).parent / "golden/families"


def changed(base: str | os.PathLike, fields: Mapping[str, object]):
    """The config with these fields set; `base` is a shipped pipeline, a file, or the text of a config."""
    text = base if isinstance(base, str) and "\n" in base else pipeline.read_text(base)
    edits = [(field, str(value)) for field, value in fields.items()]
    return pipeline.parse(pipeline.set_fields(text, edits, "changed.config"), "changed.config")


def found(config) -> list[Finding]:
    """Those of its family."""
    return families.of(config).validate(config.model)


def to_fix(config) -> list[Finding]:
    """The errors and warnings of its family."""
    return [finding for finding in found(config) if finding.severity != NOTE]


def edited(config, findings: Iterable[Finding] | None = None):
    """The config after every edit that these findings, by default those to be fixed, name."""
    edits = [edit for finding in (to_fix(config) if findings is None else findings) for edit in finding.edits]
    return pipeline.parse(pipeline.set_fields(pipeline.format(config), edits, "edited.config"), "edited.config")


def checked(config) -> dict[str, dict[str, str]]:
    """What `odtk configure --check` says of the model: severity to path to text."""
    result: dict[str, dict[str, str]] = {ERROR: {}, WARNING: {}, NOTE: {}}
    for finding in check_config(config, "checked.config", pipeline.format(config)):
        if finding.path.startswith("model"):
            result[finding.severity][finding.path] = finding.text
    return result


def assert_refused(config, path: str, words: str) -> None:
    """An error at `path` says these words, and so does the exception of whoever builds it."""
    errors = {finding.path: finding.text for finding in found(config) if finding.severity == ERROR}
    assert words in errors.get(path, ""), errors
    with pytest.raises(ConfigError, match=re.escape(words)):
        families.of(config).require_buildable(config.model)


def assert_refused_and_fixed(config, path: str, words: str, rounds: int = 1) -> None:
    """`assert_refused`, and the edits of what is found leave nothing to fix, after `rounds` of them."""
    assert_refused(config, path, words)
    for _ in range(rounds):
        config = edited(config)
    assert to_fix(config) == []
