"""odtk's commands, run as a user would: in processes of their own, in the workspace, with their JSON read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtk.process_identity import ProcessIdentity
from odtk.progress_file import VARIABLE

_AT_ONCE = 2  # more would only slow each other down on most machines, and need much memory
_LAST_WORDS = 20_000  # bytes of what a command wrote to stderr that are kept


@dataclass(frozen=True)
class Command:
    """The words of an odtk command, without the leading odtk; paths are as they are from the workspace."""

    words: tuple[str, ...]
    module: str = "odtk"
    """What Python runs: odtk itself, or a module of it that is no command."""

    def __str__(self) -> str:
        start = ["odtk"] if self.module == "odtk" else ["python", "-m", self.module]
        return shlex.join([*start, *self.words])


def command(*words: str | os.PathLike | int | float) -> Command:
    """A command of these words."""
    return Command(tuple(map(str, map(_plain, words))))


def _plain(word: str | os.PathLike | int | float) -> str | int | float:
    return os.fspath(word) if isinstance(word, os.PathLike) else word


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    command: Command
    exit_code: int
    document: Any
    """Of --json; None if it printed none."""
    messages: str
    """What it wrote to stderr: warnings, notes, and how it failed."""
    options: Sequence[Mapping[str, Any]] = ()
    """Of commands, that would help one that failed: rows of command, option and value."""

    @property
    def error(self) -> str | None:
        """Why it failed, in the command's words; None if it did not."""
        if self.exit_code == 0:
            return None
        lines = self.messages.strip().splitlines()
        found = next((line for line in reversed(lines) if line.startswith("error: ")), lines[-1] if lines else "")
        return found.removeprefix("error: ") or f"{self.command} ended with exit code {self.exit_code}."


class Commands:
    """Runs commands in a folder, two at a time."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def run(
        self,
        command: Command,
        progress_file: Path | None = None,
        on_start: Callable[[int], None] = lambda pid: None,
    ) -> Outcome:
        """Runs a command to its end; if the caller is cancelled, the command is ended, too.

        `on_start` gets the number of its process, which is that of its group.
        """
        environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
        if progress_file is not None:
            environment[VARIABLE] = os.fspath(progress_file)
        async with self._turns:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", command.module, *command.words, cwd=self._folder, env=environment,
                start_new_session=True, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            try:
                on_start(process.pid)
                out, messages = await process.communicate()
            except BaseException:  # cancelled, or on_start failed, as on a full disk
                await _end(process)
                raise
        assert process.returncode is not None
        document, said = _document(out), messages[-_LAST_WORDS:].decode(errors="replace")
        if process.returncode and isinstance(document, dict) and document.keys() == {"error", "options"}:
            return Outcome(command, process.returncode, None, said, document["options"])
        return Outcome(command, process.returncode, document, said)


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, on which commands clean up; SIGKILL to the whole group for one that goes on for five seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
            return


def end_group(process: ProcessIdentity, patience: float = 5.0) -> None:
    """Ends a command that another studio has started, with all that it started: SIGTERM, and SIGKILL after a while."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not process.is_alive():
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        end = time.monotonic() + patience
        while process.is_alive() and time.monotonic() < end:
            time.sleep(0.1)


def _document(out: bytes) -> Any:
    try:
        return json.loads(out)
    except ValueError:
        return None


def shell_line(*words: str) -> str:
    """A line of a terminal that is no command of odtk."""
    return shlex.join(words)


def as_lines(commands: Sequence[Command | str]) -> list[str]:
    """The commands as a terminal takes them, each once; texts are such lines already."""
    return list(dict.fromkeys(map(str, commands)))
