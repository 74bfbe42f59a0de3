"""The processes that train one model together, and how they agree.

All of them run the same loop on their own parts of each batch. What a process cannot compute as the others do (times,
signals, files, errors of its own records) is decided by the chief or by all together, in small sums over all processes.
An error outside of such an agreement simply ends its process: TensorFlow then ends the others' next sum with an error.
"""

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from odtk.cluster import VARIABLE, Cluster, meet
from odtk.errors import DataError, OdtkError

_AGREED, _FAILED = 0, 1
_DRIFT = 1e-3
_BYTES = 8  # in a number of those that are summed


class WorkerFailed(OdtkError):
    """Another worker ended with an error, which the text has."""


class WorkerDataFailed(WorkerFailed, DataError):
    """That was an error of its records."""


class Workers:
    """A process that trains alone: it decides by itself. `Connected` is one of several."""

    count, index = 1, 0
    count_here = 1
    """Those on this machine, which share its memory."""

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the model dir."""
        return self.index == 0

    def chiefs(self, value: int) -> int:
        """The chief's value, on all workers."""
        return value

    def chiefs_text(self, text: str) -> str:
        """The chief's text, on all workers."""
        return text

    def first(self, text: str | None) -> str | None:
        """The text of the first worker that has one, on all workers."""
        return text

    def least(self, value: int) -> int:
        """The least value of all workers."""
        return value

    def gather(self, own: bytes) -> list[bytes]:
        """What each worker gives, in their order, on all workers."""
        return [own]

    def spread(self, variables: Sequence[tf.Variable]) -> None:
        """Gives the variables the chief's values, on all workers."""

    def require_equal(self, facts: Mapping[str, object]) -> None:
        """Raises OdtkError on all workers, if one has other facts (values in JSON, by name) than the chief."""

    def together(self) -> contextlib.AbstractContextManager:
        """What the block raises on one worker is raised on all: as it is there, as WorkerFailed on the others.

        When one raises, the others must be in an agreement, or come to one before anything else that needs all workers
        (a step, a checkpoint).
        """
        return contextlib.nullcontext()

    def are_agreed_on(self, error: BaseException) -> bool:
        """Whether all workers have raised, at the same point: only then may they save a checkpoint after an error."""
        return True


ALONE = Workers()


