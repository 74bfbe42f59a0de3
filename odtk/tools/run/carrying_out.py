"""Carries a project out: decides about each stage, runs it, and records in the lock what it took and gave."""

from __future__ import annotations

import math
import os
import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import odtk
from odtk import files
from odtk.errors import OutputError
from odtk.folder_lock import locked_folder
from odtk.tools.run import lock_file
from odtk.tools.run.checks import check_stages, naming_the_line
from odtk.tools.run.content import CACHE_FILE, Contents
from odtk.tools.run.decisions import Decision, decide, options_of
from odtk.tools.run.lock_file import DONE, RUNNING, STOPPED, Entry
from odtk.tools.run.project import Project, sources_of
from odtk.tools.run.report import RunReport, StageReport, free_name
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
        self._entries = lock_file.read(self._lock)
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
                planned.commands = self._commands(name, decisions[name])
            elif name not in self._chosen:
                planned.reason = self._left_out(decisions[name])
            report.stages.append(planned)
        return report

    def run(self) -> RunReport:
        """Runs what has to, one stage after the other."""
        report = self._new_report()
        decisions = {name: self._decide(name) for name in self._project.stages}
        running = self._running(decisions)
        for name in running:
            self._require_ours(name, decisions[name])
        check_stages(self._project, list(running))
        try:
            for name in self._project.stages:
                report.stages.append(self._stage(name, self._decide(name) if report.ran else decisions[name]))
                if self._asked:
                    report.stopped = self._asked
                    break
        finally:
            self._contents.save()
        return report

    def _new_report(self) -> RunReport:
        return RunReport(self._project.path, self._project.output, self._lock)

    def _decide(self, name: str) -> Decision:
        inputs = inputs_of(name, self._arguments[name], self._reading)
        outputs = outputs_of(name, self._arguments[name], self._reading)
        force = self._force and name in self._chosen
        stage, revision = self._project.stages[name], RUN_STAGES[name].revision
        return decide(stage, self._entries.get(name), inputs, outputs, revision, force)

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
            self._set_aside(self._arguments[name]["model_dir"])
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
        lock_file.write(self._lock, self._entries, odtk.__version__)

    def _report_of(self, name: str, ran: bool, reason: str) -> StageReport:
        entry = self._entries.get(name)
        report = StageReport(name, ran, reason, [], places_of(name, self._arguments[name]))
        if entry:
            report.seconds, report.results = entry.seconds, entry.results
        return report

    def _watched(self):
        return _Watched(self, self._watch_for_stop)

    def remember_stop(self, reason: str) -> None:
        """The run ends after the training, which was asked to stop for `reason`."""
        self._asked = reason

    def _require_ours(self, name: str, decision: Decision) -> None:
        """Raises OutputError for outputs that the stage would replace but did not write."""
        if self._force or name == "evaluate":
            return
        place = next(iter(places_of(name, self._arguments[name]).values()))
        if decision.is_unknown:
            raise OutputError(
                f"{place} exists, and {self._lock} does not say that a run of {self._project.path} wrote it. Set "
                f"another place for what {name} writes, move it away, or make it again (force).",
                argument="force",
            )
        if decision.is_edited and name == "configure":
            raise OutputError(
                f"{place} was edited since configure wrote it, and the edits would be lost if it were written again. "
                f"Move them into {self._project.path}, as keys of configure (set takes any field); or keep the file: "
                "give another copy of it as base. Or write over it (force).",
                argument="force",
            )

    def _set_aside(self, model_dir: str) -> None:
        """An earlier training is kept, not resumed and not removed."""
        if not files.names_in(model_dir):
            return
        if files.is_remote(model_dir):
            raise OutputError(
                f"{model_dir} has an earlier training, which cannot go on, as what it learns from changed. Set another "
                "model-dir for train, or remove that one."
            )
        with locked_folder(model_dir, self._log):  # not while another process trains there
            kept = free_name(model_dir)
        os.rename(model_dir, kept)
        self._log(f"The earlier training is kept in {kept}.")

    def _commands(self, name: str, decision: Decision) -> list[str]:
        stage, arguments = self._project.stages[name], self._arguments[name]
        has_outputs = bool(outputs_of(name, arguments, self._reading))
        commands = [stage.command(self._project.folder, RUN_STAGES[name].replaces and has_outputs)]
        if name == "train" and decision.runs and not decision.goes_on and files.names_in(arguments["model_dir"]):
            move = ["mv", arguments["model_dir"], free_name(arguments["model_dir"])]
            commands.insert(0, shlex.join(move))
        return commands


class _Watched:
    """What training asks whether to stop; the run is told of the answer."""

    def __init__(self, run: Carrying, watch_for_stop: WatchForStop):
        self._run, self._context = run, watch_for_stop()

    def __enter__(self) -> Callable[[], str | None]:
        should_stop = self._context.__enter__()

        def ask() -> str | None:
            reason = should_stop()
            if reason:
                self._run.remember_stop(reason)
            return reason

        return ask

    def __exit__(self, *error) -> bool | None:
        return self._context.__exit__(*error)


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
