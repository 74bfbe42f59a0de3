"""Compares the config of a resumed run with MODEL_DIR/pipeline.config, the one that its checkpoint was trained with."""

import os
from collections.abc import Callable, Iterable

from odtk import files, pipeline
from odtk.detectors import families
from odtk.errors import CheckpointError, OdtkError
from odtk.findings import NOTE, Finding
from odtk.pipeline.differences import Change, effective_changes
from odtk.terminal_text import on_one_line
from odtk.tools.check_config.config_checks import with_lines

CONFIG = "pipeline.config"

# Fields that do not change what is trained, or that are made to be changed in the course of a training.
_FINE = ("train_config.", "train_input_reader", "eval_config", "eval_input_reader", "graph_rewriter")
_OF_TRAINING = (
    *("train_config.optimizer", "train_config.freeze_variables", "train_config.update_trainable_variables"),
    *("train_config.add_regularization_loss", "train_config.bias_grad_multiplier"),
)
_NAMED, _LONGEST = 8, 60


def require_resumable(
    config, filename: str | os.PathLike, model_dir: str | os.PathLike, log: Callable[[str], None]
) -> None:
    """Calls `log` with what changed since the checkpoint of `model_dir` was trained: what is fine, and what is not.

    Raises CheckpointError if a change is one of the detector's variables. Nothing is compared if the model dir has no
    readable config.
    """
    before = files.join(model_dir, CONFIG)
    try:
        if not files.exists(before):
            return
        old_text, new_text = files.read_text(before), pipeline.read_text(filename)
        old = pipeline.parse(old_text, before)
    except (OdtkError, OSError, UnicodeDecodeError) as error:
        log(f"warning: What changed since the checkpoint was saved is not known: {error}")
        return
    fine, others, impossible = _classed(old, config)
    if impossible:
        raise CheckpointError(
            f"{filename} does not fit the checkpoint in {model_dir}: its model has other variables than {before}, with "
            f"which that was trained. They differ in {_described(impossible, old_text, new_text)}. Set these fields "
            "back to resume; or train in another model dir (with this checkpoint as train_config.fine_tune_checkpoint, "
            "if its weights are a good start)."
        )
    if others:
        log(f"warning: What is trained changes with this run: {_described(others, old_text, new_text)}, compared with "
            f"{before}. Set it back unless that is wanted.")  # fmt: skip
    if fine:
        log(f"Changed since {before}, which is fine: {_described(fine)}.")


def _classed(old, new) -> tuple[list[Change], list[Change], list[Change]]:
    """The changes that are fine, those that change what is trained, and those of the detector's variables."""
    fine, others, impossible = [], [], []
    family = families.of(new)
    harmless = (*_FINE, f"{family.path}.post_processing")
    paths = ["model", *(f"{family.path}.{name}" for name in family.variable_fields)]
    for change in effective_changes(old, new):
        if change.path in paths:
            impossible.append(change)
        elif change.path.startswith(_OF_TRAINING) and ".learning_rate" not in change.path:
            others.append(change)
        else:
            (fine if change.path.startswith(harmless) else others).append(change)
    return fine, others, impossible


def _described(changes: list[Change], old_text: str | None = None, new_text: str | None = None) -> str:
    """The first changes, with their lines in the two texts, if given."""
    named = changes[:_NAMED]
    lines = _lines(named, new_text), _lines(named, old_text)
    shown = [
        f"{change.path} {_short(change.before)} -> {_short(change.after)}" + _places(*found)
        for change, *found in zip(named, *lines, strict=True)
    ]
    more = f" and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
    return "; ".join(shown) + more


def _lines(changes: Iterable[Change], text: str | None) -> list[int | None]:
    findings = [Finding(NOTE, "", change.path) for change in changes]
    return [finding.line for finding in (with_lines(findings, text) if text else findings)]


def _places(here: int | None, there: int | None) -> str:
    found = [f"line {here}"] * bool(here) + [f"there line {there}"] * bool(there)
    return f" ({', '.join(found)})" if found else ""


def _short(value: str | None) -> str:
    text = on_one_line(value or "unset")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
