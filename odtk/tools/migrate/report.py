"""The report of a migration, as data and as text."""

from __future__ import annotations

import dataclasses
import math
import os
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from odtk.findings import ERROR, WARNING, Finding, counted
from odtk.terminal_text import on_one_line
from odtk.tools.migrate.find import Found, names_of
from odtk.tools.migrate.options import IGNORED, KEPT, REFUSED, Option, grouped
from odtk.tools.migrate.paths import CHECKPOINT, PathInConfig

if TYPE_CHECKING:
    from odtk.tools.migrate.scores import Scores
    from odtk.tools.migrate.variables import Variables

_NAMED = 8


@dataclass(frozen=True)
class MigrationReport:
    """What was found, what fits, and what was written."""

    old_dir: str
    output: str
    config: str
    checkpoint: str
    found: Found
    paths: list[PathInConfig]
    options: list[Option]
    findings: list[Finding]
    is_training: bool
    """Whether training goes on from the checkpoint, with its optimizer; else it starts from its weights."""
    variables: Variables | None = None
    not_restored: str = ""
    """Why the variables were not compared."""
    copied: str | None = None
    """The checkpoint in the output folder; None if it does not fit."""
    scores: Scores | None = None
    not_scored: str = ""
    next_commands: list[str] = field(default_factory=list)

    def __post_init__(self):
        object.__setattr__(self, "next_commands", list(_next(self)))

    @property
    def fits(self) -> bool:
        """Whether odtk goes on with it as it is."""
        return self.copied is not None and not any(each.severity == ERROR for each in self.findings)


def _next(report: MigrationReport) -> Iterator[str]:
    config, model = f"{report.output}/pipeline.config", f"{report.output}/model"
    fixes = [each.fix for each in report.findings if each.severity == ERROR and each.fix]
    if fixes:
        yield fixes[0]
    elif report.copied is not None:
        run = model if report.is_training else f"{report.output}/run"
        yield shlex.join(["odtk", "train", config, run])
        yield shlex.join(["odtk", "evaluate", config, model])
        yield shlex.join(["odtk", "export", config, model, f"{report.output}/exported"])


def document(report: MigrationReport) -> dict[str, Any]:
    """The report as JSON data: paths as texts, None for NaN."""
    return {name: _as_json(value) for name, value in dataclasses.asdict(report).items()}


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(each) for each in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def in_words(report: MigrationReport) -> str:
    """The report as text, without a line feed at its end."""
    parts = (_found, _paths, _options, _other_findings, _variables, _scores, _written)
    sections = [list(part(report)) for part in parts]
    return "\n\n".join("\n".join(section) for section in sections if section)


def _found(report: MigrationReport) -> Iterator[str]:
    found = report.found
    yield f"Found in {on_one_line(report.old_dir)}"
    yield f"  config          {on_one_line(report.config)}"
    step = report.variables.step if report.variables else None
    yield f"  checkpoint      {on_one_line(report.checkpoint)}" + (f" (step {step})" if step is not None else "")
    for title, paths in (
        ("other configs", [path for path in found.configs if str(path) != report.config]),
        ("label maps", found.label_maps),
        ("record files", found.records),
        ("exported models", found.exports),
        ("TensorFlow 1", found.tf1),
    ):
        names = [on_one_line(name) for name in names_of(paths, found.root)]
        if names:
            more = f" and {len(names) - _NAMED} more" * (len(names) > _NAMED)
            yield f"  {title:15} {', '.join(names[:_NAMED])}{more}"
    if found.exports:
        yield "  Exported models are read as they are, by odtk predict and by odtk evaluate --groundtruth."
    if found.tf1:
        yield "  Models of TensorFlow 1 are not read: their networks are other ones."


def _paths(report: MigrationReport) -> Iterator[str]:
    yield "Paths of the config"
    for each in report.paths:
        written, note = on_one_line(each.written), f" ({on_one_line(each.note)})" if each.note else ""
        if each.here is None:
            unread = "; a training that goes on does not read it" * (each.field == CHECKPOINT and report.is_training)
            yield f"  {each.field}: {written} is left as it is: {on_one_line(each.note)}{unread}"
        else:
            yield f"  {each.field}: {written}" + (f" -> {on_one_line(each.here)}" if each.is_changed else "") + note


def _options(report: MigrationReport) -> Iterator[str]:
    states = Counter(option.state for option in report.options)
    counts = ", ".join(f"{states[state]} {state}" for state in (KEPT, IGNORED, REFUSED))
    yield f"Options of the config: {counts}"
    for state in (REFUSED, IGNORED):
        for finding in grouped(report.options, state, report.findings):
            yield f"  {state}  {finding.where}: {on_one_line(finding.text)}"
            if finding.fix:
                yield f"      $ {finding.fix}"
    yield "  All values, with what becomes of each, are in migration.json."


def _other_findings(report: MigrationReport) -> Iterator[str]:
    warnings = [each for each in report.findings if each.severity == WARNING]
    if warnings:
        yield "Warnings"
        yield from (f"  {each.where}: {on_one_line(each.text)}" for each in warnings)


def _variables(report: MigrationReport) -> Iterator[str]:
    variables = report.variables
    if variables is None:
        yield f"Variables: not compared, as {report.not_restored}."
        return
    total = variables.restored + len(variables.missing) + len(variables.different)
    yield f"Variables: {variables.restored} of the model's {total} are in the checkpoint, with the same shapes"
    for title, names in (
        ("missing in the checkpoint", variables.missing),
        ("of another shape", variables.different),
        ("in the checkpoint only", variables.unused),
    ):
        yield from _named(title, names)
    if variables.slots:
        yield f"  The optimizer's state is there, too: {', '.join(name.rpartition('/')[2] for name in variables.slots)}"


def _named(title: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"  {title}: {counted(len(names), 'variable')}"
        yield from (f"    {on_one_line(name)}" for name in names[:_NAMED])
        if len(names) > _NAMED:
            yield f"    and {len(names) - _NAMED} more, in migration.json"


def _scores(report: MigrationReport) -> Iterator[str]:
    scores = report.scores
    if scores is None:
        if report.not_scored:
            yield f"Scores: none, as {on_one_line(report.not_scored).rstrip('.')}."
        return
    skipped = f", {counted(scores.skipped_records, 'bad record')} skipped" if scores.skipped_records else ""
    yield f"Scores of the checkpoint on {counted(scores.num_images, 'image')} of the evaluation records{skipped}"
    shown: dict[str, tuple[float, float | None]] = dict(scores.compared) or {
        name: (value, None) for name, value in scores.odtk.items() if "mAP" in name
    }
    width = max(map(len, shown), default=0)
    for name, (ours, theirs) in shown.items():
        yield f"  {name:{width}}  {ours:.4f}" + (f"  TFOD logged {theirs:.4f}" if theirs is not None else "")
    if not scores.tfod:
        yield "  TFOD logged none for this step, so there is nothing to compare with."


def _written(report: MigrationReport) -> Iterator[str]:
    names = ["pipeline.config", "migration.txt, migration.json"]
    names.insert(1, f"{report.copied}" if report.copied else "no checkpoint, as it does not fit")
    yield f"Wrote {on_one_line(report.output)}: {', '.join(names)}"
    yield from (f"Next: {command}" for command in report.next_commands)
