"""The devices of a training run: the only place where a distribution strategy is chosen, and sums over its replicas.

`build_experiment` opens its scope, and everything that has variables is created inside.
"""

import functools
from collections.abc import Callable, Iterable, Sequence

import tensorflow as tf
from official.common import distribute_utils

from odtk.device_choice import AUTO, find_chosen, use_only
from odtk.errors import OdtkError
from odtk.hardware import CPU, Device, list_gpus
from odtk.training.tpu import connect


def build_strategy(
    devices: str = AUTO,
    tpu: str | None = None,
    batch_size: int | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> tf.distribute.Strategy:
    """One replica on each of `devices` (see choose_devices); must be called before TensorFlow computes anything.

    With `tpu` (see odtk.training.tpu.connect) one on each of its cores. On one device it is TensorFlow's default
    strategy. `batch_size` is what the replicas share; where they cannot share it evenly, AUTO takes fewer GPUs and
    tells `log`; None: not known yet. A strategy that the caller has in scope is taken as it is. Raises OdtkError for
    devices that are not there or cannot share the batch, and for `devices` or `tpu` in such a scope.
    """
    if tf.distribute.has_strategy():
        for argument, given, default in (("devices", devices, AUTO), ("tpu", tpu, None)):
            if given != default:
                raise OdtkError(
                    f"The strategy in whose scope this was called chooses the devices, so '{given}' would do nothing. "
                    f"Leave {argument} out, or the scope.",
                    argument=argument,
                )
        return tf.distribute.get_strategy()
    if tpu is not None:
        if devices != AUTO:
            raise OdtkError(f"A TPU is to be used and the devices '{devices}'; leave one out.", argument="devices")
        return connect(tpu)
    chosen = _sharing(find_chosen(devices), batch_size, devices, log)
    return _on_devices(tuple(use_only(chosen)))


def has_several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether the replicas are those of several processes."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def num_replicas() -> int:
    """How many replicas share a batch, of all workers."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def devices_of(strategy: tf.distribute.Strategy) -> list[Device]:
    """The devices that the strategy's replicas in this process compute on."""
    found, physical = list_gpus(), tf.config.list_physical_devices("GPU")
    gpus = [found[physical.index(gpu)] for gpu in tf.config.get_visible_devices("GPU")]
    try:
        specs = [tf.DeviceSpec.from_string(name) for name in strategy.extended.worker_devices]
    except RuntimeError:  # TensorFlow's default has none
        return gpus[:1] or [Device(CPU)]
    return [
        gpus[s.device_index] if s.device_type == "GPU" else Device(s.device_type.lower(), s.device_index) for s in specs
    ]


def over_replicas(values):
    """The sum over all replicas of a tensor, or of each tensor of a list, on each; as they are outside of replicas.

    None, as the gradient of an unused variable, stays None.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, [x for x in tf.nest.flatten(values) if x is not None]))
    return tf.nest.map_structure(lambda value: None if value is None else next(summed), values)


def first_copies(variables: Iterable[tf.Variable]) -> list[tf.Variable]:
    """The first replica's copy of each variable: what is read outside of replicas, so that a tape knows it."""
    return [getattr(variable, "values", (variable,))[0] for variable in variables]


def _sharing(
    chosen: Sequence[Device], batch_size: int | None, word: str, log: Callable[[str], None]
) -> Sequence[Device]:
    """Those of the chosen devices that share the batch evenly."""
    if batch_size is None or batch_size % len(chosen) == 0:
        return chosen
    even = max(count for count in range(1, len(chosen) + 1) if batch_size % count == 0)
    nearest = max(round(batch_size / len(chosen)), 1) * len(chosen)
    if word != AUTO:
        raise OdtkError(
            f"{len(chosen)} devices cannot share a batch of {batch_size} evenly. Set a batch size that is a multiple "
            f"of {len(chosen)}, such as {nearest}, or choose {even} of the devices.",
            argument="devices",
        )
    log(
        f"note: {even} of {len(chosen)} GPUs are used, because all together cannot share a batch of {batch_size} "
        f"evenly; with a batch size of {nearest} they can."
    )
    return chosen[:even]


@functools.cache
def _on_devices(names: tuple[str, ...]) -> tf.distribute.Strategy:
    """TensorFlow's default, where the only device is its default one; NCCL sums over several GPUs, where it is.

    A process's next run has the same one: TensorFlow would take two strategies' sums over devices for each other.
    """
    if len(names) == 1:
        default = "GPU:0" if tf.config.get_visible_devices("GPU") else "CPU:0"
        return tf.distribute.get_strategy() if names[0] == default else tf.distribute.OneDeviceStrategy(names[0])
    if names == tuple(f"GPU:{index}" for index in range(len(names))):
        return distribute_utils.get_distribution_strategy("mirrored", num_gpus=len(names))
    return tf.distribute.MirroredStrategy(list(names))
