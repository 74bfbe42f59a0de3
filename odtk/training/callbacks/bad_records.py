"""Ends a run that has left out more records than it may."""

import tensorflow as tf

from odtk.inputs.bad_records import BadRecordFilter
from odtk.training.callbacks.callback import Callback


class BadRecordLimit(Callback):
    """Has the filter look for records that failed; it raises DataError, which lists them, where they are too many."""

    def __init__(self, record_filter: BadRecordFilter):
        self._filter = record_filter

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        self._filter.check()

    def at_end(self, error: BaseException | None) -> None:
        """See Callback."""
        if error is None or isinstance(error, tf.errors.OutOfRangeError):
            self._filter.finish()
