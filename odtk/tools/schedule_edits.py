"""Assignments that keep batch size, steps and learning rates consistent, for every schedule of the schema.

Each function takes a config and returns pairs of a dotted path and a value's text for `pipeline.set_fields`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from odtk import pipeline

Assignments = list[tuple[str, str]]


@dataclass(frozen=True)
class _Fields:
    """The fields of a schedule: its base rate, its other rates, its lengths and its end in steps."""

    base_rate: str
    rates: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    end: str | None = None


_SCHEDULES = {
    "constant_learning_rate": _Fields("learning_rate"),
    "cosine_decay_learning_rate": _Fields(
        "learning_rate_base", ("warmup_learning_rate",), ("warmup_steps", "hold_base_rate_steps"), "total_steps"
    ),
    "exponential_decay_learning_rate": _Fields(
        "initial_learning_rate", ("burnin_learning_rate", "min_learning_rate"), ("decay_steps", "burnin_steps")
    ),
    "manual_step_learning_rate": _Fields("initial_learning_rate"),
}


def base_rate(config) -> tuple[str, float] | None:
    """The dotted path and the value of the schedule's main learning rate; None if there is no schedule."""
    path, schedule = _schedule(config)
    if schedule is None:
        return None
    name = _SCHEDULES[path.rpartition(".")[2]].base_rate
    return f"{path}.{name}", getattr(schedule, name)


def scale_rates(config, factor: float) -> Assignments:
    """Every rate of the schedule, the main one first, times `factor`."""
    path, schedule = _schedule(config)
    if schedule is None:
        return []
    fields = _SCHEDULES[path.rpartition(".")[2]]
    rates = {f"{path}.{name}": getattr(schedule, name) for name in (fields.base_rate, *fields.rates)}
    if not getattr(schedule, "warmup_steps", 1) and not schedule.HasField("warmup_learning_rate"):
        del rates[f"{path}.warmup_learning_rate"]
    for index, part in enumerate(getattr(schedule, "schedule", [])):
        rates[f"{path}.schedule[{index}].learning_rate"] = part.learning_rate
    # A rate of 0 means unset: no separate burn-in rate, no minimum.
    return [(field, f"{rate * factor:.7g}") for field, rate in rates.items() if rate]


def set_batch_size(config, batch_size: int, scale: bool = True) -> Assignments:
    """Sets `train_config.batch_size` and, if `scale`, every rate in proportion (Goyal et al., 2017)."""
    old = config.train_config.batch_size
    rates = scale_rates(config, batch_size / old) if scale and old and old != batch_size else []
    return [("train_config.batch_size", str(batch_size)), *rates]


def set_base_rate(config, rate: float) -> Assignments:
    """Sets the base rate to `rate` and changes the others in proportion."""
    found = base_rate(config)
    if found is None:
        return []
    path, old = found
    others = [pair for pair in scale_rates(config, rate / old) if pair[0] != path] if old else []
    return [(path, f"{rate:.7g}"), *others]


def set_num_steps(config, num_steps: int) -> Assignments:
    """Sets `train_config.num_steps` and stretches the schedule to end there; its parts keep their fractions."""
    assignments = [("train_config.num_steps", str(num_steps))]
    path, schedule = _schedule(config)
    if schedule is None:
        return assignments
    fields = _SCHEDULES[path.rpartition(".")[2]]
    old = getattr(schedule, fields.end) if fields.end else config.train_config.num_steps
    if fields.end:
        assignments.append((f"{path}.{fields.end}", str(num_steps)))
    if not old:
        return assignments

    def stretch(steps: int) -> int:
        return round(steps * num_steps / old)

    for name in fields.steps:
        if getattr(schedule, name):
            least = 1 if name == "decay_steps" else 0
            assignments.append((f"{path}.{name}", str(max(stretch(getattr(schedule, name)), least))))
    return assignments + _stretch_boundaries(path, getattr(schedule, "schedule", []), stretch)


def describe(config, assignments: Assignments) -> str:
    """Numbers with their old and new values, except those that change nothing: "learning_rate_base 0.04 -> 0.02"."""
    parts = []
    for path, value in assignments:
        name = path.rpartition("_learning_rate.")[2]
        old = _plain(pipeline.get_field(config, path))
        if old != value:
            parts.append(f"{name} {old} -> {value}")
    return ", ".join(parts)


@dataclass(frozen=True)
class Overrun:
    """The learning rate beyond a schedule's end; only a note if it does not drop to 0."""

    is_idle: bool
    text: str


def overrun(config, num_steps: int) -> Overrun | None:
    """What the learning rate does in training to `num_steps`, None if its schedule is long enough."""
    path, schedule = _schedule(config)
    name = path.rpartition(".")[2]
    if name == "cosine_decay_learning_rate" and schedule.total_steps < num_steps:
        end = schedule.total_steps
        text = f"is 0 from step {end} on ({name}.total_steps), so nothing is learned in steps {end} to {num_steps}"
        return Overrun(True, text)
    planned = config.train_config.num_steps
    if not 0 < planned < num_steps:
        return None
    if name == "exponential_decay_learning_rate":
        return Overrun(False, f"continues to fall by {name} beyond the {planned} steps of train_config.num_steps")
    if name == "manual_step_learning_rate" and schedule.schedule:
        last = schedule.schedule[-1]
        text = f"stays at the last rate of {name}, {last.learning_rate:g}, from step {last.step} on"
        return Overrun(not last.learning_rate, text)
    return None


def end_field(config) -> str | None:
    """The dotted path of the step at which the schedule ends, None if it has none."""
    path, _ = _schedule(config)
    end = _SCHEDULES[path.rpartition(".")[2]].end if path else None
    return f"{path}.{end}" if end else None


def _stretch_boundaries(path: str, parts, stretch: Callable[[int], int]) -> Assignments:
    assignments, last = [], 0
    for index, part in enumerate(parts):
        last = max(stretch(part.step), last + 1)  # steps must increase
        assignments.append((f"{path}.schedule[{index}].step", str(last)))
    return assignments


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.7g}"


def _schedule(config):
    """The path and the message of the schedule that is set."""
    optimizer = config.train_config.optimizer
    kind = optimizer.WhichOneof("optimizer")
    rates = getattr(optimizer, kind).learning_rate if kind else None
    name = rates.WhichOneof("learning_rate") if rates else None
    if not name:
        return "", None
    return f"train_config.optimizer.{kind}.learning_rate.{name}", getattr(rates, name)
