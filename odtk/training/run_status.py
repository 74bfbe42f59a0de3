"""The figures of a run at one moment, in words: for the panel and for plain lines."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from odtk.progress import as_clock, as_number
from odtk.progress_file import ProgressReport


@dataclass
class RunStatus:
    """What is known so far; None where something is not known (yet)."""

    name: str
    num_steps: int
    step: int
    epoch: float | None = None
    num_epochs: float | None = None
    steps_per_second: float | None = None
    images_per_second: float | None = None
    waiting: float | None = None
    """Share of the steps' time in which they wait for data."""
    losses: dict[str, float] = field(default_factory=dict)
    """By short name, the total first."""
    learning_rate: float | None = None
    gradient_norm: float | None = None
    process_bytes: int | None = None
    device_bytes: int | None = None
    elapsed: float = 0.0
    """Seconds."""
    eta: float | None = None
    """Seconds, evaluations and checkpoints included."""
    metric: str | None = None
    """Short name of the best metric."""
    last: tuple[int, float] | None = None
    """Step and value."""
    best: tuple[int, float] | None = None
    activity: str = ""
    """What is going on now."""

    def heading(self) -> list[str]:
        """Step and epoch of how many."""
        parts = [f"step {self.step:,}/{self.num_steps:,}"]
        if self.epoch is not None:
            parts.append(f"epoch {_short(self.epoch)}/{_short(self.num_epochs or 0)}")
        return [*parts, f"{self.step / self.num_steps:.0%}"]

    def rows(self) -> Iterator[tuple[str, list[str]]]:
        """The panel's lines below the heading: a label and parts, the most important first."""
        yield "speed", self._speed() or ["not yet measured"]
        loss, *parts = self._losses() or ["-"]
        yield "loss", [loss.removeprefix("loss "), *parts]
        yield "rate", list(self._rate_and_norm("", "gradient norm ")) or ["-"]
        yield "memory", [f"{what} {size}" for what, size in self._memory().items()]
        if self.metric:
            best, last = (f"{value:.3f} at {step:,}" if step >= 0 else "-" for step, value in self._measured())
            yield self.metric, [f"best {best}", f"last {last}"]
        eta = "" if self.eta is None else f"ETA {as_clock(self.eta)}"
        yield "time", [part for part in (eta, f"{as_clock(self.elapsed)} so far") if part]
        yield "now", [self.activity]

    def line(self) -> str:
        """The same figures on one plain line."""
        epoch = [f"epoch {_short(self.epoch)}/{_short(self.num_epochs or 0)}"] if self.epoch is not None else []
        left = self._time_left()
        eta = [] if left is None else [f"ETA {as_clock(left)}"]
        memory = [f"{what} {size}" for what, size in self._memory().items()]
        parts = [f"Training {self.step}/{self.num_steps} steps", *self._now(), *epoch, *self._speed(), *eta,
                 *self._losses(), *self._rate_and_norm("lr ", "norm "), *memory, *self._best()]  # fmt: skip
        return ", ".join(parts)

    def report(self) -> ProgressReport:
        """The same for the queue whose job the run is, with less in it."""
        note = ", ".join([*self._now(), *self._losses()[:1], *self._best()])
        return ProgressReport(
            "Training", self.step, self.num_steps, "steps", self.steps_per_second, self._time_left(), note
        )

    def _time_left(self) -> float | None:
        return self.eta if self.step < self.num_steps else None

    def _now(self) -> list[str]:
        return [self.activity] if self.activity and self.activity != TRAINING else []

    def _losses(self) -> list[str]:
        return [f"{name} {value:.3g}" for name, value in self.losses.items()]

    def _best(self) -> list[str]:
        return [f"best {self.metric} {self.best[1]:.3f} at step {self.best[0]:,}"] if self.best and self.metric else []

    def _speed(self) -> list[str]:
        if self.steps_per_second is None or self.images_per_second is None:
            return []
        waiting = [] if self.waiting is None else [f"{self.waiting:.0%} waiting for data"]
        return [f"{as_number(self.steps_per_second)} steps/s", f"{as_number(self.images_per_second)} images/s",
                *waiting]  # fmt: skip

    def _rate_and_norm(self, rate: str, norm: str) -> Iterator[str]:
        if self.learning_rate is not None:
            yield f"{rate}{self.learning_rate:.3g}"
        if self.gradient_norm is not None:
            yield f"{norm}{self.gradient_norm:.3g}"

    def _memory(self) -> dict[str, str]:
        sizes = {"process": self.process_bytes, "device": self.device_bytes}
        return {what: f"{size / 2**30:.1f} GiB" for what, size in sizes.items() if size is not None}

    def _measured(self) -> list[tuple[int, float]]:
        return [pair or (-1, 0.0) for pair in (self.best, self.last)]


TRAINING = "training"
"""The activity that a plain line need not mention."""


def _short(epochs: float) -> str:
    return f"{epochs:,.0f}" if epochs >= 100 else f"{epochs:.3g}"
