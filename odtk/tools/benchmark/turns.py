"""Models take turns, so that a machine that slows down or is shared treats all of them alike."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from odtk.tools.benchmark.plan import Case, Plan
from odtk.tools.benchmark.processes import Asked


@dataclass
class Measured:
    """The turns of one model in one case; seconds by round, and in each by run."""

    case: Case
    first_seconds: float
    """Of the first run, in which a model may compile or allocate."""
    running: list[list[float]] = field(default_factory=list)
    placing: list[list[float]] = field(default_factory=list)
    peak_bytes: int = 0
    gpu_peak_bytes: int | None = None

    def add(self, answer: dict) -> None:
        """The answer to a turn."""
        self.running.append(answer["running"])
        self.placing.append(answer["placing"])


def count_turns(plan: Plan, models: int) -> int:
    """How often `take_turns` calls `advance`."""
    return models * len(plan.cases) * (plan.rounds + 1)


def take_turns(
    workers: Sequence[Asked],
    plan: Plan,
    files_of: Callable[[Case], Sequence[str | os.PathLike]],
    advance: Callable[[], None] = lambda: None,
) -> list[list[Measured]]:
    """The measurements of each model in each case. `files_of`: the images of a case, as files of NumPy.

    Models take turns within a case, in the other order in each second round: the one that comes first may find a cooler
    machine. A turn that follows another model's begins with a run that does not count, as the caches are the other's.
    """
    measured: list[list[Measured]] = [[] for _ in workers]
    for case in plan.cases:
        for worker, own in zip(workers, measured, strict=True):
            files = [os.fspath(path) for path in files_of(case)]
            answer = worker.ask("begin", images=files, batch_size=case.batch_size, warm_up=plan.warm_up)
            own.append(Measured(case, answer["first_seconds"]))
            advance()
        pairs = list(zip(workers, measured, strict=True))
        for number in range(plan.rounds):
            for worker, own in pairs if number % 2 == 0 else reversed(pairs):
                own[-1].add(worker.ask("turn", runs=plan.runs, seconds=plan.seconds, uncounted=int(len(workers) > 1)))
                advance()
        for worker, own in pairs:
            memory = worker.ask("memory")
            own[-1].peak_bytes, own[-1].gpu_peak_bytes = memory["peak_bytes"], memory["gpu_peak_bytes"]
    return measured
