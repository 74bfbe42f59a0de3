"""Option by option: what of a config odtk keeps, what has no effect here as in TFOD 2, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from odtk import pipeline
from odtk.findings import ERROR, Finding
from odtk.tools.check_config import has_no_effect

KEPT, IGNORED, REFUSED = "kept", "ignored", "refused"


@dataclass(frozen=True)
class Option:
    """One value that a config sets, and what becomes of it."""

    path: str
    value: str
    state: str
    reason: str = ""
    fix: str = ""


def options_of(config, findings: Sequence[Finding]) -> list[Option]:
    """All values of a config, in the schema's order, by the findings of its check."""
    return [_option(path, value, findings) for path, value in pipeline.walk(config)]


def _option(path: str, value: object, findings: Sequence[Finding]) -> Option:
    text = str(value).strip()
    finding = next((each for each in findings if _is_about(each, path)), None)
    if finding is None:
        return Option(path, text, KEPT)
    return Option(path, text, IGNORED if has_no_effect(finding) else REFUSED, finding.text, finding.fix)


def _is_about(finding: Finding, path: str) -> bool:
    """Whether an error or a note on a field without effect is about a value, or about a message around it."""
    if not (finding.severity == ERROR or has_no_effect(finding)) or not finding.path:
        return False
    return path == finding.path or path.startswith((f"{finding.path}.", f"{finding.path}["))


def grouped(options: Sequence[Option], state: str, findings: Sequence[Finding]) -> list[Finding]:
    """The findings behind options of a state, each once; errors about no value that is set come last."""
    wanted = [each for each in findings if (has_no_effect(each) if state == IGNORED else each.severity == ERROR)]
    seen = [each for each in wanted if any(_is_about(each, option.path) for option in options)]
    return seen + [each for each in wanted if each not in seen]
