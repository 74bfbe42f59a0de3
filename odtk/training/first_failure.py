"""Finds the first batch with a NaN loss: Python checks only after many steps, and after the first NaN all are."""

import tensorflow as tf

NEVER = -1


class FirstFailure:
    """Variables that keep the step and the records of the first batch whose loss was not finite."""

    def __init__(self, batch_size: int):
        """`batch_size`: a replica's maximum. Must be created in the strategy's scope."""
        self._strategy = tf.distribute.get_strategy()
        # Each replica has its own, as each has a part of the batch.
        options = {"trainable": False, "synchronization": tf.VariableSynchronization.ON_READ}
        self._step = tf.Variable(tf.constant(NEVER, tf.int64), **options)
        self._places = tf.Variable(tf.fill([batch_size, 3], tf.constant(NEVER, tf.int64)), **options)

    def watch(self, step, loss, places) -> None:
        """Must be called in every step (from 0), with a number that is finite if the step succeeded.

        `places` int64 [B, 3]: the numbers of file and record, and the position, see odtk.inputs.dataset.
        """
        is_first = ~tf.math.is_finite(loss) & (self._step == NEVER)
        if places.shape != self._places.shape:
            missing = self._places.shape[0] - tf.shape(places)[0]
            places = tf.pad(places, [[0, missing], [0, 0]], constant_values=NEVER)
            places = tf.ensure_shape(places, self._places.shape)
        self._places.assign(tf.where(is_first, places, self._places))
        self._step.assign(tf.where(is_first, tf.cast(step, tf.int64), self._step))

    def forget(self) -> None:
        """Watches from scratch."""
        # One replica's each: TensorFlow cannot assign to all of them at once where none stands for the others.
        for step in self._strategy.experimental_local_results(self._step):
            step.assign(NEVER)

    def read(self) -> tuple[int, list[tuple[int, int, int]]] | None:
        """The step (from 0) and the places of its records; None if all losses were finite."""
        local_results = self._strategy.experimental_local_results
        replicas = zip(local_results(self._step), local_results(self._places), strict=True)
        failed = [(int(step), places.numpy().tolist()) for step, places in replicas if int(step) != NEVER]
        if not failed:
            return None
        step = min(step for step, _ in failed)
        return step, [tuple(place) for at, places in failed if at == step for place in places if place[0] != NEVER]
