"""Runs one measurement in its own process, and returns its output and its cost."""

import os
import subprocess
import sys
import tempfile
import time

# Without TensorFlow's log messages.
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


def command(module: str, *arguments, python: str | os.PathLike = sys.executable) -> list[str]:
    """`python -m module arguments...`."""
    return [str(python), "-m", module, *map(str, arguments)]


def timed(
    module: str, *arguments, python: str | os.PathLike = sys.executable, may_fail: bool = False
) -> tuple[str, dict[str, float]]:
    """Standard output of `python -m module`, its seconds, CPU seconds and peak memory; an error ends the run.

    With worker processes, the peak is that of the largest process.
    """
    words = command(module, *arguments, python=python)
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(words, stdout=output, stderr=errors, env=ENVIRONMENT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        # Tells Popen that its child has ended.
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0), errors.seek(0)
        if process.returncode and not may_fail:
            sys.exit(f"{' '.join(words)} failed:\n{errors.read()}")
        measured = {
            "seconds": seconds,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_megabytes": usage.ru_maxrss / 1024,
        }
        return output.read(), measured
