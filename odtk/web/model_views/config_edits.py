"""Changes of a config that a form asks for: tried first, so that what is wrong is told at its field and never written.

What holds is then made by `odtk configure`, with the options that `options` gives.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtk import pipeline
from odtk.errors import ConfigError
from odtk.findings import ERROR, Finding
from odtk.tools import schedule_edits
from odtk.tools.check_config import check_config
from odtk.web.model_views import optimizers
from odtk.web.model_views.config_fields import BATCH_SIZE, CHECKPOINT, NUM_STEPS

_SIDE = re.compile(r"(.+\.fixed_shape_resizer)\.(height|width)")
_WHOLE = re.compile(r"[1-9]\d{0,8}")

Check = Callable[[str], list[Finding]]
"""A config's text to its findings."""


@dataclass
class Trial:
    """What came of some changes of a text."""

    text: str
    """With those that can be made."""
    made: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Why, by path."""
    refused_text: str | None = None
    """The text with the last change that was refused, if it can be read: for looking at where it breaks."""


def checker(filename: str, folder: Path) -> Check:
    """The check of `odtk configure`; relative paths of a config are meant from `folder`, where its commands run."""

    def check(text: str) -> list[Finding]:
        config = pipeline.parse(text, filename)
        readers = [config.train_input_reader, *config.eval_input_reader]
        for reader in readers:
            paths = reader.tf_record_input_reader.input_path
            paths[:] = [_from(folder, path) for path in paths]
            reader.label_map_path = _from(folder, reader.label_map_path)
        prefix = config.train_config.fine_tune_checkpoint
        if os.path.exists(folder / f"{prefix}.index"):
            config.train_config.fine_tune_checkpoint = _from(folder, prefix)
        return check_config(config, filename, text)

    return check


def _from(folder: Path, path: str) -> str:
    found = folder / path
    return (
        os.fspath(found) if path and not os.path.isabs(path) and "://" not in path and found.parent.exists() else path
    )


def try_changes(text: str, changes: Mapping[str, str], check: Check, filename: str, scale: bool = True) -> Trial:
    """Tries to set fields (`--set`'s values, by path): all together, and if that is wrong, one after the other.

    A change is refused if the text cannot take it, or if the check then has an error that it did not have before.
    `scale`: whether the learning rate goes with the batch size.
    """
    known = _errors(check(text))
    together = _together(text, changes, known, check, filename, scale)
    if together is not None:
        return together
    trial = Trial(text)
    for path, value in _in_order(text, changes, filename).items():
        try:
            edited = _with_all(text, trial.made | {path: value}, filename, scale)
            found = _new(check(edited), known)
        except ConfigError as error:
            trial.refused[path] = str(error).removeprefix(f"{path}: ")
            continue
        if found:
            trial.refused[path], trial.refused_text = " ".join(said(each, path) for each in found), edited
        else:
            trial.text, trial.made[path] = edited, value
    return trial


def _together(text: str, changes, known, check: Check, filename: str, scale: bool) -> Trial | None:
    try:
        edited = _with_all(text, changes, filename, scale)
        return None if _new(check(edited), known) else Trial(edited, _in_order(text, changes, filename))
    except ConfigError:
        return None


def _with_all(text: str, changes: Mapping[str, str], filename: str, scale: bool) -> str:
    scale = scale and not _is_rate_typed(text, changes, filename)
    for path, value in _in_order(text, changes, filename).items():
        text = edited_text(text, path, value, filename, scale)
    return text


def _in_order(text: str, changes: Mapping[str, str], filename: str) -> dict[str, str]:
    """Changes as `odtk configure` makes them, in whatever order they came.

    First what changes all rates or steps of a schedule, then single fields; then another schedule, which takes over
    what was set, and at last another optimizer, which takes the schedule along.
    """
    rate = schedule_edits.base_rate(pipeline.parse(text, filename))
    first = [BATCH_SIZE, NUM_STEPS, *(rate[:1] if rate else ())]

    def place(path: str) -> int:
        if path in first:
            return first.index(path)
        return len(first) + optimizers.is_choice(path) + (path == optimizers.OPTIMIZER)

    return {path: changes[path] for path in sorted(changes, key=place)}


def _is_rate_typed(text: str, changes: Mapping[str, str], filename: str) -> bool:
    """Whether the main rate is set, too: then it does not go with the batch size."""
    rate = schedule_edits.base_rate(pipeline.parse(text, filename))
    return rate is not None and _is_rate(changes.get(rate[0], ""))


def edited_text(text: str, path: str, value: str, filename: str, scale: bool = True) -> str:
    """A text with one field set as `options` of it would set it. Raises ConfigError if it cannot be."""
    if optimizers.is_choice(path) or optimizers.is_entries(path):
        return pipeline.set_fields(text, optimizers.assignments(pipeline.parse(text, filename), path, value), filename)
    plain = pipeline.set_fields(text, [(path, value)], filename)
    config = pipeline.parse(text, filename)
    rate = schedule_edits.base_rate(config)
    if path == BATCH_SIZE and _WHOLE.fullmatch(value):
        return pipeline.set_fields(text, schedule_edits.set_batch_size(config, int(value), scale), filename)
    if path == NUM_STEPS and _WHOLE.fullmatch(value):
        return pipeline.set_fields(text, schedule_edits.set_num_steps(config, int(value)), filename)
    if rate is not None and path == rate[0] and _is_rate(value):
        return pipeline.set_fields(text, schedule_edits.set_base_rate(config, float(value)), filename)
    return plain


def options(text: str, changes: Mapping[str, str], filename: str, scale: bool = True) -> list[str]:
    """The options of `odtk configure` for changes of a text: those with a name of their own by it, others by --set."""
    config = pipeline.parse(text, filename)
    rate = schedule_edits.base_rate(config)
    words: list[str] = []
    changes = _in_order(text, changes, filename)
    for path, value in changes.items():
        if optimizers.is_choice(path) or optimizers.is_entries(path):
            continue
        side = _SIDE.fullmatch(path)
        if path == BATCH_SIZE and _WHOLE.fullmatch(value):
            words += ["--batch-size", value, *(["--no-scale-learning-rate"] if not scale else [])]
        elif path == NUM_STEPS and _WHOLE.fullmatch(value):
            words += ["--num-steps", value]
        elif rate is not None and path == rate[0] and _is_rate(value):
            words += ["--learning-rate", value]
        elif path == CHECKPOINT:
            words += ["--fine-tune-checkpoint", value]
        elif side and all(_WHOLE.fullmatch(each) for each in _sides(config, side[1], changes)):
            size = "x".join(_sides(config, side[1], changes))
            words += ["--image-size", size] if size not in words else []
        else:
            words += ["--set", f"{path}={value}"]
    return words + _chosen(text, changes, filename, scale)


def _chosen(text: str, changes: Mapping[str, str], filename: str, scale: bool) -> list[str]:
    """The options for an optimizer, a schedule and its rates, which follow what the changes before them make."""
    words: list[str] = []
    scale = scale and not _is_rate_typed(text, changes, filename)
    for path, value in changes.items():
        if optimizers.is_choice(path) or optimizers.is_entries(path):
            found = optimizers.assignments(pipeline.parse(text, filename), path, value)
            words += [word for pair in found for word in ("--set", "=".join(pair))]
        if path != CHECKPOINT:  # which nothing here depends on
            text = edited_text(text, path, value, filename, scale)
    return words


def _sides(config, resizer: str, changes: Mapping[str, str]) -> list[str]:
    paths = [f"{resizer}.{side}" for side in ("height", "width")]
    return [changes.get(path, str(pipeline.get_field(config, path))) for path in paths]


def _is_rate(value: str) -> bool:
    try:
        return 0 < float(value) < float("inf")
    except ValueError:
        return False


def _errors(findings: Sequence[Finding]) -> set[tuple[str, str]]:
    return {(each.path, each.text) for each in findings if each.severity == ERROR}


def _new(findings: Sequence[Finding], known: set[tuple[str, str]]) -> list[Finding]:
    return [each for each in findings if each.severity == ERROR and (each.path, each.text) not in known]


def said(finding: Finding, path: str = "") -> str:
    """A finding as a sentence at the field `path`, with values that would do."""
    text = finding.text
    if finding.path and finding.path != path:
        text = f"{finding.path} {text}"
    elif finding.path:
        text = f"{finding.path.rpartition('.')[2]} {text}"
    edits = [f"{each.rpartition('.')[2]} {value}" for each, value in finding.edits if value]
    return f"{text} What works: {', '.join(edits)}." if edits else text
