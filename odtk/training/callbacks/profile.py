"""Writes TensorBoard's profile of some steps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf

from odtk import files
from odtk.training.callbacks.callback import Callback
from odtk.training.experiment import Experiment


class Profile(Callback):
    """Profiles the steps `first` to `last`, into the model dir's train/plugins/profile; loops break at both ends.

    A run that ends or fails meanwhile writes what was profiled until then. Nothing is profiled again after going back.
    """

    def __init__(self, first: int, last: int, log: Callable[[str], None] = lambda line: None):
        self._first, self._last, self._log = first, last, log
        self._is_open = self._is_done = False

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._folder = files.join(experiment.info.model_dir, "train")
        experiment.pace.stop_at(self._first - 1, self._last)
        if experiment.step >= self._first:
            self._is_done = True
            self._log(f"note: The steps {self._first} to {self._last} are not profiled: some were trained before.")
        self._start_at(experiment.step)

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        if self._is_open and step >= self._last:
            self._stop(step)
        self._start_at(step)

    def after_going_back(self, step: int) -> None:
        """See Callback."""
        if self._is_open:
            self._stop(step)

    def at_end(self, error: BaseException | None) -> None:
        """See Callback."""
        if self._is_open:
            self._stop(None)

    def _start_at(self, step: int) -> None:
        if self._is_done or self._is_open or step != self._first - 1:
            return
        with self._going_on():
            tf.profiler.experimental.start(self._folder)
            self._is_open = True

    def _stop(self, step: int | None) -> None:
        self._is_open, self._is_done = False, True
        with self._going_on():
            tf.profiler.experimental.stop()
            until = "" if step == self._last else ", as far as they came"
            self._log(
                f"Wrote the profile of the steps {self._first} to {self._last}{until}: "
                f"{files.join(self._folder, 'plugins/profile')}. To look at it: "
                "`pip install tensorboard-plugin-profile`, then `tensorboard --logdir` with the model dir, and its tab "
                "Profile."
            )

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """A training does not end because its profile cannot be written, or because another one is being made."""
        try:
            yield
        except (tf.errors.OpError, OSError) as error:
            self._is_open, self._is_done = False, True
            self._log(f"warning: The profile of the steps {self._first} to {self._last} was not written: {error}")
