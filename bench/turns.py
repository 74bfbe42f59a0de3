"""Timing on a busy machine: measurements are interleaved, and ratios are computed turn by turn.

The works to compare may run in several processes with different Pythons: each prepares its works and waits for its
turn. Both odtk's Python and TFOD's run this module, so it imports neither.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from bench.process import ENVIRONMENT, command

# The function of a turn; its preparation is not timed.
Work = Callable[[], Callable[[], object]]


@dataclass
class Times:
    """Seconds of every turn: wall time, and CPU time of all cores of the process."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median wall time."""
        return statistics.median(self.wall)

    @property
    def cpu_seconds(self) -> float:
        """The median CPU time of all cores."""
        return statistics.median(self.cpu)


def ratio(times: Times, base: Times) -> float:
    """The median ratio to the base's turn in the same round, in wall time."""
    return statistics.median(a / b for a, b in zip(times.wall, base.wall, strict=True))


def serve(build: Callable[[], dict[str, Work]]) -> None:
    """The main loop of a worker: builds its works, prints their names, and runs the work named in each input line."""
    with contextlib.redirect_stdout(sys.stderr):  # output of libraries must not mix with the answers
        works = build()
        _answer(list(works))
        for line in sys.stdin:
            run = works[line.strip()]()
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            _answer([time.perf_counter() - wall, time.process_time() - cpu])


def _answer(value: list) -> None:
    print(json.dumps(value), file=sys.__stdout__, flush=True)


class Worker:
    """A worker process; made by `start`."""

    def __init__(self, process: subprocess.Popen, errors: IO[str]):
        self._process, self._errors = process, errors
        self.works: list[str] = self._read()

    def run(self, work: str) -> tuple[float, float]:
        """Seconds of one turn, wall time and CPU time of all cores."""
        self._process.stdin.write(f"{work}\n")
        self._process.stdin.flush()
        return tuple(self._read())

    def _read(self) -> list:
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            sys.exit(f"{' '.join(self._process.args)} failed:\n{self._errors.read()}")
        return json.loads(answer)


@contextlib.contextmanager
def start(module: str, *arguments, python: str | os.PathLike = sys.executable) -> Iterator[Worker]:
    """Runs `python -m module arguments...` while the context lasts. An error in it ends the run with its output."""
    words = command(module, *arguments, python=python)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(words, stderr=errors, env=ENVIRONMENT, **pipes) as process,
    ):
        yield Worker(process, errors)


def take_turns(workers: dict[str, Worker], rounds: int) -> dict[str, dict[str, Times]]:
    """Times every work of every worker `rounds` times, interleaved (A B B A ...), after one warm-up of each.

    Every other round is backwards, so that no work has always the same one before it.
    """
    times = {name: {work: Times() for work in worker.works} for name, worker in workers.items()}
    # By work first, so that works to compare across processes run close together.
    works = dict.fromkeys(work for worker in workers.values() for work in worker.works)
    turns = [(name, work) for work in works for name, worker in workers.items() if work in worker.works]
    for name, work in turns:
        workers[name].run(work)
    for index in range(rounds):
        for name, work in turns if index % 2 else reversed(turns):
            wall, cpu = workers[name].run(work)
            times[name][work].wall.append(wall)
            times[name][work].cpu.append(cpu)
    return times
