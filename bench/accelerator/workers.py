"""The worker processes, from outside: one at a time, started anew for another setting, after a crash or a time-out."""

import contextlib
import json
import select
import subprocess
import tempfile
from pathlib import Path

from bench.accelerator.parts import Part
from bench.process import ENVIRONMENT, command

_LAST_WORDS = 1500  # characters of what a crashed process wrote


class Workers:
    """Measures parts; a context that ends its process."""

    def __init__(self, small: bool, folder: Path, module: str = "bench.accelerator.worker"):
        """`folder`: for what parts leave to later ones."""
        self._small, self._folder, self._module = small, folder, module
        self._process: subprocess.Popen | None = None
        self._setting = ""

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def measure(self, part: Part, seconds: float) -> dict:
        """{"figures": ...}, or {"error": ...} also if the process crashed or took longer than that."""
        if self._process is None or self._setting != part.worker:
            self._start(part.worker)
        process = self._process
        # One that failed to start has closed its input, and has said why.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps([part.function, part.arguments]) + "\n")
            process.stdin.flush()
        if not select.select([process.stdout], [], [], seconds)[0]:
            self.stop()
            return {"error": f"it was ended after {seconds:.0f} s"}
        answer = process.stdout.readline()
        if not answer:
            said = self._last_words()
            code = process.wait()
            self.stop()
            return {"error": f"its process ended with code {code}: {said}"}
        return json.loads(answer)

    def _start(self, setting: str) -> None:
        self.stop()
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        words = command(self._module, setting, "small" if self._small else "full", self._folder)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(words, stderr=self._errors, env=ENVIRONMENT, **pipes)
        self._setting = setting

    def _last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-_LAST_WORDS:].strip()

    def stop(self) -> None:
        """Ends the process, whatever it does."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()
        self._process = None
