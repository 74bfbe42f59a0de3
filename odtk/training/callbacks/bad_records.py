"""Ends a run that has skipped more bad records than allowed."""

import tensorflow as tf

from odtk.inputs.record_filter import RecordFilter
from odtk.training.callbacks.callback import Callback


class BadRecordLimit(Callback):
    """Lets the filter look for records that failed; it raises a DataError that lists them if there are too many."""

    def __init__(self, record_filter: RecordFilter):
        self._filter = record_filter

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        self._filter.check()

    def at_end(self, error: BaseException | None) -> None:
        """See Callback."""
        if error is None or isinstance(error, tf.errors.OutOfRangeError):
            self._filter.finish()
