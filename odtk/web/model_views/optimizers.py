"""Which optimizer and which schedule of the learning rate: choices of a form, as they are no fields of the config.

Another one takes over what the one before has as well: the rates, the warm-up, the momentum.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from odtk.errors import ConfigError
from odtk.protos import optimizer_pb2 as protos

OPTIMIZER = "train_config.optimizer"
_SCHEDULE = re.compile(rf"{re.escape(OPTIMIZER)}\.\w+\.learning_rate")
_ENTRIES = re.compile(rf"{_SCHEDULE.pattern}\.manual_step_learning_rate\.schedule")
_ENTRY = re.compile(r"([0-9]+)\s*:\s*([0-9.eE+-]+)")
_TAKEN_OVER = ("learning_rate", "momentum_optimizer_value")
_BELOW = re.compile(rf"{re.escape(OPTIMIZER)}\.\w+\.(.+)")

# What fields of different schedules have in common, as `Rates` has it.
_ROLES = {
    "learning_rate.constant_learning_rate.learning_rate": "base rate",
    "learning_rate.cosine_decay_learning_rate.learning_rate_base": "base rate",
    "learning_rate.cosine_decay_learning_rate.warmup_learning_rate": "first rate",
    "learning_rate.cosine_decay_learning_rate.warmup_steps": "warm-up steps",
    "learning_rate.exponential_decay_learning_rate.initial_learning_rate": "base rate",
    "learning_rate.exponential_decay_learning_rate.burnin_learning_rate": "first rate",
    "learning_rate.exponential_decay_learning_rate.burnin_steps": "warm-up steps",
}

# Where the rate falls, in parts of the training, and to which part: the "1x" schedule of Detectron.
_FALLS = ((2 / 3, 0.1), (8 / 9, 0.01))
# An exponential schedule falls in ten steps to a hundredth.
_FALLING_STEPS, _FACTOR = 10, 0.63


@dataclass(frozen=True)
class Rates:
    """What schedules have in common."""

    base: float
    """The highest rate."""
    warmup_steps: int
    first: float
    """The rate at step 0."""
    num_steps: int
    """Of the training."""


def is_choice(path: str) -> bool:
    """Whether a path is one of these choices instead of a field."""
    return path == OPTIMIZER or _SCHEDULE.fullmatch(path) is not None


def is_entries(path: str) -> bool:
    """Whether a path is the list of rates by step."""
    return _ENTRIES.fullmatch(path) is not None


def role(path: str) -> str:
    """What a field means whichever optimizer and schedule it belongs to; empty for fields of others."""
    below = _BELOW.fullmatch(path)
    return _ROLES.get(below[1], below[1]) if below else ""


def members(message: Message) -> list[str]:
    """The fields among which one is chosen."""
    return [field.name for field in message.DESCRIPTOR.oneofs[0].fields]


def short(name: str) -> str:
    """`cosine_decay`, of `cosine_decay_learning_rate`."""
    return re.sub("_(optimizer|learning_rate)$", "", name)


def entries_text(entries: Sequence[protos.ManualStepLearningRate.LearningRateSchedule]) -> str:
    """Rates by step as they stand in the form: `400: 0.002, 533: 0.0002`."""
    return ", ".join(f"{each.step}: {each.learning_rate:.7g}" for each in entries)


def assignments(config, path: str, value: str) -> list[tuple[str, str]]:
    """What `pipeline.set_fields` sets for a choice, or for rates by step. Raises ConfigError for what is none."""
    optimizer = config.train_config.optimizer
    if is_entries(path):
        return [(path, _entries_value(path, value))]
    if path == OPTIMIZER:
        name = _member(path, optimizer, value)
        return [] if optimizer.WhichOneof("optimizer") == name else [(f"{path}.{name}", _optimizer(config, name))]
    rates = getattr(optimizer, path.split(".")[2]).learning_rate
    name = _member(path, rates, value)
    if rates.WhichOneof("learning_rate") == name:
        return []
    return [(f"{path}.{name}", _as_text(_SCHEDULES[name](rates_of(config))))]


def rates_of(config) -> Rates:
    """The rates of the schedule that is set; the schema's own if there is none."""
    num_steps, optimizer = config.train_config.num_steps, config.train_config.optimizer
    kind = optimizer.WhichOneof("optimizer")
    found = getattr(optimizer, kind).learning_rate if kind else protos.LearningRate()
    name = found.WhichOneof("learning_rate") or "constant_learning_rate"
    return _READ[name](getattr(found, name), num_steps)


def _member(path: str, message: Message, value: str) -> str:
    names = {short(name): name for name in members(message)}
    if value not in names:
        raise ConfigError(f"{path}: {value!r} is none of {', '.join(names)}.")
    return names[value]


