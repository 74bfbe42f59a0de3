"""Builds a config's optimizer as a tf_keras one, with TFOD's learning rate schedules.

It uses the legacy tf_keras optimizers: their slots are saved next to the variables, as in TFOD's own checkpoints, and
only they have RMSprop's time decay.
"""

import math

import tensorflow as tf
import tf_keras
from official.modeling.optimization import ExponentialMovingAverage

from odtk.detectors.detector import Detector
from odtk.errors import ConfigError
from odtk.protos import optimizer_pb2


def build_optimizer(message: optimizer_pb2.Optimizer) -> tf_keras.optimizers.legacy.Optimizer:
    """The optimizer, wrapped in official's ExponentialMovingAverage if `use_moving_average`."""
    kind = message.WhichOneof("optimizer")
    if kind is None:
        raise ConfigError("train_config.optimizer is empty; set one, such as momentum_optimizer { ... }.")
    options = getattr(message, kind)
    schedule = build_learning_rate(options.learning_rate)
    legacy = tf_keras.optimizers.legacy
    if kind == "momentum_optimizer":
        optimizer = legacy.SGD(schedule, momentum=options.momentum_optimizer_value)
    elif kind == "rms_prop_optimizer":
        # TFOD passes `decay` to Keras, which decays the learning rate over time; it is not the average's (rho).
        optimizer = legacy.RMSprop(
            schedule, decay=options.decay, momentum=options.momentum_optimizer_value, epsilon=options.epsilon
        )
    else:
        optimizer = legacy.Adam(schedule, epsilon=options.epsilon)
    if message.use_moving_average:
        optimizer = MovingAverages(optimizer, average_decay=message.moving_average_decay, dynamic_decay=True)
    return optimizer


class MovingAverages(ExponentialMovingAverage):
    """Official's averages of the weights, for gradients that are summed over the replicas already, too."""

    def apply_gradients(self, grads_and_vars, name: str | None = None, experimental_aggregate_gradients: bool = True):
        """See tf_keras's optimizers."""
        result = self._optimizer.apply_gradients(grads_and_vars, name, experimental_aggregate_gradients)
        tf.__internal__.distribute.interim.maybe_merge_call(self.update_average, tf.distribute.get_strategy())
        return result


def unwrap(optimizer) -> list:
    """The optimizer and those it wraps, down to the one that makes the updates (official's averages wrap another)."""
    chain = [optimizer]
    while (inner := getattr(chain[-1], "_optimizer", None)) is not None:
        chain.append(inner)
    return chain


def create_variables(optimizer, model: Detector) -> None:
    """Creates the variables of both; if the first training step created them, TensorFlow would trace it twice."""
    model.checkpoint_variables()
    # The inner optimizer first: it has the momenta.
    for each in reversed(unwrap(optimizer)):
        # Keras has no public method for this, except an update.
        each._create_all_weights(model.trainable_variables)


def slot_paths(optimizer) -> set[str]:
    """The paths in a checkpoint of the slots of an optimizer with variables; see CheckpointReader.slots."""
    paths, path = set(), "optimizer"
    for each in unwrap(optimizer):
        paths |= {f"{path}/{name}" for name in each.get_slot_names()}
        path += "/ema_base_optimizer"  # the name of the wrapped optimizer in official's averages
    return paths


def current_learning_rate(optimizer) -> tf.Tensor:
    """The schedule's rate at the optimizer's next step."""
    rate = unwrap(optimizer)[-1].learning_rate
    return rate(optimizer.iterations) if callable(rate) else tf.convert_to_tensor(rate)


def make_scalable(optimizer) -> None:
    """Lets `scale_learning_rate` change the rate while training runs; must be called in the strategy's scope."""
    inner = unwrap(optimizer)[-1]
    inner.learning_rate = Scaled(inner.learning_rate)


def scale_learning_rate(optimizer, scale: float) -> None:
    """Sets what the schedule's rate is multiplied with, for an optimizer that was made scalable."""
    unwrap(optimizer)[-1].learning_rate.scale.assign(scale)


def build_learning_rate(message: optimizer_pb2.LearningRate) -> "Schedule":
    """The schedule of a `learning_rate` message."""
    kind = message.WhichOneof("learning_rate")
    if kind is None:
        raise ConfigError("The optimizer's learning_rate is empty; set one, such as constant_learning_rate { ... }.")
    options = getattr(message, kind)
    match kind:
        case "constant_learning_rate":
            return Constant(options.learning_rate)
        case "cosine_decay_learning_rate":
            return CosineWithWarmup(
                options.learning_rate_base,
                options.total_steps,
                options.warmup_learning_rate,
                options.warmup_steps,
                options.hold_base_rate_steps,
            )
        case "exponential_decay_learning_rate":
            return ExponentialWithBurnin(
                options.initial_learning_rate,
                options.decay_steps,
                options.decay_factor,
                options.staircase,
                options.burnin_learning_rate,
                options.burnin_steps,
                options.min_learning_rate,
            )
    steps = [(part.step, part.learning_rate) for part in options.schedule]
    return ManualSteps(options.initial_learning_rate, steps, options.warmup)


