"""The weights that evaluation measures in training: those of a checkpoint, or its moving averages."""

import contextlib
from collections.abc import Iterator, Sequence

import tensorflow as tf

from odtk.detectors.detector import Detector
from odtk.training.replica_statistics import ReplicaStatistics


class MeasuredWeights:
    """Puts what is measured in the place of what is trained, and this back.

    That are the moving averages of the weights, where the config says so, and on several replicas the means of their
    batch norms' statistics. Official's `swap_weights` is not used: it adds and subtracts, which rounds, so that neither
    the measured averages nor the weights that training goes on with would be exactly those of the checkpoint.
    """

    def __init__(self, model: Detector, optimizer, averaged: bool, statistics: ReplicaStatistics | None = None):
        """`averaged`: False measures the trained weights as they are; True needs official's ExponentialMovingAverage.

        As in TFOD it is eval_config.use_moving_averages that decides, not that the optimizer keeps averages.
        """
        self._model, self._optimizer, self._averaged = model, optimizer, averaged
        self._statistics = statistics
        self._trained: Sequence[tf.Tensor] | None = None

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """In the block the model has the measured weights; afterwards the trained ones again, however it ends."""
        if not self._replaced or self._trained is not None:
            yield
            return
        self._note_trained()
        try:
            self._assign_measured()
            yield
        finally:
            self._put_back()

    @contextlib.contextmanager
    def put_aside(self) -> Iterator[None]:
        """In the block, inside that of `in_place`, the model has the trained weights: for saving a checkpoint."""
        if self._trained is None:
            yield
            return
        self._put_back()
        try:
            yield
        finally:
            self._note_trained()
            self._assign_measured()

    @property
    def _weights(self) -> list[tf.Variable]:
        return list(self._model.trainable_variables) if self._averaged else []

    @property
    def _replaced(self) -> list[tf.Variable]:
        return self._weights + (self._statistics.copies() if self._statistics is not None else [])

    def _note_trained(self) -> None:
        self._trained = [tf.identity(variable) for variable in self._replaced]

    def _assign_measured(self) -> None:
        if self._averaged:
            self._optimizer.assign_average_vars(self._weights)
        if self._statistics is not None:
            self._statistics.join()

    def _put_back(self) -> None:
        try:
            self._assign_trained()
        except KeyboardInterrupt:
            # Half of them would be no weights at all, and a checkpoint may follow.
            self._assign_trained()
            raise

    def _assign_trained(self) -> None:
        for variable, value in zip(self._replaced, self._trained or (), strict=False):
            variable.assign(value)
        self._trained = None
