"""Collects the findings about a config: severity, field, text, and the command that fixes it."""

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace

from odtk import pipeline, resources
from odtk.errors import ConfigError
from odtk.findings import ERROR, NOTE, WARNING, Finding

# TFOD's sample configs have it in every path that has to be set.
PLACEHOLDER = "PATH_TO_BE_CONFIGURED"


class ConfigChecks:
    """A config that is checked; the checks add to `findings`."""

    def __init__(self, config, filename: str | os.PathLike | None = None, paths_must_exist: bool = False):
        self.config = config
        self.findings: list[Finding] = []
        self._absent = ERROR if paths_must_exist else WARNING
        self._source = os.fspath(filename) if filename is not None else "pipeline.config"
        # Fixes of a shipped pipeline copy it, instead of writing into the installed package.
        name = os.path.basename(self._source).removesuffix(".config")
        is_shipped = name in resources.shipped_files("pipelines", ".config") and (
            not os.path.exists(self._source)
            or os.path.samefile(self._source, resources.shipped_folder("pipelines") / f"{name}.config")
        )
        self._target = f"my_{name}.config" if is_shipped else self._source

    def error(self, path: str, text: str, fix: Sequence | str = ()) -> None:
        """Adds an error: the config cannot work, or would not do what it says; `fix`: options of odtk configure."""
        self._add(ERROR, path, text, fix)

    def warning(self, path: str, text: str, fix: Sequence | str = ()) -> None:
        """Adds a warning: the config works, but most likely not as intended."""
        self._add(WARNING, path, text, fix)

    def note(self, path: str, text: str, fix: Sequence | str = ()) -> None:
        """Adds a note, which needs no fix."""
        self._add(NOTE, path, text, fix)

    def absent(self, path: str, text: str, fix: Sequence | str = ()) -> None:
        """Adds a missing file: an error if it is about to be read, otherwise a warning."""
        self._add(self._absent, path, text, fix)

    def add(self, finding: Finding, otherwise: Callable[[], str]) -> None:
        """Adds a family's finding: its edits become a command; an error without edits gets `otherwise`."""
        if finding.edits:
            finding = replace(finding, fix=self.command(*_options(finding.edits)))
        elif finding.severity == ERROR:
            finding = replace(finding, fix=otherwise())
        self.findings.append(finding)

    def command(self, *options) -> str:
        """An `odtk configure` command that changes the checked file."""
        return configure_command(self._source, self._target, options)

    def _add(self, severity: str, path: str, text: str, fix: Sequence | str) -> None:
        command = fix if isinstance(fix, str) else self.command(*fix) if fix else ""
        self.findings.append(Finding(severity, text, path, fix=command))


def is_placeholder(finding: Finding, path: str) -> bool:
    """Whether a finding is about a path below the field `path` that is still a placeholder."""
    return finding.path.startswith(path) and PLACEHOLDER in finding.text


def setting(path: str, value: object) -> tuple[str, str]:
    """The options that set one field; an empty value removes it."""
    return "--set", f"{path}={value}"


def _options(edits: Sequence[tuple[str, str]]) -> list[str]:
    """The options of odtk configure for these edits: fields with an option of their own by it, the others by --set."""
    fields = dict(edits)
    options = []
    for path, value in edits:
        parent, _, name = path.rpartition(".")
        if name == "num_classes":
            options += ["--num-classes", value]
        elif parent.endswith(".fixed_shape_resizer") and f"{parent}.height" in fields and f"{parent}.width" in fields:
            if name == "height":
                options += ["--image-size", f"{value}x{fields[f'{parent}.width']}"]
        else:
            options += setting(path, value)
    return options


def with_lines(findings: list[Finding], text: str) -> list[Finding]:
    """The findings with the line of their field in the config's text, or of the innermost existing block around it."""
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
