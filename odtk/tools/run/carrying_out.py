"""Carries a project out: decides about each stage, runs it, and records in the lock what it took and gave."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import odtk
from odtk import files
from odtk.tools.run import lock_file
from odtk.tools.run.checks import check_stages, naming_the_line
from odtk.tools.run.content import CACHE_FILE, Contents
from odtk.tools.run.decisions import Decision, decide, options_of
from odtk.tools.run.earlier_outputs import is_occupied, require_ours, set_aside, setting_aside
from odtk.tools.run.lock_file import DONE, RUNNING, STOPPED, Entry, Force
from odtk.tools.run.project import Project, sources_of
from odtk.tools.run.report import RunReport, StageReport
from odtk.tools.run.stage_files import Reading, inputs_of, outputs_of, places_of
from odtk.tools.run.stages import RUN_STAGES, Call, WatchForStop, has_more_to_do

_LONGEST = 200


class Carrying:
    """One run of a project: of the stages `chosen`, those that have to."""

    def __init__(
        self,
        project: Project,
        chosen: list[str],
        force: bool,
        log: Callable[[str], None],
        watch_for_stop: WatchForStop,
    ):
        self._project, self._chosen, self._force = project, chosen, force
        self._log, self._watch_for_stop = log, watch_for_stop
        self._lock = lock_file.path_of(project.path)
        found = lock_file.read(self._lock)
        self._entries, self._was_forced = found.entries, found.force is not None
        # A run with force that was interrupted goes on if it is asked for once more.
        goes_on = found.force is not None and found.force.stages == chosen
        self._forced = (found.force if goes_on else Force(chosen)) if force else None
        self._contents = Contents(os.path.join(project.output, CACHE_FILE))
        self._arguments = {name: stage.arguments(project.folder) for name, stage in project.stages.items()}
        own = [place for name, arguments in self._arguments.items() for place in places_of(name, arguments).values()]
        here = [place for place in own if not files.is_remote(place)]
        self._reading = Reading(self._contents, (project.path, self._lock, project.output, *here))
        self._asked: str | None = None

    def plan(self) -> RunReport:
        """What `run` would do, with its commands; nothing is written."""
        report = self._new_report()
        decisions = {name: self._decide(name) for name in self._project.stages}
        running = self._running(decisions)
        check_stages(self._project, list(running))
        for name in self._project.stages:
            planned = self._report_of(name, name in running, running.get(name, decisions[name].reason))
            if planned.ran:
                self._require_ours(name, decisions[name])
                planned.commands = self._commands(name, decisions[name], list(running))
            elif name not in self._chosen:
                planned.reason, planned.is_left_out = self._left_out(decisions[name]), decisions[name].runs
            report.stages.append(planned)
        return report

    def run(self) -> RunReport:
        """Runs what has to, one stage after the other."""
        report = self._new_report()
        decisions = {name: self._decide(name) for name in self._project.stages}
        running = self._running(decisions)
        check_stages(self._project, list(running))
        for name in running:
            self._require_ours(name, decisions[name])
        if self._was_forced and not self._forced:
            self._write_lock()
        try:
            for name in self._project.stages:
                report.stages.append(self._stage(name, self._decide(name) if report.ran else decisions[name]))
                if self._asked:
                    report.stopped = self._asked
                    break
        finally:
            self._contents.save()
        if self._forced and self._forced.is_over:
            self._forced = None
            self._write_lock()
        return report

    def _new_report(self) -> RunReport:
        return RunReport(self._project.path, self._project.output, self._lock)

    def _decide(self, name: str) -> Decision:
        inputs = inputs_of(name, self._arguments[name], self._reading)
        outputs = outputs_of(name, self._arguments[name], self._reading)
        is_there = is_occupied(name, self._place(name), outputs)
        stage, revision = self._project.stages[name], RUN_STAGES[name].revision
        force = self._forced.of(name) if self._forced else None
        return decide(stage, self._entries.get(name), inputs, outputs, is_there, revision, force)

    def _place(self, name: str) -> str:
        """Where a stage writes to."""
        return next(iter(places_of(name, self._arguments[name]).values()))

    def _running(self, decisions: dict[str, Decision]) -> dict[str, str]:
        """The stages that run, or may have to once those before them ran; and why."""
        running: dict[str, str] = {}
        for name in self._chosen:
            before = [source for source in running if source in sources_of(name, self._project.stages)]
            if decisions[name].runs:
                running[name] = decisions[name].reason
            elif before:
                running[name] = f"if {' or '.join(before)} changes what it reads"
        return running

    def _stage(self, name: str, decision: Decision) -> StageReport:
        if name not in self._chosen:
            report = self._report_of(name, False, self._left_out(decision))
            report.is_left_out = decision.runs
        elif not decision.runs:
            report = self._report_of(name, False, decision.reason)
        else:
            return self._run_stage(name, decision)
        self._log(f"{name}: skipped, {report.reason}.")
        return report

    def _left_out(self, decision: Decision) -> str:
        return f"not asked for, although {decision.reason}" if decision.runs else "not asked for"

    def _run_stage(self, name: str, decision: Decision) -> StageReport:
        self._require_ours(name, decision)
        outputs = outputs_of(name, self._arguments[name], self._reading)
        self._log(f"\n{name}: {decision.reason}.")
        if name == "train" and not decision.goes_on:
            set_aside(self._place(name), self._log)
        inputs = inputs_of(name, self._arguments[name], self._reading)
        stage, kind = self._project.stages[name], RUN_STAGES[name]
        entry = Entry(RUNNING, options_of(stage), inputs, kind.revision, odtk.__version__)
        self._record(name, entry)
        replaces = kind.replaces and bool(outputs)
        command = stage.command(self._project.folder, replaces)
        self._log(f"$ {command}")
        started = time.monotonic()
        call = Call(self._arguments[name], replaces, self._log, self._watched)
        try:
            with naming_the_line(self._project, name):
                result = kind.run(call)
        except BaseException as error:
            self._record(name, replace(entry, state=STOPPED, reason=_why(error)))
            raise
        entry = self._ended(name, entry, result, time.monotonic() - started)
        for note in kind.notes(result):
            self._log(note)
        report = self._report_of(name, True, decision.reason)
        report.commands, report.report = [command], result
        self._log(f"{name}: {in_words(entry.results)} ({entry.seconds:g} s)")
        return report

    def _ended(self, name: str, entry: Entry, result: Any, seconds: float) -> Entry:
        """Records a stage that returned. Training that was asked to stop, or had no more time, has more to do."""
        is_early = name == "train" and result.is_early and (self._asked or has_more_to_do(result))
        entry = replace(
            entry,
            state=STOPPED if is_early else DONE,
            reason=f"it ended early: {result.reason}" if is_early else "",
            outputs=outputs_of(name, self._arguments[name], self._reading),
            ended=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            seconds=round(seconds, 1),
            results=_finite(RUN_STAGES[name].results(result)),
        )
        self._record(name, entry)
        return entry

    def _record(self, name: str, entry: Entry) -> None:
        known = self._entries | {name: entry}
        self._entries = {each: known[each] for each in RUN_STAGES if each in known}
        if self._forced:
            self._forced.note(name, entry.state)
        self._write_lock()

    def _write_lock(self) -> None:
        lock_file.write(self._lock, self._entries, self._forced, odtk.__version__)

    def _report_of(self, name: str, ran: bool, reason: str) -> StageReport:
        entry = self._entries.get(name)
        report = StageReport(name, ran, reason, [], outputs=places_of(name, self._arguments[name]))
        if entry:
            report.seconds, report.results = entry.seconds, entry.results
        return report

    @contextlib.contextmanager
    def _watched(self) -> Iterator[Callable[[], str | None]]:
        """What training asks whether to stop; if it is to, the run ends after it, too."""
        with self._watch_for_stop() as should_stop:

            def ask() -> str | None:
                reason = should_stop()
                self._asked = reason or self._asked
                return reason

            yield ask

    def _require_ours(self, name: str, decision: Decision) -> None:
        require_ours(name, self._place(name), decision, self._project.path, self._lock, self._force)

    def _commands(self, name: str, decision: Decision, running: list[str]) -> list[str]:
        """What does the same by hand; `running` are all stages that may run."""
        stage, arguments = self._project.stages[name], self._arguments[name]
        has_outputs = bool(outputs_of(name, arguments, self._reading))
        commands = [stage.command(self._project.folder, RUN_STAGES[name].replaces and has_outputs)]
        if name == "train" and (move := setting_aside(self._place(name))):
            before = [each for each in running if each in sources_of(name, self._project.stages)]
            if decision.runs and not decision.goes_on:
                commands.insert(0, move)
            elif before:
                when = f"only if {' or '.join(before)} changes what it learns from, and not just its number of steps"
                commands.insert(0, f"{move}  # {when}")
        return commands


def _finite(results: dict[str, Any]) -> dict[str, Any]:
    """With None for NaN and infinity, which JSON does not have."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in results.items()}  # fmt: skip


def in_words(results: dict[str, Any]) -> str:
    """`step 600, best mAP 0.612`."""
    return ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in results.items())  # fmt: skip


def _why(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    return f"it failed: {' '.join(str(error).split()) or type(error).__name__}"[:_LONGEST]
