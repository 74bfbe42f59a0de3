"""Models that stay loaded while someone tries them, each in a process of its own (`model_process`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from odtk.errors import OdtkError
from odtk.web.model_process import LENGTH

PROGRAM = (sys.executable, "-m", "odtk.web.model_process")

_IDLE = 300.0  # seconds after which a model that is not asked is ended
_AT_ONCE = 2  # models: each needs the memory of a TensorFlow
_WAITING = 8  # pictures for one model; more are refused, so that a model that is slow does not fill the memory
_START, _ANSWER = 300.0, 120.0  # seconds; the first answer builds the program, too
_LONGEST_ANSWER = 1 << 20
_LAST_WORDS = 4000


class LiveModels:
    """The loaded models of a studio. `folder` gets what their processes write to standard error."""

    def __init__(self, workspace: Path, folder: Path, program: Sequence[str] | None = None, idle: float = _IDLE):
        self._workspace, self._folder, self._program, self._idle = workspace, folder, tuple(program or PROGRAM), idle
        self._models: dict[str, _LiveModel] = {}
        self._making = asyncio.Lock()
        self._is_closed = False

    async def detect(self, model: str, version: object, encoded: bytes) -> dict[str, Any]:
        """What a model finds in an encoded picture, as `model_process` answers, with the `names` of its classes.

        `model` is a path as the workspace names it; a model of another `version` is loaded again. Raises OdtkError if
        it cannot be loaded, if it fails on the picture, and if too many pictures wait for it.
        """
        found = await self._model(model, version)
        for _ in range(2):
            with contextlib.suppress(_EndedError):
                return await found.detect(encoded)
            # It was ended while the picture waited: another may have taken its place, of whatever version.
            found = await self._model(model, version, or_another=True)
        raise OdtkError("The model was ended while the picture waited for it. Try again.")

    async def _model(self, model: str, version: object, or_another: bool = False) -> _LiveModel:
        """The loaded model, or one that is started with its first picture."""
        async with self._making:  # else two requests would start two, and one would be held by nothing
            found = self._models.get(model)
            if found is None or (found.version != version and not or_another):
                await self._make_room(model)
                if self._is_closed:
                    raise OdtkError("The studio is being ended.")
                found = _LiveModel((*self._program, model), self._workspace, self._log(model), version)
                self._models[model] = found
                found.watcher = asyncio.get_running_loop().create_task(self._end_when_idle(model, found))
            return found

    async def close(self) -> None:
        """Ends all models."""
        self._is_closed = True
        models, self._models = list(self._models.values()), {}
        for model in models:
            if model.watcher is not None:
                model.watcher.cancel()
        await asyncio.gather(*(model.end() for model in models))

    async def _make_room(self, model: str) -> None:
        earlier = self._models.pop(model, None)
        rest = sorted(self._models, key=lambda name: self._models[name].used)
        ended = [earlier, *(self._models.pop(name) for name in rest[: max(len(rest) + 1 - _AT_ONCE, 0)])]
        await asyncio.gather(*(each.end() for each in ended if each is not None))

    async def _end_when_idle(self, name: str, model: _LiveModel) -> None:
        while (left := model.used + self._idle - time.monotonic()) > 0 or model.waiting:
            await asyncio.sleep(max(left, 1.0))
        if self._models.get(name) is model:
            del self._models[name]
        await model.end()

    def _log(self, model: str) -> Path:
        return self._folder / f"{model.replace(os.sep, '-')[-80:]}.model.log"


class _LiveModel:
    """One model's process: started when it is first asked, once more if it dies."""

    def __init__(self, program: Sequence[str], folder: Path, log: Path, version: object):
        self.version, self.used, self.waiting = version, time.monotonic(), 0
        self.watcher: asyncio.Task | None = None
        self._program, self._folder, self._log_path = program, folder, log
        self._turn = asyncio.Lock()
        self._is_ended = False
        self._process: asyncio.subprocess.Process | None = None
        self._names: dict[str, str] = {}

    async def detect(self, encoded: bytes) -> dict[str, Any]:
        if self.waiting >= _WAITING:
            raise OdtkError("The model is busy: too many pictures wait for it. Wait a moment, and try again.")
        self.waiting += 1
        try:
            async with self._turn:
                return await self._answered(encoded)
        finally:
            self.waiting -= 1
            self.used = time.monotonic()

    async def end(self) -> None:
        """Ends the process, if there is one; none is started again."""
        self._is_ended = True
        await self._stop()

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()  # the end of its input, at which it ends by itself
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), 3)
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def _answered(self, encoded: bytes) -> dict[str, Any]:
        for is_last in (False, True):
            try:
                process = self._process or await self._start()
                found = await self._exchange(process, encoded)
                break
            except _DiedError as error:
                await self._stop()
                if self._is_ended:
                    raise _EndedError from None
                if is_last:
                    raise OdtkError(f"The model's process ended: {error}") from None
            except BaseException:  # cancelled, or too slow: an answer that comes later would be taken for the next
                await self._stop()
                raise
        if "error" in found:
            raise OdtkError(found["error"])
        return {**found, "names": self._names}

    async def _start(self) -> asyncio.subprocess.Process:
        if self._is_ended:
            raise _EndedError
        with open(self._log_path, "wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._program, cwd=self._folder, start_new_session=True, limit=_LONGEST_ANSWER,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        process = self._process
        if self._is_ended:  # while it was started
            await self._stop()
            raise _EndedError
        head = await self._line(process, _START)
        if "error" in head:
            await self._stop()
            raise OdtkError(head["error"])
        self._names = head["names"]
        return process

    async def _exchange(self, process: asyncio.subprocess.Process, encoded: bytes) -> dict[str, Any]:
        assert process.stdin is not None
        try:
            process.stdin.write(LENGTH.pack(len(encoded)) + encoded)
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise _DiedError(self._last_words()) from None
        return await self._line(process, _ANSWER)

    async def _line(self, process: asyncio.subprocess.Process, seconds: float) -> dict[str, Any]:
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), seconds)
        except asyncio.TimeoutError:
            raise OdtkError(f"The model did not answer within {seconds:.0f} seconds. Try again.") from None
        if not line.endswith(b"\n"):
            raise _DiedError(self._last_words())
        return json.loads(line)

    def _last_words(self) -> str:
        text = self._log_path.read_bytes()[-_LAST_WORDS:].decode(errors="replace").strip()
        return text.splitlines()[-1] if text else "it said nothing."


class _DiedError(Exception):
    """The process ended before it answered."""


class _EndedError(Exception):
    """The model was ended, as another took its place."""
