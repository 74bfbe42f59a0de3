"""The options of a training that are no fields of its config, as a form shows them: keys of the project file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odtk.tools.run.keys import SECTIONS
from odtk.tools.run.kinds import Choice, Flag, NotOfKind
from odtk.web.model_views.config_fields import words_of
from odtk.web.projects import Project
from odtk.web.workspace import OutsideError

_KEYS = SECTIONS["train"].keys
MAIN = ("precision", "freeze", "patience", "seed", "eval-every")
MORE = ("eval-images", "best-metric", "min-delta", "max-time", "on-nan", "accumulate", "cache", "checkpoint-every",
        "keep", "log-every", "devices", "xla", "deterministic", "reuse-head-weights", "max-bad-records")  # fmt: skip

_HINTS = {
    "precision": "auto takes bfloat16 or float16 where the device computes faster with it.",
    "freeze": "What is not trained: the backbone, the statistics of batch norms (bn), or nothing.",
    "patience": "Ends the training after so many evaluations without a better mAP.",
    "seed": "Makes the order of records and what is random repeatable.",
    "eval-every": "Steps between evaluations in training; 0: none.",
    "eval-images": "How many images these evaluations read; empty: all.",
    "best-metric": "By which the best checkpoint is chosen.",
    "min-delta": "How much better counts as better, for patience.",
    "max-time": "Ends the training with a checkpoint in time, such as 11h30m.",
    "on-nan": "What happens when the loss is not finite.",
    "accumulate": "Computes a batch in so many parts, which needs less memory.",
    "cache": "Keeps decoded images: memory, disk, or disk:FOLDER, one of the workspace.",
    "checkpoint-every": "Steps between checkpoints.",
    "keep": "How many of the last checkpoints stay.",
    "log-every": "Steps between rows of the log.",
    "devices": "auto, cpu, gpu:0,1 or all.",
    "xla": "Compiles the step, where that is faster.",
    "deterministic": "The same numbers at every run, slower on a GPU.",
    "reuse-head-weights": "Takes weights of the heads from the checkpoint for classes with the same names.",
    "max-bad-records": "Ends the training after so many records that cannot be read.",
}


@dataclass(frozen=True)
class OptionField:
    """One option."""

    key: str
    label: str
    value: str
    """As the project file has it; empty: the default."""
    default: str
    choices: tuple[str, ...]
    hint: str
    error: str = ""

    @property
    def id(self) -> str:
        """For the page."""
        return f"o-{self.key}"


def option_fields(
    section: Mapping[str, Any], typed: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None
) -> dict[str, OptionField]:
    """The options with the values of a train section, or with what was typed and why it is wrong."""
    found = {}
    for key in (*MAIN, *MORE):
        value = (typed or {}).get(key, _written(key, section.get(key)))
        found[key] = OptionField(
            key, words_of(key.replace("-", "_")), value, _shown(_KEYS[key].default), _choices(key), _HINTS[key],
            (errors or {}).get(key, ""),
        )  # fmt: skip
    return found


def read_options(project: Project, typed: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values by key (None for one that is empty: its default), and why others are wrong."""
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for key, text in typed.items():
        try:
            values[key] = _KEYS[key].kind.read(text) if text else None
        except NotOfKind:
            errors[key] = f"{key} takes {_KEYS[key].kind.in_words()}, not {text}."
    if not _is_in_workspace(project, values.get("cache")):
        folder = f"a folder of the workspace, relative to projects/{project.name}"
        errors["cache"] = f"cache takes memory, disk, or disk: and {folder}, not {values.pop('cache')}."
    return values, errors


def _is_in_workspace(project: Project, cache: str | None) -> bool:
    """Whether a training would write its cache below the workspace: it is a form's word that says where."""
    place = (cache or "").partition(":")[2]
    if not place:
        return True
    try:
        found = project.workspace.inside(project.folder / place)
    except OutsideError:
        return False
    return found.is_relative_to(project.workspace.folder)


def _choices(key: str) -> tuple[str, ...]:
    kind = _KEYS[key].kind
    return kind.names if isinstance(kind, Choice) else ("true", "false") if isinstance(kind, Flag) else ()


def _written(key: str, text: Any) -> str:
    """A value of the project file as the form has it: `yes` of a choice of true and false is `true`."""
    try:
        return _shown(None if text is None else _KEYS[key].kind.read(text))
    except NotOfKind:
        return str(text)


def _shown(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
