"""Checks of `train_config` and `eval_config`: batch, steps, learning rate, metrics."""

import re
from collections.abc import Sequence

from odtk.detectors import families
from odtk.evaluation.metrics_sets import EVALUATORS, refusal
from odtk.tools.check_config.config_checks import ConfigChecks, setting

# From the configs in the README (0.04 for a batch size of 64, with momentum): at four times as much, training tends to
# diverge. Adam's steps do not scale with the gradient, so its limit does not depend on the batch size.
_USUAL_RATE_PER_IMAGE = 0.04 / 64
_SUSPICIOUS = 4
_ADAM_LIMIT = 0.01
_FALLS_AT_ONCE = 0.1  # RMSProp's decay, by which the rate is half of what it was after ten steps


def check_training(checks: ConfigChecks) -> None:
    """Reports on batch size, steps, optimizer and learning rate."""
    train = checks.config.train_config
    if train.batch_size < 1:
        checks.error("train_config.batch_size", "is 0; a batch has at least one image.", ("--batch-size", 8))
    if train.num_steps < 1:
        checks.error("train_config.num_steps", "is 0, so training would never end.", ("--num-steps", 25000))
    _check_frozen(checks, train.freeze_variables)
    _check_square_crops(checks)
    kind = train.optimizer.WhichOneof("optimizer")
    if kind is None:
        fix = setting("train_config.optimizer.momentum_optimizer.learning_rate.constant_learning_rate", "{}")
        checks.error("train_config.optimizer", "is empty: nothing would be learned.", fix)
        return
    if kind == "rms_prop_optimizer":
        _check_rms_decay(checks, train.optimizer.rms_prop_optimizer.decay)
    rates, path = getattr(train.optimizer, kind).learning_rate, f"train_config.optimizer.{kind}.learning_rate"
    schedule = rates.WhichOneof("learning_rate")
    if schedule is None:
        text = "is empty: without a rate nothing would be learned."
        checks.error(path, text, setting(f"{path}.constant_learning_rate", "{}"))
        return
    field = f"{path}.{schedule}"
    _SCHEDULE_CHECKS[schedule](checks, field, getattr(rates, schedule), train.num_steps)
    _check_rate(checks, kind, field, getattr(rates, schedule))


def _check_rms_decay(checks: ConfigChecks, decay: float) -> None:
    """A decay that is meant for the running mean, as configs of TFOD 1 have it, and as the schema's default is."""
    if decay >= _FALLS_AT_ONCE:
        field = "train_config.optimizer.rms_prop_optimizer.decay"
        text = (
            f"is {decay:g}, by which the rate falls at once: as in TFOD 2 it is divided by 1 + {decay:g} * step, so at "
            f"step 100 1/{1 + 100 * decay:.0f} of it is left. (In TFOD 1 it was the running mean's.) 0 leaves the "
            "schedule as it is."
        )
        checks.warning(field, text, setting(field, 0))


def _check_frozen(checks: ConfigChecks, patterns: Sequence[str]) -> None:
    field = "train_config.freeze_variables"
    for index, pattern in enumerate(patterns):
        try:
            re.compile(pattern)
        except re.error as error:
            text = f"is '{pattern}', which is no regular expression: {error}."
            checks.error(f"{field}[{index}]", text, setting(f"{field}[{index}]", ""))
    if patterns:
        text = "is heeded: variables whose checkpoint key it matches are not trained. TFOD 2 ignores it and trains all."
        checks.note(field, text)


def _check_square_crops(checks: ConfigChecks) -> None:
    """Squares that are smaller than what images are resized to afterwards: what was lost does not come back."""
    config, family = checks.config, families.find(checks.config)
    side = max(family.fixed_sides(config.model).values(), default=0) if family else 0
    for index, option in enumerate(config.train_config.data_augmentation_options):
        square = option.random_scale_crop_and_pad_to_square.output_size
        if option.HasField("random_scale_crop_and_pad_to_square") and 0 < square < side:
            field = f"train_config.data_augmentation_options[{index}].random_scale_crop_and_pad_to_square.output_size"
            text = f"is {square}, and its squares are then enlarged to the model's {side} pixels, so detail is lost."
            checks.warning(field, text, setting(field, side))


def check_eval(checks: ConfigChecks) -> None:
    """Reports on the metrics, and on moving averages that training does not keep."""
    config = checks.config
    _check_metrics_sets(checks, config.eval_config.metrics_set)
    if config.eval_config.batch_size < 1:
        field = "eval_config.batch_size"
        checks.error(field, "is 0; a batch has at least one image.", setting(field, 1))
    if config.eval_config.use_moving_averages and not config.train_config.optimizer.use_moving_average:
        field = "eval_config.use_moving_averages"
        text = "is true, but train_config.optimizer.use_moving_average is not: there are no averages to evaluate."
        checks.warning(field, text, setting(field, "false"))


