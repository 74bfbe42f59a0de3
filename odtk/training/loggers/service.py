"""Loggers of services outside of the model dir (Weights & Biases, MLflow), which may be slow, or fail."""

import functools
import queue
import secrets
import threading
from collections.abc import Callable, Sequence

import numpy as np

from odtk import files
from odtk.errors import OdtkError
from odtk.evaluation.run import Evaluation
from odtk.training.loggers.logger import Logger, TrainingRow
from odtk.training.run_info import RunInfo

_MOST_WAITING = 1000  # calls
_SECONDS_AT_END = 60.0


class Service(Logger):
    """Calls a logger in a thread: what it does neither delays training nor ends it.

    Only a new run ends if the logger cannot start, because then its user is there to change it: OdtkError. Of
    everything else that goes wrong, `log` is told the first.
    """

    def __init__(self, name: str, logger: Logger, log: Callable[[str], None]):
        self._name, self._logger, self._log = name, logger, log
        self._calls: queue.Queue[Callable[[], None]] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._failure: BaseException | str | None = None
        self._is_told = self._is_closed = False

    def start(self, info: RunInfo, step: int) -> None:
        """See Logger."""
        try:
            self._logger.start(info, step)
        except Exception as error:
            if step == 0:
                raise OdtkError(
                    f"{self._name} cannot be logged to: {_first_line(error)} Check that you are logged in and that the "
                    "service can be reached, or train without it.",
                    argument="log_to",
                ) from error
            self._failure = error
            self._tell()
            return
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def log_training(self, rows: Sequence[TrainingRow]) -> None:
        """See Logger."""
        self._call(self._logger.log_training, rows)

    def log_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Logger."""
        self._call(self._logger.log_evaluation, step, evaluation)

    def log_picture(self, step: int, run: str, tag: str, pixels: np.ndarray) -> None:
        """See Logger."""
        self._call(self._logger.log_picture, step, run, tag, pixels)

    def close(self, error: BaseException | None) -> None:
        """See Logger; waits a minute or two at most."""
        if self._thread is None:
            return
        self._call(self._close, error, wait=_SECONDS_AT_END)
        self._thread.join(_SECONDS_AT_END)
        if self._thread.is_alive():
            self._failure = self._failure or f"it did not take everything within {_SECONDS_AT_END:g} seconds."
        self._thread = None  # training that went back starts it again
        self._tell()

    def _close(self, error: BaseException | None) -> None:
        self._is_closed = True
        self._logger.close(error)

    def _call(self, method: Callable[..., None], *args: object, wait: float = 0.0) -> None:
        if self._thread is None:
            return
        try:
            self._calls.put(functools.partial(method, *args), timeout=wait)
        except queue.Full:
            self._failure = self._failure or "it takes less than training gives it."
        self._tell()

    def _run(self) -> None:
        while not self._is_closed:
            call = self._calls.get()
            try:
                call()
            except Exception as error:
                self._failure = self._failure or error

    def _tell(self) -> None:
        """On the training thread, where the terminal belongs to."""
        if self._failure is None or self._is_told:
            return
        failure = self._failure if isinstance(self._failure, str) else _first_line(self._failure)
        self._log(
            f"warning: {self._name} failed: {failure} Training goes on; the model dir's own files have everything."
        )
        self._is_told = True


class RunId:
    """The id of a service's run, in a file of the model dir, by which a resumed training continues that run."""

    def __init__(self, info: RunInfo, service: str):
        self._path = files.join(info.model_dir, f"{service}-run-id.txt")

    def earlier(self, step: int) -> str | None:
        """The id of the run that a training resumed at `step` continues; None if it begins one."""
        return files.read_text(self._path).strip() if step and files.exists(self._path) else None

    def save(self, run_id: str) -> None:
        """Writes the id."""
        files.write_text(self._path, f"{run_id}\n")


def new_id() -> str:
    """A random id, unique in practice."""
    return secrets.token_hex(8)


def _first_line(error: BaseException) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0].strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
