"""Clocks for a machine that does other things too: what is compared takes turns, and ratios are taken turn by turn."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Times:
    """Seconds of every turn: on the wall, and of all cores of this process."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def add(self, work: Callable[[], object]) -> object:
        """Times one call of `work` and returns its result."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        return result

    @property
    def seconds(self) -> float:
        """The median on the wall."""
        return statistics.median(self.wall)

    @property
    def cpu_seconds(self) -> float:
        """The median of all cores together."""
        return statistics.median(self.cpu)


def take_turns(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Times every work `rounds` times, in turn (A B A B ...), after one call each that does not count."""
    for work in works.values():
        work()
    times = {name: Times() for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].add(work)
    return times


def ratio(times: Times, base: Times) -> dict[str, float]:
    """Medians of the ratios to the base's neighbouring turn, on the wall and in CPU time."""

    def median(ours: list[float], theirs: list[float]) -> float:
        return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))

    return {"ratio": median(times.wall, base.wall), "cpu_ratio": median(times.cpu, base.cpu)}
