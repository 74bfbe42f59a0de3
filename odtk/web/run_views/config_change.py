"""Another learning rate or number of steps for a run that has begun: in its config, and in words."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool

from odtk.atomic import write_bytes
from odtk.errors import OdtkError
from odtk.web.commands import Command, command
from odtk.web.projects import Project
from odtk.web.run_views.run_store import store_of
from odtk.web.run_views.training_command import SECTION, ConfigFacts, job_name, paths_of
from odtk.web.run_views.training_jobs import errors_before_training, go_on
from odtk.web.run_views.training_view import facts_of_file, look, planned_steps
from odtk.web.studio import Studio


@dataclass(frozen=True)
class ConfigChange:
    """What is changed; None for what stays."""

    before: ConfigFacts
    planned: int | None
    """The step at which the run was to end: the project file's option goes before the config."""
    step: int
    """Of the run, when it was asked for."""
    rate: float | None
    num_steps: int | None

    def as_query(self) -> str:
        """What there was before, for `explain_query`: the end of an address, with numbers only."""
        was: dict[str, Any] = {"at": self.step}
        if self.rate is not None:
            was["rate"] = self.before.rate
        if self.num_steps is not None:
            was |= {"steps": self.planned, "schedule": self.before.num_steps}
        return urlencode(was)


@dataclass(frozen=True)
class TypedChange:
    """The texts of the form, and those that it began with: what was left as it was is no wish of this page's."""

    rate: str
    num_steps: str
    rate_was: str = ""
    num_steps_was: str = ""

    @property
    def new_rate(self) -> str:
        """The rate, if it was typed."""
        return "" if self.rate == self.rate_was else self.rate

    @property
    def new_steps(self) -> str:
        """The steps, if they were typed."""
        return "" if self.num_steps == self.num_steps_was else self.num_steps


async def read_change(studio: Studio, project: Project, typed: TypedChange) -> ConfigChange:
    """What a form asks for. OdtkError for numbers that cannot be, and if nothing would change."""
    before = await run_in_threadpool(facts_of_file, project.config)
    planned = await run_in_threadpool(planned_steps, project)
    if before is None:
        raise OdtkError(f"{project.name} has no config that could be changed. Choose a model first.")
    rate = _number(typed.new_rate, "The learning rate") if typed.new_rate else None
    steps = _whole(typed.new_steps, "The number of steps") if typed.new_steps else None
    view = await run_in_threadpool(look, project, studio.jobs, store_of(studio))
    step = view.figures.step or 0
    rate, steps = None if rate == before.rate else rate, None if steps == planned else steps
    if steps is not None and steps <= step:
        raise OdtkError(f"The run is at step {step:,} already. Choose more steps than that.")
    if rate is None and steps is None:
        raise OdtkError(_nothing_changed(typed, before, planned, view.state.more_steps))
    return ConfigChange(before, planned, step, rate, steps)


def _nothing_changed(typed: TypedChange, before: ConfigFacts, planned: int | None, more_steps: int | None) -> str:
    """Why nothing was changed, and what else there is to do."""
    if more_steps:
        return "Nothing was changed: both are what the config has. Resume goes on with them."
    were = _numbers_of(typed.rate_was), _numbers_of(typed.num_steps_was)
    if any(was is not None and was != now for was, now in zip(were, (before.rate, planned), strict=True)):
        return (
            "Nothing was changed here, but the config was meanwhile, in another tab or in a terminal. The fields below "
            "have what it says now."
        )
    return "Nothing was changed: both are what the config has. Change one of the two."


def _numbers_of(text: str) -> float | None:
    with contextlib.suppress(ValueError):
        return float(text)
    return None


async def make_change(studio: Studio, project: Project, change: ConfigChange) -> list[dict[str, Any]]:
    """Edits the config and has the run go on with it, unless it would have errors: these are returned.

    A training that runs has read its config already, so that is edited at once.
    """
    async with studio.config_lock(project.name), studio.job_lock(job_name(project)):
        errors = await _edit(studio, project, change)
        if not errors:
            if change.num_steps is not None:  # the option would hide the config's number
                await run_in_threadpool(project.update, SECTION, {"num-steps": None, "extend-schedule": None})
            await run_in_threadpool(go_on, studio, project)
    return errors


async def _edit(studio: Studio, project: Project, change: ConfigChange) -> list[dict[str, Any]]:
    """Edits the config, and takes that back if the check finds errors, which are returned, or cannot be made."""
    before = await run_in_threadpool(project.config.read_bytes)
    edited = await studio.commands.run(change_command(project, change.rate, change.num_steps))
    if edited.error is not None:  # and nothing was written
        raise OdtkError(edited.error)
    written, is_fine = await run_in_threadpool(project.config.read_bytes), False
    try:
        errors = await errors_before_training(studio, project)
        is_fine = not errors
    finally:
        if not is_fine:  # not in a thread: a request that is given up ends at the next await
            _take_back(project.config, written, before)
    return errors


def _take_back(config: Path, written: bytes, before: bytes) -> None:
    """Puts the config back as it was; what a terminal has saved meanwhile stays."""
    if config.read_bytes() == written:
        write_bytes(config, before)


def change_command(project: Project, rate: float | None, num_steps: int | None) -> Command:
    """Edits the config in place: the base learning rate, the number of steps with the schedule that ends there."""
    config = paths_of(project)[0]
    words: list[str | int | float] = ["configure", config, "--output", config]
    words += ["--learning-rate", f"{rate:.7g}"] if rate is not None else []
    words += ["--num-steps", num_steps] if num_steps is not None else []
    return command(*words)


def explain_change(
    before: ConfigFacts, planned: int | None, rate: float | None, num_steps: int | None, step: int
) -> list[str]:
    """What a change means for a run at a step, in sentences; `planned` is the step that it was to end at."""
    found = []
    if rate is not None and before.rate is not None:
        found.append(
            f"The base learning rate changes from {before.rate:g} to {rate:g}, the others of the schedule in "
            f"proportion: each step from now on is trained with {rate / before.rate:.3g} times the rate that it would "
            "have had."
        )
    if num_steps is not None and planned is not None:
        found.append(f"The run ends at step {num_steps:,} instead of {planned:,}, and the schedule with it.")
        if step and before.num_steps:
            same = step * before.num_steps / num_steps
            found.append(
                f"A schedule that depends on the last step is stretched: at step {step:,} the rate is what it was, or "
                f"would have been, at step {same:,.0f}."
            )
    return found


def explain_query(project: Project, query: Mapping[str, str]) -> list[str]:
    """What a change means that was just made, of the end of the address that it led to."""
    facts = facts_of_file(project.config)
    if facts is None or "at" not in query:
        return []
    with contextlib.suppress(OdtkError, ValueError):
        rate = _number(query["rate"], "rate") if "rate" in query else None
        steps = _whole(query["steps"], "steps") if "steps" in query else None
        before = dataclasses.replace(facts, rate=rate, num_steps=int(query.get("schedule", 0)))
        return explain_change(before, steps, rate and facts.rate, steps and facts.num_steps, int(query["at"]))
    return []


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise OdtkError(f"{what} is {text!r}; it is a number above 0, such as 0.01.")
    return value


def _whole(text: str, what: str) -> int:
    plain = text.replace(",", "").replace("_", "")
    if not plain.isdecimal() or not int(plain):
        raise OdtkError(f"{what} is {text!r}; it is a whole number from 1 on.")
    return int(plain)
