"""What a check finds, and the inspection that gathers it: severity, field, what is wrong, the command that mends it."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from odtk import pipeline, resources
from odtk.errors import ConfigError

ERROR, WARNING, INFORMATION = "error", "warning", "information"
SEVERITIES = (ERROR, WARNING, INFORMATION)

# TFOD's sample configs have it in every path that is to be filled in.
PLACEHOLDER = "PATH_TO_BE_CONFIGURED"


@dataclass(frozen=True)
class Finding:
    """One thing about a config that its user should know; `line` counts from 1, None where no text is at hand."""

    severity: str
    path: str
    message: str
    fix: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        line = f" (line {self.line})" if self.line else ""
        return f"{self.severity}: {self.path}{line}: {self.message}" + (f" Fix it: {self.fix}" if self.fix else "")


class Inspection:
    """A config under inspection; the checks add to `findings`."""

    def __init__(self, config, filename: str | os.PathLike | None = None, paths_must_exist: bool = False):
        self.config = config
        self.findings: list[Finding] = []
        self._absent = ERROR if paths_must_exist else WARNING
        self._source = os.fspath(filename) if filename is not None else "pipeline.config"
        # Nobody is told to write into the installed package: what mends a shipped pipeline makes a copy of it.
        name = os.path.basename(self._source).removesuffix(".config")
        is_shipped = name in resources.shipped_files("pipelines", ".config") and (
            not os.path.exists(self._source)
            or os.path.samefile(self._source, resources.shipped_folder("pipelines") / f"{name}.config")
        )
        self._target = f"my_{name}.config" if is_shipped else self._source

    def error(self, path: str, message: str, mend: Sequence | None = None) -> None:
        """A config that cannot work, or that would not do what it says."""
        self._add(ERROR, path, message, mend)

    def warning(self, path: str, message: str, mend: Sequence | None = None) -> None:
        """A config that works, but most likely not as meant."""
        self._add(WARNING, path, message, mend)

    def information(self, path: str, message: str, mend: Sequence | None = None) -> None:
        """Something worth knowing that needs no mending."""
        self._add(INFORMATION, path, message, mend)

    def absent(self, path: str, message: str, mend: Sequence | None = None) -> None:
        """A file that is not on this machine: an error where it is about to be read, otherwise a warning."""
        self._add(self._absent, path, message, mend)

    def command(self, *options) -> str:
        """An `odtk configure` command that changes the inspected file."""
        return configure_command(self._source, self._target, options)

    def _add(self, severity: str, path: str, message: str, mend: Sequence | str | None) -> None:
        fix = mend if mend is None or isinstance(mend, str) else self.command(*mend)
        self.findings.append(Finding(severity, path, message, fix))


def is_placeholder(finding: Finding, path: str) -> bool:
    """Whether a finding is about a path below the field `path` that was never filled in."""
    return finding.path.startswith(path) and PLACEHOLDER in finding.message


def setting(path: str, value: object) -> tuple[str, str]:
    """The options that set one field; an empty value takes it away."""
    return "--set", f"{path}={value}"


def sorted_findings(findings: list[Finding]) -> list[Finding]:
    """Errors first, then warnings, then information, each in the order they were found."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def with_lines(findings: list[Finding], text: str) -> list[Finding]:
    """The findings with the line of their field in the config's text, or of the innermost block around it."""
    return [replace(finding, line=_line(text, finding.path)) for finding in findings]


def _line(text: str, path: str) -> int | None:
    while path:
        try:
            line = pipeline.locate(text, path)
        except ConfigError:
            line = None
        if line is not None:
            return line
        path = path.rpartition(".")[0]
    return None


def configure_command(base: str, output: str, options: Sequence) -> str:
    """An `odtk configure` command as it is typed."""
    return shlex.join(["odtk", "configure", base, "--output", output, *map(str, options)])
