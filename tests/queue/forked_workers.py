"""Workers and adders as forked processes, which cost less than started ones: for tests with many of them."""

import contextlib
import os
import random
import signal
import stat
import sys
import time

from odtk.queue import ENDED, Job, Queue, keeper
from odtk.queue.queue_files import QueueFiles
from odtk.queue.signal_count import SignalCount
from odtk.queue.store import Store
from odtk.queue.worker import POLL, Worker, WorkerSettings


def fork(function, *arguments) -> int:
    """The number of a process that calls the function."""
    pid = os.fork()
    if pid:
        return pid
    try:
        function(*arguments)
        os._exit(0)
    finally:
        os._exit(1)


def join(*pids: int) -> None:
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(pids)


def work(path: str, device: str | None = None) -> None:
    """Runs the queue's jobs until none is left."""
    settings = WorkerSettings(device, until_empty=True, stop_on_failure=False, grace=30.0)
    Worker(Store(QueueFiles(path)), settings, lambda text, is_change=False: None, SignalCount()).run()


def add(path: str, python: str, count: int, seed: int) -> None:
    """Adds jobs of random priority, which write their number and priority where `python` says."""
    queue, rng = Queue(path), random.Random(seed)
    for _ in range(count):
        priority = rng.randint(1, 10)
        queue.put(Job([f"{seed}", f"{priority}"], python=python, environment={}), priority=priority)


def add_from_four(path: str, python: str, count: int, is_working: bool) -> None:
    """Adds `count` jobs from four processes at once, and runs them: afterwards, or at the same time."""
    adders = [fork(add, path, python, count // 4, seed) for seed in range(4)]
    if not is_working:
        join(*adders)
    worker = fork(work, path)
    if is_working:
        join(*adders)
    join(worker)
    work(path)  # what was added after the last look


def work_with_a_clock_that_runs_backwards(path: str) -> None:
    time.time = lambda: 2e9 - 1000 * time.monotonic()
    work(path)


def work_with_kills(path: str, kills: int, seed: int) -> None:
    """Kills a worker `kills` times while jobs are left, at random moments; the last one ends by itself."""
    queue, rng = Queue(path), random.Random(seed)
    for _ in range(kills):
        worker = fork(work, path)
        time.sleep(rng.uniform(0, 0.08))
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        assert any(job.state not in ENDED for job in queue.jobs()), "too few jobs for so many kills"
    work(path)


def work_on_devices(path: str, seed: int) -> None:
    """Three workers at once, which want the same jobs and are killed now and then."""
    rng = random.Random(seed)
    for _ in range(8):
        workers = [fork(work, path, device) for device in (None, "gpu:0", "gpu:1")]
        for worker in rng.sample(workers, 3):
            time.sleep(rng.uniform(0, 0.1))
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
    join(*[fork(work, path, device) for device in (None, "gpu:0", "gpu:1")])


def open_pipes() -> int:
    return sum(stat.S_ISFIFO(os.stat(file).st_mode) for file in range(100) if os.path.exists(f"/dev/fd/{file}"))


def work_with_slow_keepers(path: str) -> None:
    """Keepers go on for a while after they have noted an end, but are waited for, and their pipes are closed."""
    note = keeper._note

    def note_slowly(*arguments) -> None:
        note(*arguments)
        time.sleep(1.5 * POLL)

    keeper._note, before = note_slowly, open_pipes()
    work(path)
    assert open_pipes() == before
    with contextlib.suppress(ChildProcessError):
        raise AssertionError(f"not waited for: {os.waitpid(-1, os.WNOHANG)}")


if __name__ == "__main__":
    name, *words = sys.argv[1:]
    globals()[name](*(int(word) if word.isdigit() else word for word in words))
