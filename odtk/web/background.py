"""Commands that take a while: they go on while pages are left and opened, and what came of them is kept on disk.

They end with the studio. What must outlive it, as a training, is a job of the queue (`jobs`).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import hashlib
import json
import re
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio.from_thread
from starlette.concurrency import run_in_threadpool

from odtk import progress_file
from odtk.atomic import write_text
from odtk.errors import OdtkError
from odtk.process_identity import ProcessIdentity, identify
from odtk.progress_file import ProgressReport
from odtk.web.commands import Command, Commands, Outcome, end_group
from odtk.web.kept_files import keep_newest

_KEPT = 200  # outcomes of each kind, on disk
_IN_MEMORY = 8  # outcomes that were read last: each thumbnail of a gallery asks for that of its inspection
_CUT_OFF = "error: It was cut off, as the studio was killed while it ran. Start it again."

RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"


@dataclasses.dataclass(frozen=True)
class Run:
    """One command under its key, as it stands now."""

    key: str
    command: Command
    state: str
    progress: ProgressReport | None = None
    outcome: Outcome | None = None
    ended: float | None = None
    """Seconds since 1970."""

    @property
    def was_cut_off(self) -> bool:
        """Whether it ended because the studio that ran it was killed."""
        return self.outcome is not None and self.outcome.messages == _CUT_OFF


class Background:
    """The running commands of a studio, and the last outcome of each key, in files below `folder`."""

    def __init__(self, folder: Path, commands: Commands):
        self._folder, self._commands = folder, commands
        folder.mkdir(exist_ok=True)
        self._read: dict[str, tuple[tuple[int, int, int], Run]] = {}
        self._end_leftovers()
        self._tasks: dict[str, tuple[Command, asyncio.Task]] = {}
        self._ending: set[str] = set()  # keys of those that were cancelled and still clean up

    def start(self, key: str, command: Command, then: Callable[[Outcome], None] | None = None) -> Run:
        """Starts a command under a key, unless this very one runs already. `then` gets the outcome, in a thread.

        From the event loop or a thread of a request. OdtkError if another one runs under the key, or this one is just
        being ended.
        """
        return _on_loop(self._start, key, command, then)

    def _start(self, key: str, command: Command, then: Callable[[Outcome], None] | None) -> Run:
        if key in self._tasks:
            self._require_same(key, command)
        else:
            self._file(key).unlink(missing_ok=True)
            task = asyncio.get_running_loop().create_task(self._run(key, command, then))
            self._tasks[key] = (command, task)
        found = self.find(key)
        assert found is not None
        return found

    def _require_same(self, key: str, command: Command) -> None:
        running = self._tasks[key][0]
        if key in self._ending:
            raise OdtkError(f"{running} is just being ended. Start the new one in a few seconds.")
        if running != command:
            raise OdtkError(f"{running} still runs. Wait for its end, or stop it, and start the new one then.")

    def find(self, key: str) -> Run | None:
        """What runs under a key, or how the last one ended; None if there was none, or it ended with a studio."""
        task = self._tasks.get(key)  # once: threads ask, and the loop takes it away
        if task is not None:
            return Run(key, task[0], RUNNING, progress_file.read(self._file(key, ".progress")))
        try:
            stat = self._file(key).stat()
            version = stat.st_mtime_ns, stat.st_ino, stat.st_size
            kept = self._read.get(key)
            run = kept[1] if kept is not None and kept[0] == version else self._outcome_of(key)
        except (OSError, ValueError):
            return None
        self._read[key] = version, run
        while len(self._read) > _IN_MEMORY:
            self._read.pop(next(iter(self._read)), None)
        return run

    def _outcome_of(self, key: str) -> Run:
        found = json.loads(self._file(key).read_text(encoding="utf-8"))
        command = Command(tuple(found["words"]), found.get("module", "odtk"))
        outcome = None if found["exit_code"] is None else _outcome(command, found)
        return Run(key, command, found["state"], None, outcome, found["ended"])

    def running(self) -> list[Command]:
        """The commands that run."""
        return [command for command, _ in list(self._tasks.values())]

    def words(self) -> set[str]:
        """Those of the commands that run: their files are in use."""
        return {word for command in self.running() for word in command.words}

    def cancel(self, key: str) -> None:
        """Ends what runs under a key, if anything does; from the event loop or a thread of a request."""
        _on_loop(self._cancel, key)

    def _cancel(self, key: str) -> None:
        if key in self._tasks:
            self._ending.add(key)
            self._tasks[key][1].cancel()

    async def close(self) -> None:
        """Ends all commands, and returns when they have ended."""
        tasks = [task for _, task in self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: str, command: Command, then: Callable[[Outcome], None] | None) -> None:
        progress = self._file(key, ".progress")
        try:
            started = functools.partial(self._note_process, key, command)
            outcome = await self._commands.run(command, progress, started)
            await _to_its_end(self._finish(key, command, outcome, then))
        except asyncio.CancelledError:
            self._note(key, command, CANCELLED, None)
            raise
        except Exception as error:  # of `then`: what it says belongs on the page
            self._note(key, command, FAILED, Outcome(command, 1, None, f"error: {error}"))
        finally:
            self._tasks.pop(key, None)
            self._ending.discard(key)
            progress.unlink(missing_ok=True)
            self._file(key, ".process").unlink(missing_ok=True)

    async def _finish(
        self, key: str, command: Command, outcome: Outcome, then: Callable[[Outcome], None] | None
    ) -> None:
        if then is not None:
            await run_in_threadpool(then, outcome)
        state = DONE if outcome.exit_code == 0 else FAILED
        await run_in_threadpool(self._note, key, command, state, outcome)

    def _note_process(self, key: str, command: Command, pid: int) -> None:
        found = {"key": key, "words": command.words, "module": command.module, "process": identify(pid).as_text()}
        write_text(self._file(key, ".process"), json.dumps(found))

    def _end_leftovers(self) -> None:
        """Ends what a studio that was killed has left running: else it would write beside the one that repeats it."""
        for path in self._folder.glob("*.process"):
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                end_group(ProcessIdentity.from_text(found["process"]))
                command = Command(tuple(found["words"]), found.get("module", "odtk"))
                self._note(found["key"], command, FAILED, Outcome(command, 1, None, _CUT_OFF))
            except (ValueError, KeyError, TypeError):  # of a disk that was full
                pass
            path.unlink(missing_ok=True)

    def _note(self, key: str, command: Command, state: str, outcome: Outcome | None) -> None:
        found: dict[str, Any] = {"words": command.words, "module": command.module, "state": state}
        found |= {"ended": time.time(), "exit_code": None}
        if outcome is not None:
            found |= {key: getattr(outcome, key) for key in ("exit_code", "document", "messages", "options")}
        write_text(self._file(key), json.dumps(found))
        # Of each kind: previews have many, and shall not push out what made the records.
        keep_newest(self._folder.glob(f"{_kind(key)}-*.json"), _KEPT)

    def _file(self, key: str, suffix: str = ".json") -> Path:
        # Keys hold paths, so the name of a file is a digest.
        digest = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:24]
        return self._folder / f"{_kind(key)}-{digest}{suffix}"


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Waits for work that goes on when the one who waits is cancelled: it comes too late for what has ended."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    task.result()


def _on_loop(function: Callable[..., Any], *given: Any) -> Any:
    """Calls a function on the event loop, and returns what it returns; tasks are of the loop alone."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return anyio.from_thread.run_sync(function, *given)
    return function(*given)


def _kind(key: str) -> str:
    """The word before the colon: "preview" of preview:0123."""
    return re.sub("[^a-z]", "", key.partition(":")[0])


def _outcome(command: Command, found: dict[str, Any]) -> Outcome:
    return Outcome(command, found["exit_code"], found["document"], found["messages"], found.get("options", ()))