def _check_metrics_sets(checks: ConfigChecks, names) -> None:
    usual = next(iter(EVALUATORS))
    for index, name in enumerate(names):
        if text := refusal(name):
            field = f"eval_config.metrics_set[{index}]"
            checks.error(field, text, setting(field, "" if usual in names else usual))


def _check_constant(checks: ConfigChecks, path: str, schedule, num_steps: int) -> None:
    """A constant rate has no steps to check."""


def _check_cosine(checks: ConfigChecks, path: str, schedule, num_steps: int) -> None:
    total, warmup, hold = schedule.total_steps, schedule.warmup_steps, schedule.hold_base_rate_steps
    base, first = schedule.learning_rate_base, schedule.warmup_learning_rate
    if total < warmup:
        text = f"is {warmup}, more than total_steps {total}."
        checks.error(f"{path}.warmup_steps", text, setting(f"{path}.warmup_steps", total // 10))
    elif hold and total < warmup + hold:
        text = f"is {hold}; with warmup_steps {warmup} that is more than total_steps {total}: the rate never decays."
        checks.warning(f"{path}.hold_base_rate_steps", text, setting(f"{path}.hold_base_rate_steps", 0))
    if warmup and first > base:
        text = f"is {first:g}, above learning_rate_base {base:g}; the rate increases during the warm-up."
        checks.error(f"{path}.warmup_learning_rate", text, setting(f"{path}.warmup_learning_rate", f"{base / 3:g}"))
    if num_steps and total != num_steps:
        what = "the rate is 0 from then on" if total < num_steps else "training ends before the rate has come down"
        text = f"is {total}, and train_config.num_steps is {num_steps}: {what}."
        checks.warning(f"{path}.total_steps", text, ("--num-steps", num_steps))


def _check_exponential(checks: ConfigChecks, path: str, schedule, num_steps: int) -> None:
    if schedule.decay_steps < 1:
        field = f"{path}.decay_steps"
        checks.error(field, "is 0; the rate decays once in so many steps.", setting(field, max(num_steps // 10, 1)))
    if schedule.decay_factor <= 0:
        field = f"{path}.decay_factor"
        checks.error(field, f"is {schedule.decay_factor:g}, not above 0.", setting(field, 0.95))
    if num_steps and schedule.burnin_steps >= num_steps:
        field = f"{path}.burnin_steps"
        text = f"is {schedule.burnin_steps}, and train_config.num_steps is {num_steps}: training is all burn-in."
        checks.warning(field, text, setting(field, num_steps // 10))


def _check_manual(checks: ConfigChecks, path: str, schedule, num_steps: int) -> None:
    steps = [part.step for part in schedule.schedule]
    for index, (before, step) in enumerate(zip([0, *steps], steps, strict=False)):
        field = f"{path}.schedule[{index}].step"
        if step <= before:
            text = f"is {step}, not above the {before} before it; a schedule's steps must increase."
            checks.error(field, text, setting(f"{path}.schedule[{index}]", ""))
        elif num_steps and step >= num_steps:
            checks.note(field, f"is {step}: never reached, as train_config.num_steps is {num_steps}.")


_SCHEDULE_CHECKS = {
    "constant_learning_rate": _check_constant,
    "cosine_decay_learning_rate": _check_cosine,
    "exponential_decay_learning_rate": _check_exponential,
    "manual_step_learning_rate": _check_manual,
}
_BASE_RATES = {
    "constant_learning_rate": "learning_rate",
    "cosine_decay_learning_rate": "learning_rate_base",
    "exponential_decay_learning_rate": "initial_learning_rate",
    "manual_step_learning_rate": "initial_learning_rate",
}


def base_rate_field(schedule: str) -> str:
    """The name of a schedule's main learning rate."""
    return _BASE_RATES[schedule]


def _check_rate(checks: ConfigChecks, optimizer: str, path: str, schedule) -> None:
    name = base_rate_field(path.rpartition(".")[2])
    batch_size, field = checks.config.train_config.batch_size, f"{path}.{name}"
    rates = [getattr(schedule, name)] + [part.learning_rate for part in getattr(schedule, "schedule", [])]
    rate, usual = max(rates), _USUAL_RATE_PER_IMAGE * batch_size
    if getattr(schedule, name) < 0 or rate <= 0:
        text = f"is {getattr(schedule, name):g}: nothing would be learned."
        checks.error(field, text, setting(field, f"{usual:.2g}"))
    elif optimizer == "adam_optimizer" and rate > _ADAM_LIMIT:
        text = f"is {rate:g}, which is high for Adam: training may diverge."
        checks.warning(field, text, ("--learning-rate", 0.001))
    elif optimizer == "momentum_optimizer" and batch_size and rate > _SUSPICIOUS * usual * 1.0001:
        text = (
            f"is {rate:g}, which is high for a batch of {batch_size}: training may diverge. The usual rate, "
            f"0.04 for a batch of 64, comes to {usual:.2g}."
        )
        checks.warning(field, text, ("--learning-rate", f"{usual:.2g}"))