class Connected(Workers):
    """One of several processes. Its methods are called by all of them, in the same order."""

    def __init__(self, cluster: Cluster, strategy: tf.distribute.Strategy):
        self.cluster, self.strategy = cluster, strategy
        self.count, self.index, self.count_here = cluster.count, cluster.index, cluster.count_here
        self._own_replicas = strategy.num_replicas_in_sync // cluster.count
        self._raised: BaseException | None = None
        self._summed = tf.function(self._sum, input_signature=[tf.TensorSpec([None, None], tf.int64)], autograph=False)

    def chiefs(self, value: int) -> int:
        """See Workers."""
        return int(self._agree(value)[0])

    def chiefs_text(self, text: str) -> str:
        """See Workers."""
        return self._texts(text if self.is_chief else "", self._agree)[0]

    def first(self, text: str | None) -> str | None:
        """See Workers."""
        given = self._agree(int(text is not None)).tolist()
        return self._texts(text or "", self._agree)[given.index(1)] if any(given) else None

    def least(self, value: int) -> int:
        """See Workers."""
        return int(self._agree(value).min())

    def gather(self, own: bytes) -> list[bytes]:
        """See Workers."""
        return self._exchange(own, self._agree)

    def spread(self, variables: Sequence[tf.Variable]) -> None:
        """See Workers; also of those that have a value of their own on each replica."""
        local = [self.strategy.experimental_local_results(variable)[0] for variable in variables]
        for dtype in dict.fromkeys(variable.dtype for variable in local):
            chosen = [index for index, variable in enumerate(local) if variable.dtype == dtype]
            values = [local[index].read_value() for index in chosen]
            if not self.is_chief:
                values = [tf.zeros_like(value) for value in values]
            for index, value in zip(chosen, self._sum(values), strict=True):
                variables[index].assign(value)

    def require_equal(self, facts: Mapping[str, object]) -> None:
        """See Workers."""
        with self.together():
            own = json.dumps(facts)
            wanted, facts = json.loads(self.chiefs_text(own)), json.loads(own)
            others = [
                f"{name} {facts.get(name)} instead of {value}"
                for name, value in (dict.fromkeys(facts) | wanted).items()
                if facts.get(name) != value
            ]
            if others:
                raise OdtkError(
                    f"{self.cluster.name(self.index)} trains something else than {self.cluster.name(0)}: "
                    f"{'; '.join(others)}. Start all workers with the same config, records, options and versions."
                )
            self._agree(0)  # where the others learn of the difference

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """See Workers."""
        try:
            yield
        except Exception as error:
            # After an error of a sum over the workers no other will succeed.
            if error is not self._raised and not isinstance(error, tf.errors.OpError):
                self._raised = error
                self._tell(error)
            raise

    def are_agreed_on(self, error: BaseException) -> bool:
        """See Workers."""
        return error is self._raised

    def _tell(self, error: Exception) -> None:
        """Meets the others in whatever agreement they are in now."""
        self._rows([_FAILED, int(isinstance(error, DataError))])
        text = str(error) if isinstance(error, OdtkError) else f"{type(error).__name__}: {error}"
        self._texts(text, self._lengths)

    def _agree(self, value: int) -> np.ndarray:
        """All workers' values [count]. Raises WorkerFailed if one raises an error instead."""
        heads = self._rows([_AGREED, value])
        failed = [index for index, head in enumerate(heads) if head[0] == _FAILED]
        if failed:
            texts = self._texts("", self._lengths)
            said = "; ".join(f"{self.cluster.name(index)} ended: {texts[index]}" for index in failed)
            kind = WorkerDataFailed if all(heads[index][1] for index in failed) else WorkerFailed
            self._raised = kind(said)
            raise self._raised
        return heads[:, 1]

    def _lengths(self, length: int) -> np.ndarray:
        return self._rows([_AGREED, length])[:, 1]

    def _texts(self, text: str, exchange: Callable[[int], np.ndarray]) -> list[str]:
        return [each.decode() for each in self._exchange(text.encode(), exchange)]

    def _exchange(self, own: bytes, exchange: Callable[[int], np.ndarray]) -> list[bytes]:
        """The bytes of all workers; `exchange` gives the lengths of all."""
        lengths = exchange(len(own)).tolist()
        width = -(-max(lengths) // _BYTES)
        if not width:
            return [b""] * self.count
        rows = self._rows(np.frombuffer(own.ljust(width * _BYTES, b"\0"), np.int64))
        return [row.tobytes()[:length] for row, length in zip(rows, lengths, strict=True)]

    def _rows(self, values: Sequence[int] | np.ndarray) -> np.ndarray:
        """The values of all workers [count, n]."""
        table = np.zeros([self.count, len(values)], np.int64)
        table[self.index] = values
        return self._summed(tf.constant(table)).numpy()

    def _sum(self, values):
        """The sum over the workers of a tensor, or of each of a list of the same type."""

        def on_replica(values):
            context = tf.distribute.get_replica_context()
            is_first = context.replica_id_in_sync_group % self._own_replicas == 0
            counted = [tf.where(is_first, value, tf.zeros_like(value)) for value in tf.nest.flatten(values)]
            return context.all_reduce(tf.distribute.ReduceOp.SUM, counted)

        summed = self.strategy.run(on_replica, args=(values,))
        local = [self.strategy.experimental_local_results(each)[0] for each in summed]
        return local if isinstance(values, list) else local[0]


def connect(cluster: Cluster, log: Callable[[str], None], uses_gpus: bool) -> Connected:
    """Waits for the other processes and connects to them; must come before TensorFlow computes anything.

    Raises OdtkError that names those that cannot be reached.
    """
    meet(cluster, log)
    from official.common import distribute_utils

    with _environment(cluster):
        strategy = distribute_utils.get_distribution_strategy(
            "multi_worker_mirrored", all_reduce_alg="nccl" if uses_gpus else "ring"
        )
    if threading.current_thread() is threading.main_thread():
        # TensorFlow has put a handler of its own in place of Python's.
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM) or signal.SIG_DFL)
    replicas = strategy.num_replicas_in_sync
    log(f"{cluster.name(cluster.index)} is one of {cluster.count} workers with {replicas} replicas in all.")
    return Connected(cluster, strategy)


@contextlib.contextmanager
def _environment(cluster: Cluster) -> Iterator[None]:
    """TF_CONFIG of the cluster, which TensorFlow reads."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = cluster.as_variable()
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def require_same_weights(workers: Workers, model: tf_keras.Model) -> None:
    """Raises OdtkError on all workers if weights have drifted apart, beyond what processors round differently."""
    if workers.count == 1:
        return
    variables = model.trainable_variables
    norms = [float(tf.norm(tf.cast(variable, tf.float64))) for variable in variables]
    with workers.together():
        wanted = json.loads(workers.chiefs_text(json.dumps(norms)))
        for variable, norm, other in zip(variables, norms, wanted, strict=True):
            if not np.isclose(norm, other, rtol=_DRIFT):
                raise OdtkError(
                    f"The weights of the workers are no longer the same: {variable.name} of worker {workers.index} has "
                    f"the norm {norm:.6g}, the chief's {other:.6g}. Its memory or the network between them is at fault."
                )
        workers.chiefs(0)
