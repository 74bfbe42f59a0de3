"""The processes that models are measured in, seen from the one that asks them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

from odtk.errors import OdtkError

COMMAND = (sys.executable, "-m", "odtk.tools.benchmark.worker")
_SHOWN = 2000  # letters of what a process wrote before it ended
_SECONDS_TO_END = 10


class Asked:
    """A process that answers; made by `start`."""

    def __init__(self, name: str, process: subprocess.Popen, errors: IO[str]):
        self.name, self._process, self._errors = name, process, errors

    def ask(self, name: str, **request) -> dict:
        """The answer; raises OdtkError if the process answers with one, or has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        answer = ""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"ask": name, **request}) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer:
            raise self._ended()
        found = json.loads(answer)
        if "error" in found:
            raise OdtkError(found["error"], argument=found["argument"])
        return found

    def _ended(self) -> OdtkError:
        code = self._process.wait()
        self._errors.seek(0)
        written = self._errors.read()[-_SHOWN:].strip()
        if code == -signal.SIGKILL:
            how = "was killed, as processes are that need more memory than there is; try smaller batches or images"
        elif code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        else:
            how = f"ended with code {code}"
        said = f" It wrote:\n{written}" if written else ""
        return OdtkError(f"The process that measured {self.name} {how}.{said}")


@contextlib.contextmanager
def start(name: str, threads: int | None) -> Iterator[Asked]:
    """A process for a model, as long as the block lasts; `threads`: how many cores it may use, None for all."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*COMMAND, str(threads or 0)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(threads),
            text=True,
            encoding="utf-8",
        )
        try:
            yield Asked(name, process, errors)
        finally:
            _end(process)


def _environment(threads: int | None) -> dict[str, str]:
    """Where a process cannot be kept to cores (macOS), these still limit TensorFlow's and OpenMP's threads."""
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    limits = {} if threads is None else dict.fromkeys(names, str(threads))
    return {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, **limits}


def _end(process: subprocess.Popen) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()  # it ends by itself
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    except BaseException:  # the user does not wait
        process.kill()
        raise
    finally:
        process.stdout.close()
