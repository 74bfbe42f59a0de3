"""From a form to what is changed: only what differs from the texts that the page was loaded with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from odtk.errors import ConfigError
from odtk.web.model_views import augmentations, config_fields
from odtk.web.model_views.config_edits import Trial, edited_text, options, try_changes
from odtk.web.model_views.config_fields import CHECKPOINT, FormField
from odtk.web.model_views.open_config import OpenConfig, require_inside
from odtk.web.workspace import OutsideError

_OTHER_STEPS = "The augmentations were changed elsewhere meanwhile. See what they are now, and change them again."


@dataclass
class Asked:
    """What a form asks for, as far as it was tried."""

    trial: Trial
    words: list[str]
    """The options of `odtk configure` for what can be made."""
    typed: dict[str, str] = field(default_factory=dict)
    """What stood in the fields that were changed, by path."""


def all_fields(config) -> dict[str, FormField]:
    """Every field of the page that belongs to the config, by path."""
    return config_fields.by_path(config) | augmentations.fields_by_path(config) | {CHECKPOINT: _checkpoint(config)}


def ask(opened: OpenConfig, loaded: str, typed: Mapping[str, str], switched: list[str] | None, scale: bool) -> Asked:
    """Tries what a form asks for that was loaded with the text of digest `loaded`.

    `typed`: field to text; `switched`: keys of the augmentations that are on, None if the form has none. Raises
    ConfigError if that text is not known any more.
    """
    base = opened.history.text_of(loaded)
    if base is None:
        raise ConfigError("This page was loaded too long ago to know what you changed. Reload it, and change it again.")
    was, now = opened.parsed(base), opened.parsed()
    all_was, all_now = all_fields(was), all_fields(now)
    changes = changed = _changed(all_was, all_now, typed)
    refused: dict[str, str] = {}
    switches = augmentations.switch_changes(was, switched) if switched is not None else {}
    if was.train_config.data_augmentation_options == now.train_config.data_augmentation_options:
        changes = changed | switches
    else:
        of_steps = [path for path in changed if path.startswith(augmentations.OPTIONS)]
        refused = dict.fromkeys([*of_steps, *([augmentations.OPTIONS] if switches else [])], _OTHER_STEPS)
        changes = changed = {path: value for path, value in changed.items() if path not in refused}
    asked = _tried(opened, changes, scale)
    asked.trial.refused |= refused
    gone = [path for path, text in typed.items() if path not in all_now and _is_changed(text, all_was.get(path))]
    asked.trial.refused |= dict.fromkeys(gone, "This field is gone, by a change elsewhere. Reload the page.")
    asked.typed = {path: typed.get(path, "") for path in (*changed, *refused, *gone)}
    return asked


def _is_changed(text: str, was: FormField | None) -> bool:
    return was is not None and text.strip() != was.value


def _tried(opened: OpenConfig, changes: Mapping[str, str], scale: bool) -> Asked:
    # What goes with a checkpoint (its version, its type) is set by configure, so it is not tried by itself.
    tried = {path: value for path, value in changes.items() if path != CHECKPOINT}
    trial = try_changes(opened.text, tried, opened.check, opened.shown, scale)
    if CHECKPOINT in changes:
        _try_checkpoint(opened, trial, changes[CHECKPOINT])
    return Asked(trial, options(opened.text, trial.made, opened.shown, scale))


def _try_checkpoint(opened: OpenConfig, trial: Trial, prefix: str) -> None:
    try:
        text = edited_text(trial.text, CHECKPOINT, prefix, opened.shown)
        require_inside(opened.project.workspace, opened.parsed(text), opened.parsed())
    except (ConfigError, OutsideError) as error:
        trial.refused[CHECKPOINT] = str(error)
        return
    trial.made[CHECKPOINT] = prefix


def fix(opened: OpenConfig, number: int) -> Asked:
    """What the finding of this number of the config's check asks for. Raises ConfigError if it has no fix."""
    found = opened.check(opened.text)
    if not 0 <= number < len(found) or not found[number].edits:
        raise ConfigError("There is no such fix any more. Reload the page.")
    return _tried(opened, dict(found[number].edits), True)


def shown_fields(config, asked: Asked | None = None) -> dict[str, FormField]:
    """The page's fields; those that were refused with what was typed, and why."""
    fields = all_fields(config)
    if asked is not None:
        for path in asked.trial.refused.keys() & fields.keys():
            value = asked.typed.get(path, fields[path].value)
            fields[path] = replace(fields[path], value=value, error=asked.trial.refused[path])
    return fields


def _changed(was: Mapping[str, FormField], now: Mapping[str, FormField], typed: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for path, text in typed.items():
        field_now = now.get(path)
        if field_now is not None and _is_changed(text, was.get(path)) and text.strip() != field_now.value:
            found[path] = config_fields.as_value(field_now, text)
    return found


def _checkpoint(config) -> FormField:
    train = config.train_config
    descriptor = train.DESCRIPTOR.fields_by_name["fine_tune_checkpoint"]
    return replace(config_fields.form_field(train, descriptor, CHECKPOINT), label="Start from")