def _optimizer(config, name: str) -> str:
    optimizer = config.train_config.optimizer
    old = optimizer.WhichOneof("optimizer")
    new = getattr(protos.Optimizer(), name)
    for field in new.DESCRIPTOR.fields if old else ():
        before: FieldDescriptor | None = getattr(optimizer, old).DESCRIPTOR.fields_by_name.get(field.name)
        if field.name not in _TAKEN_OVER or before is None or not getattr(optimizer, old).HasField(field.name):
            continue
        value = getattr(getattr(optimizer, old), field.name)
        if isinstance(value, Message):
            getattr(new, field.name).CopyFrom(value)
        else:
            setattr(new, field.name, value)
    if isinstance(new, protos.RMSPropOptimizer):
        new.decay = 0  # the default, which makes the rate fall at once, is none that one chooses
    if not new.learning_rate.WhichOneof("learning_rate"):
        new.learning_rate.constant_learning_rate.CopyFrom(_constant(rates_of(config)))
    return _as_text(new)


def _entries_value(path: str, typed: str) -> str:
    parts = [part.strip() for part in typed.split(",") if part.strip()]
    found = [_ENTRY.fullmatch(part) for part in parts]
    for part, match in zip(parts, found, strict=True):
        if match is None or not _is_number(match[2]):
            raise ConfigError(f"{path}: {part!r} is no step and rate. Type them as 400: 0.002, 533: 0.0002.")
    return "[" + ", ".join(f"{{step: {int(match[1])} learning_rate: {match[2]}}}" for match in found if match) + "]"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _as_text(message: Message) -> str:
    return f"{{{text_format.MessageToString(message, as_one_line=True)}}}"


def _constant(rates: Rates) -> protos.ConstantLearningRate:
    return protos.ConstantLearningRate(learning_rate=rates.base)


def _cosine(rates: Rates) -> protos.CosineDecayLearningRate:
    made = protos.CosineDecayLearningRate(
        learning_rate_base=rates.base, total_steps=rates.num_steps, warmup_steps=rates.warmup_steps
    )
    if rates.warmup_steps:
        made.warmup_learning_rate = rates.first
    return made


def _exponential(rates: Rates) -> protos.ExponentialDecayLearningRate:
    made = protos.ExponentialDecayLearningRate(
        initial_learning_rate=rates.base, decay_steps=max(rates.num_steps // _FALLING_STEPS, 1), decay_factor=_FACTOR
    )
    if rates.warmup_steps:
        # 0 would mean no burn-in.
        made.burnin_learning_rate, made.burnin_steps = rates.first or rates.base / 10, rates.warmup_steps
    return made


def _manual(rates: Rates) -> protos.ManualStepLearningRate:
    falls = {round(rates.num_steps * part): rates.base * factor for part, factor in _FALLS}
    warm = {rates.warmup_steps: rates.base} if rates.warmup_steps else {}
    made = protos.ManualStepLearningRate(initial_learning_rate=rates.first if warm else rates.base)
    for step, rate in (warm | falls).items():
        # Not those that a long warm-up or a short training leave no place for.
        if step > (made.schedule[-1].step if made.schedule else 0):
            made.schedule.add(step=step, learning_rate=float(f"{rate:.7g}"))
    if warm:
        made.warmup = True
    return made


_SCHEDULES: dict[str, Callable[[Rates], Message]] = {
    "constant_learning_rate": _constant,
    "cosine_decay_learning_rate": _cosine,
    "exponential_decay_learning_rate": _exponential,
    "manual_step_learning_rate": _manual,
}


def _read_constant(schedule: protos.ConstantLearningRate, num_steps: int) -> Rates:
    return Rates(schedule.learning_rate, 0, schedule.learning_rate, num_steps)


def _read_cosine(schedule: protos.CosineDecayLearningRate, num_steps: int) -> Rates:
    return Rates(schedule.learning_rate_base, schedule.warmup_steps, schedule.warmup_learning_rate, num_steps)


def _read_exponential(schedule: protos.ExponentialDecayLearningRate, num_steps: int) -> Rates:
    base = schedule.initial_learning_rate
    return Rates(base, schedule.burnin_steps, schedule.burnin_learning_rate or base, num_steps)


def _read_manual(schedule: protos.ManualStepLearningRate, num_steps: int) -> Rates:
    first, entries = schedule.initial_learning_rate, schedule.schedule
    if schedule.warmup and entries:
        return Rates(entries[0].learning_rate, entries[0].step, first, num_steps)
    return Rates(first, 0, first, num_steps)


_READ: dict[str, Callable[..., Rates]] = {
    "constant_learning_rate": _read_constant,
    "cosine_decay_learning_rate": _read_cosine,
    "exponential_decay_learning_rate": _read_exponential,
    "manual_step_learning_rate": _read_manual,
}
