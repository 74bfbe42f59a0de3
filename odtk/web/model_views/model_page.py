"""What the page of a model shows, put together: fields in groups, what is wrong, the start, the options."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from odtk.errors import ConfigError
from odtk.findings import ERROR, Finding
from odtk.tools.check_config import has_no_effect
from odtk.web.model_views.augmentations import OPTIONS, AugmentationGroup, augmentation_groups
from odtk.web.model_views.changes import Asked, shown_fields
from odtk.web.model_views.config_edits import said
from odtk.web.model_views.config_fields import CHECKPOINT, FormField, Group, groups
from odtk.web.model_views.open_config import OpenConfig
from odtk.web.model_views.start_points import StartPoint, start_points, zoo_models_for
from odtk.web.model_views.training_options import OptionField, option_fields


@dataclass(frozen=True)
class Problem:
    """A finding of the check."""

    number: int
    severity: str
    path: str
    line: int | None
    text: str
    can_fix: bool


@dataclass(frozen=True)
class ModelForm:
    """The form of a config."""

    groups: list[Group]
    augmentations: list[AugmentationGroup]
    start: FormField
    start_points: list[StartPoint]
    zoo_models: list[str]
    options: dict[str, OptionField]
    problems: list[Problem]
    notes: list[Problem]

    @property
    def num_errors(self) -> int:
        """Of the config as it is."""
        return sum(problem.severity == ERROR for problem in self.problems)

    def fields(self) -> dict[str, FormField]:
        """All fields of the config, by path."""
        found = {field.path: field for group in self.groups for field in group.fields}
        steps = [step for group in self.augmentations for step in group.steps]
        return found | {field.path: field for step in steps for field in step.fields} | {CHECKPOINT: self.start}


def model_form(opened: OpenConfig, asked: Asked | None = None) -> ModelForm:
    """The form as it stands, with what `asked` could not make. Raises ConfigError for a text that cannot be read."""
    config = opened.parsed()
    fields = shown_fields(config, asked)
    found = opened.check(opened.text)
    problems = [_problem(number, each) for number, each in enumerate(found) if not has_no_effect(each)]
    return ModelForm(
        groups=[_with(group, fields) for group in groups(config)],
        augmentations=[_with_steps(group, fields) for group in augmentation_groups(config)],
        start=fields[CHECKPOINT],
        start_points=start_points(opened.project.workspace, config),
        zoo_models=[model.name for model in zoo_models_for(config)],
        options=option_fields(_train_section(opened)),
        problems=[each for each in problems if each.severity != "note"],
        notes=[each for each in problems if each.severity == "note"],
    )


def refused_elsewhere(form: ModelForm, asked: Asked) -> list[str]:
    """Why changes were refused whose field is not on the page."""
    fields = form.fields()
    return [f"{path}: {reason}" for path, reason in asked.trial.refused.items() if path not in fields]


@dataclass(frozen=True)
class FormDifference:
    """What of the form is new."""

    groups: list[Group]
    """Those that have other fields, as of another optimizer."""
    fields: list[FormField]
    """Of the others those whose value or error differs, without the augmentations' where these are other ones."""
    other_steps: bool
    """Whether other augmentations are on."""
    other_groups: bool
    """Whether the page has other groups, so that it is loaded again."""


def form_difference(before: ModelForm, after: ModelForm) -> FormDifference:
    """What is to be put into a page that shows `before`."""
    old, new = before.fields(), after.fields()
    paths = {group.name: _paths(group) for group in before.groups}
    groups = [group for group in after.groups if paths.get(group.name) != _paths(group)]
    other_steps = _steps(before) != _steps(after)
    whole = {path for group in groups for path in _paths(group)}
    whole |= {path for path in new if other_steps and path.startswith(OPTIONS)}
    changed = [field for path, field in new.items() if path not in whole and (field != old.get(path) or field.error)]
    return FormDifference(groups, changed, other_steps, list(paths) != [group.name for group in after.groups])


def _paths(group: Group) -> list[str]:
    return [field.path for field in group.fields]


def _steps(form: ModelForm) -> list[str]:
    return [step.id for group in form.augmentations for step in group.steps]


def _train_section(opened: OpenConfig) -> dict[str, Any]:
    return opened.project.sections().get("train", {})


def _problem(number: int, finding: Finding) -> Problem:
    return Problem(number, finding.severity, finding.path, finding.line, said(finding), bool(finding.edits))


def _with(group: Group, fields: dict[str, FormField]) -> Group:
    """With values and errors of `fields`, and the group's own labels."""

    def taken(field: FormField) -> FormField:
        return replace(field, value=fields[field.path].value, error=fields[field.path].error)

    return replace(group, main=tuple(map(taken, group.main)), more=tuple(map(taken, group.more)))


def _with_steps(group: AugmentationGroup, fields: dict[str, FormField]) -> AugmentationGroup:
    steps = (replace(step, fields=tuple(fields[each.path] for each in step.fields)) for step in group.steps)
    return replace(group, steps=tuple(steps))


def config_problem(opened: OpenConfig) -> str:
    """Why the form cannot be shown: the text cannot be read, or is of no family; empty if it can."""
    try:
        groups(opened.parsed())
    except ConfigError as error:
        return str(error)
    return ""
