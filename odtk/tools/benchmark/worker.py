"""One model in a process of its own: opens it, and runs it when it is its turn.

Requests are lines of JSON on stdin, each is answered by a line on stdout. Threads and the peak of memory are a
process's, so models that are compared cannot share one.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from odtk import machine
from odtk.errors import OdtkError
from odtk.exporting.runtime import ExportedDetector

_STATUS, _RESET, _RESET_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs"), "5"


class Worker:
    """Answers requests; the methods without `_` are their names, their keyword arguments what a request holds."""

    def __init__(self, load: Callable):
        """`load`: odtk.exporting.open_model.open_model."""
        self._load = load
        self._images: list[np.ndarray] = []
        self._batch_size, self._next = 1, 0

    def open(self, model: str, devices: str) -> dict:
        """Loads the model."""
        start = time.perf_counter()
        self._model = self._load(model, devices=devices)
        seconds = time.perf_counter() - start
        self._uses_tensorflow = isinstance(self._model, ExportedDetector) or hasattr(self._model, "detector")
        return {
            "description": self._model.description,
            "takes_batches": self._model.takes_batches,
            "device": _device(devices) if self._uses_tensorflow else _cpu(),
            "load_seconds": seconds,
        }

    def begin(self, images: Sequence[str], batch_size: int, warm_up: int) -> dict:
        """Starts a case: images (files of NumPy) to take turns with; the first runs do not count."""
        self._images, self._batch_size, self._next = [np.load(path) for path in images], batch_size, 0
        self._forget_peaks()
        seconds = [self._run()[1] for _ in range(1 + warm_up)]
        return {"first_seconds": seconds[0]}

    def turn(self, runs: int | None, seconds: float, uncounted: int) -> dict:
        """So many runs, or as many as fit into `seconds`, at least one, after some that are not counted."""
        for _ in range(uncounted):
            self._run()
        placing, running, end = [], [], time.perf_counter() + seconds
        while len(running) < runs if runs is not None else (not running or time.perf_counter() < end):
            place, run = self._run()
            placing.append(place)
            running.append(run)
        return {"placing": placing, "running": running}

    def memory(self) -> dict:
        """The most that this case needed: of this process, and of the GPU, if the model is on one."""
        on_gpu = _memory_of_gpu()["peak"] if self._uses_gpu() else None
        return {"peak_bytes": _peak(), "gpu_peak_bytes": on_gpu}

    def _uses_gpu(self) -> bool:
        if not self._uses_tensorflow:
            return False
        import tensorflow as tf

        return bool(tf.config.get_visible_devices("GPU"))

    def _forget_peaks(self) -> None:
        with contextlib.suppress(OSError):  # not Linux, or a container that does not allow it: then all cases count
            _RESET.write_text(_RESET_PEAK)
        if self._uses_gpu():
            import tensorflow as tf

            tf.config.experimental.reset_memory_stats("GPU:0")

    def _run(self) -> tuple[float, float]:
        """Seconds in which the images are placed, and in which they become detections in this process's memory."""
        batch = [self._images[(self._next + each) % len(self._images)] for each in range(self._batch_size)]
        self._next += self._batch_size
        start = time.perf_counter()
        placed = self._model.place(batch)
        if self._uses_gpu():
            _wait_for_copies()
        is_placed = time.perf_counter()
        found = self._model.run(placed)  # reads what it found back: nothing is left to be computed
        end = time.perf_counter()
        if len(found) != self._batch_size:
            raise OdtkError(f"{self._model.description} answered for {len(found)} of {self._batch_size} images.")
        return is_placed - start, end - is_placed


def serve(worker: Worker, requests: IO[str], answers: IO[str]) -> None:
    """Answers each request until there are no more; an OdtkError is an answer, any other error ends the process."""
    for line in requests:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("ask"))(**request)
        except OdtkError as error:
            answer = {"error": str(error), "argument": error.argument}
        print(json.dumps(answer), file=answers, flush=True)


def _device(devices: str) -> str:
    """What a model of TensorFlow runs on, in words."""
    from odtk.device_choice import find_chosen
    from odtk.hardware import describe_devices

    return describe_devices(find_chosen(devices)[:1])


def _cpu() -> str:
    """What a model of another runtime runs on."""
    cpu = machine.find_cpu()
    return f"CPU{f' {cpu.model}' if cpu.model else ''}, {machine.counted_cores(cpu.cores)}"


def _wait_for_copies() -> None:
    import tensorflow as tf

    tf.test.experimental.sync_devices()


def _memory_of_gpu() -> dict[str, int]:
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")


def _peak() -> int:
    """Bytes of memory that this process had at most at once."""
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # counts what the process was before it became this one, too, and so comes second

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _keep_to_cores(count: int) -> None:
    """Before a library counts them, to start a thread for each."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def main(threads: str) -> None:
    """`threads`: how many cores the process may use; 0 for all."""
    # What libraries print, in C++ too, must not get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if int(threads):
        _keep_to_cores(int(threads))
    from odtk.exporting.open_model import open_model

    serve(Worker(open_model), sys.stdin, answers)


if __name__ == "__main__":
    main(sys.argv[1])
