"""The options of `odtk train` as a form: fields by the kinds of values that a project file knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odtk.errors import OdtkError

# In the order of the form; what a pipeline.config says itself (steps, batch size) stands there, not here.
_LABELS = {
    "eval-every": ("Evaluate every so many steps", "Empty: at each checkpoint, at least ten times; 0: never"),
    "eval-images": ("Evaluate on so many images", "Empty: all"),
    "checkpoint-every": ("Save a checkpoint every so many steps", ""),
    "log-every": ("A point of the curves every so many steps", ""),
    "patience": ("Stop after so many evaluations without a better one", "Empty: train to the end"),
    "best-metric": ("Metric of the best weights", "mAP, mAP@.50IOU, Loss/total_loss, AP/CLASS"),
    "max-time": ("Longest time", "Such as 11h30m or 45m: it stops in time to have saved"),
    "on-nan": ("If the loss becomes NaN", ""),
    "precision": ("Precision", "auto: what the device computes fastest"),
    "devices": ("Devices", "auto, cpu, all, or gpu:0,1"),
    "cache": ("Keep decoded images", "memory, disk or disk:FOLDER"),
    "freeze": ("Weights that are not trained", ""),
    "accumulate": ("Micro-batches of a step", "A number, or auto where the memory is small"),
    "seed": ("Seed", "Empty: drawn, and noted in run.json"),
    "deterministic": ("Only deterministic operations", "Two runs with one seed are the same, at some cost of speed"),
    "reuse-head-weights": ("Start from the checkpoint's heads, too", "When fine-tuning, for little data"),
}


@dataclass(frozen=True)
class OptionField:
    """One field of the form."""

    name: str
    label: str
    hint: str
    value: str
    """As it is written; empty where the default is taken."""
    default: str
    kind: str
    """ "number", "text", "choice" or "flag"."""
    choices: tuple[str, ...] = ()


def option_fields(options: Mapping[str, Any]) -> list[OptionField]:
    """The fields, filled in with a project's options."""
    return [_field(name, *texts, options.get(name)) for name, texts in _LABELS.items()]


def other_options(options: Mapping[str, Any]) -> dict[str, str]:
    """Options that the project file has and the form does not."""
    return {name: str(value) for name, value in options.items() if name not in _LABELS}


def _field(name: str, label: str, hint: str, value: Any) -> OptionField:
    from odtk.tools.run.keys import SECTIONS
    from odtk.tools.run.kinds import Choice, Flag, Whole

    key = SECTIONS["train"].keys[name]
    kinds = {Whole: "number", Choice: "choice", Flag: "flag"}
    kind = next((word for each, word in kinds.items() if isinstance(key.kind, each)), "text")
    default = "" if key.default is None else str(key.default)
    written = "" if value is None else str(value)
    if kind == "flag":
        written = "true" if value else ""
    choices = key.kind.names if isinstance(key.kind, Choice) else ()
    return OptionField(name, label, hint, written, default, kind, choices)


def read_options(form: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a form's fields say, None for those at their defaults. OdtkError that names a wrong one."""
    from odtk.tools.run.keys import SECTIONS
    from odtk.tools.run.kinds import NotOfKind

    found: dict[str, Any] = {}
    for name, (label, _) in _LABELS.items():
        written = form.get(name)
        key = SECTIONS["train"].keys[name]
        if not isinstance(written, str) or not written.strip():
            found[name] = None
            continue
        try:
            value = key.kind.read(written.strip())
        except NotOfKind:
            raise OdtkError(f"{label} ({name}) is {written.strip()!r}; it is {key.kind.in_words()}.") from None
        found[name] = None if value == key.default else value
    return found