def warmup_steps(message: optimizer_pb2.Optimizer) -> int:
    """After how many steps the learning rate has reached its height; 0 without a warm-up."""
    kind = message.WhichOneof("optimizer")
    rate = getattr(message, kind).learning_rate if kind else optimizer_pb2.LearningRate()
    manual = rate.manual_step_learning_rate
    return {
        "cosine_decay_learning_rate": rate.cosine_decay_learning_rate.warmup_steps,
        "exponential_decay_learning_rate": rate.exponential_decay_learning_rate.burnin_steps,
        "manual_step_learning_rate": manual.schedule[0].step if manual.warmup and manual.schedule else 0,
    }.get(rate.WhichOneof("learning_rate") or "", 0)


class Schedule(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Step (a scalar tensor or number) to learning rate, float32; `step` counts the updates made before."""

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return dict(vars(self))


class Scaled(Schedule):
    """Another schedule's rate times the variable `scale`, at first 1, which leaves each bit of the rate as it is."""

    def __init__(self, schedule: Schedule):
        self.schedule, self.scale = schedule, tf.Variable(1.0, trainable=False, name="rate_scale")

    def __call__(self, step):
        """See Schedule."""
        return self.schedule(step) * self.scale


class Constant(Schedule):
    """The same rate at every step."""

    def __init__(self, rate: float):
        self.rate = rate

    def __call__(self, step):
        """See Schedule."""
        return tf.constant(self.rate, tf.float32)


class CosineWithWarmup(Schedule):
    """Linear from `warmup_rate` to `base` over `warmup` steps, `hold` steps of `base`, a half cosine to 0 at `total`.

    Loshchilov and Hutter, "SGDR", 2016, without restarts, as TFOD's cosine_decay_with_warmup.
    """

    def __init__(self, base: float, total: int, warmup_rate: float, warmup: int, hold: int = 0):
        if total < warmup:
            raise ConfigError(
                f"cosine_decay_learning_rate has total_steps {total} below warmup_steps {warmup}; "
                "raise total_steps or shorten the warm-up."
            )
        if base < warmup_rate and warmup > 0:
            raise ConfigError(
                f"cosine_decay_learning_rate has learning_rate_base {base:g} below warmup_learning_rate "
                f"{warmup_rate:g}; the rate increases during the warm-up, so lower warmup_learning_rate."
            )
        self.base, self.total, self.warmup_rate, self.warmup, self.hold = base, total, warmup_rate, warmup, hold

    def __call__(self, step):
        """See Schedule."""
        step = tf.cast(step, tf.float32)
        span = max(float(self.total - self.warmup - self.hold), 1.0)
        decayed = 0.5 * self.base * (1 + tf.cos(math.pi * (step - self.warmup - self.hold) / span))
        rate = tf.where(step > self.warmup + self.hold, decayed, self.base) if self.hold else decayed
        if self.warmup > 0:
            slope = (self.base - self.warmup_rate) / self.warmup
            rate = tf.where(step < self.warmup, slope * step + self.warmup_rate, rate)
        return tf.where(step > self.total, 0.0, rate)


class ExponentialWithBurnin(Schedule):
    """`burnin_rate` for `burnin` steps, then `initial` * factor ^ (steps since / decay_steps); never below `least`."""

    def __init__(
        self,
        initial: float,
        decay_steps: int,
        factor: float,
        staircase: bool = True,
        burnin_rate: float = 0.0,
        burnin: int = 0,
        least: float = 0.0,
    ):
        # As in TFOD, a burn-in without its own rate uses the initial rate.
        self.initial, self.decay_steps, self.factor, self.staircase = initial, decay_steps, factor, staircase
        self.burnin_rate, self.burnin, self.least = burnin_rate or initial, burnin, least

    def __call__(self, step):
        """See Schedule."""
        step = tf.cast(step, tf.float32)
        periods = (step - self.burnin) / self.decay_steps
        if self.staircase:
            periods = tf.floor(periods)
        rate = self.initial * tf.pow(tf.constant(self.factor, tf.float32), periods)
        if self.burnin > 0:
            rate = tf.where(step < self.burnin, self.burnin_rate, rate)
        return tf.maximum(rate, self.least)


class ManualSteps(Schedule):
    """`initial`, then each (step, rate) of `steps` from its step on; `warmup` rises linearly until the first change."""

    def __init__(self, initial: float, steps: list[tuple[int, float]], warmup: bool = False):
        self.initial, self.steps, self.warmup = initial, steps, warmup
        boundaries = [step for step, _ in steps]
        if any(a >= b for a, b in zip([0, *boundaries], boundaries, strict=False)):
            raise ConfigError(
                f"manual_step_learning_rate changes at steps {boundaries}; they must be positive and increasing."
            )

    def __call__(self, step):
        """See Schedule."""
        step = tf.cast(step, tf.float32)
        rate = tf.constant(self.initial, tf.float32)
        for index, (boundary, value) in enumerate(self.steps):
            if index == 0 and self.warmup:
                rate = self.initial + (value - self.initial) * step / boundary
            rate = tf.where(step >= boundary, value, rate)
        return rate
