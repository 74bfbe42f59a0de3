"""What the queue survives: many processes, kills, restarts, a clock that moves, a full disk."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_disk import small_disk

import odtk
from odtk.queue import job_queue, keeper
from odtk.queue.locks import is_locked, open_locked

PROCESSES = Path(__file__).with_name("forked_workers.py")


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(job_queue, "_POLL", 0.02)


def in_processes(*words: object) -> None:
    """Calls a function of forked_workers.py."""
    subprocess.run([sys.executable, PROCESSES, *map(str, words)], check=True)


def kill(pid: int) -> None:
    """As nothing can be asked any more: kill -9."""
    os.kill(pid, signal.SIGKILL)


def keeper_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture
def kill_worker(queue, until):
    """Kills the queue's worker."""

    def kill_it():
        (worker,) = queue.workers()
        kill(worker.pid)
        until(lambda: not queue.workers())

    return kill_it


@pytest.fixture
def writing(tmp_path):
    """A `python` that writes a job's number and words to a file, and what that file holds."""
    script, out = tmp_path / "writing", tmp_path / "out"
    number = '"${ODTK_PROGRESS_FILE##*/}"'
    script.write_text(f"#!/bin/sh\necho {number} $4 >> {out}\n")
    script.chmod(0o755)

    def ran() -> list[tuple[int, int]]:
        lines = [line.replace(".progress", "").split() for line in out.read_text().splitlines()]
        return [(int(priority), int(number)) for number, priority in lines]

    return script, ran


@pytest.mark.parametrize("count", [120, pytest.param(1000, marks=pytest.mark.slow)])
def test_jobs_from_four_processes_run_once_each_and_by_priority(queue, writing, count):
    script, ran = writing
    in_processes("add_from_four", queue.path, script, count, 0)
    assert len(ran()) == count
    assert ran() == sorted(set(ran()))
    assert {each.state for each in queue.jobs()} == {"done"}


@pytest.mark.slow
def test_jobs_that_are_added_while_others_run_run_once_each(queue, writing):
    script, ran = writing
    in_processes("add_from_four", queue.path, script, 1000, 1)
    assert sorted(number for _, number in ran()) == list(range(1, 1001))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_a_worker_that_is_killed_at_20_moments_loses_nothing_and_runs_nothing_twice(queue, shell, tmp_path, seed):
    line = "echo begin $ODTK_PROGRESS_FILE >> out; sleep 0.02; echo end $ODTK_PROGRESS_FILE >> out; exit 7"
    numbers = [queue.put(shell(line, attempts=21)) for _ in range(40)]
    in_processes("work_with_kills", queue.path, 20, seed)
    # Each has begun and ended before the next one, whichever worker watched it; its exit code is known.
    paths = [queue.job(number).progress_path for number in numbers]
    assert (tmp_path / "out").read_text().split() == [
        word for path in paths for word in ("begin", str(path), "end", str(path))
    ]
    assert {(each.state, each.exit_code) for each in queue.jobs()} == {("failed", 7)}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_workers_that_want_the_same_jobs_never_run_two_on_one_device(queue, shell, tmp_path, seed):
    line = (
        'me="$ODTK_PROGRESS_FILE ${CUDA_VISIBLE_DEVICES-all}"; echo begin $me >> out; sleep 0.02; echo end $me >> out'
    )
    environment = {"PATH": os.environ["PATH"]}
    for number in range(45):
        device = (None, "gpu:0", "gpu:1")[number % 3]
        queue.put(shell(line, device=device, environment=environment, attempts=10))
    in_processes("work_on_devices", queue.path, seed)
    busy, begun = {}, []
    for what, job, device in (line.split() for line in (tmp_path / "out").read_text().splitlines()):
        if what == "end":
            assert busy.pop(device) == job
            continue
        assert not (busy if device == "all" else {device, "all"} & set(busy))
        busy[device] = job
        begun.append(job)
    assert len(begun) == len(set(begun)) == 45
    assert {each.state for each in queue.jobs()} == {"done"}


def test_a_clock_that_runs_backwards_changes_neither_order_nor_durations(queue, shell, tmp_path):
    numbers = [queue.put(shell("echo $ODTK_PROGRESS_FILE >> out; sleep 0.05")) for _ in range(3)]
    in_processes("work_with_a_clock_that_runs_backwards", queue.path)
    records = [queue.job(number) for number in numbers]
    assert records[0].started > records[-1].ended
    assert (tmp_path / "out").read_text().split() == [str(each.progress_path) for each in records]
    assert all(0.05 <= each.seconds < 60 for each in records)


def test_a_job_whose_worker_was_killed_is_watched_by_the_next_one(
    queue, shell, background, until, kill_worker, tmp_path
):
    line = "echo run >> runs; while [ ! -e go ]; do sleep 0.02; done; exit 7"
    job = queue.put(shell(line))
    background()
    until((tmp_path / "runs").exists)
    kill_worker()
    left = queue.job(job)
    assert (left.state, left.reason) == ("running", "its worker is gone; the next one that starts looks after it")
    background()
    until(lambda: queue.workers()[0].jobs == (job,))
    assert queue.job(job).pid == left.pid
    (tmp_path / "go").touch()
    assert queue.wait() == 7
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_job_that_ended_without_a_worker_is_noted_by_the_next_one(
    queue, shell, background, until, kill_worker, tmp_path
):
    good = queue.put(shell("touch up; while [ ! -e go ]; do sleep 0.02; done"), priority=1)
    cancelled = queue.put(shell("trap 'exit 143' TERM; touch waits; while :; do sleep 0.02; done"))
    background()
    until((tmp_path / "up").exists)
    kill_worker()
    (tmp_path / "go").touch()
    until((tmp_path / f"queue.db.files/{good}.1.end").read_text)
    background()
    until((tmp_path / "waits").exists)
    assert queue.job(good).state == "done"
    kill_worker()
    queue.cancel(cancelled)  # it is told to end though there is no worker
    end = tmp_path / f"queue.db.files/{cancelled}.1.end"
    until(end.read_text)
    queue.start(detach=False, until_empty=True)
    assert (queue.job(cancelled).state, queue.job(cancelled).exit_code) == ("cancelled", 143)


def test_what_a_kill_or_a_restart_cut_off_is_tried_again_so_many_times(
    queue, shell, background, until, kill_worker, tmp_path
):
    job = queue.put(shell("echo run >> runs; sleep 1000", attempts=2))
    after = queue.put(shell("true", after=[job]))
    for runs in (1, 2):
        background()
        until(lambda runs=runs: (tmp_path / "runs").exists() and (tmp_path / "runs").read_text() == "run\n" * runs)
        if runs == 2:
            assert queue.job(job).reason == "attempt 1 of 2 was cut off by a kill"
        kill_worker()
        pid = queue.job(job).pid
        kill(keeper_of(pid))
        if runs == 1:
            kill(pid)  # and not what it has started, which the next worker ends
        else:
            os.killpg(pid, signal.SIGKILL)
    with queue._store.writing() as database:
        database.execute("UPDATE jobs SET process = json_set(process, '$.boot', 'an earlier one')")
    assert queue.job(job).seconds is None
    queue.start(detach=False, until_empty=True)
    ended = queue.job(job)
    assert (ended.state, ended.attempt) == ("interrupted", 2)
    assert ended.reason == "attempt 2 of 2 was cut off by a restart of the machine"
    assert queue.job(after).state == "skipped"
    assert queue.wait() == 1


def test_a_process_of_an_earlier_start_of_the_machine_is_not_signaled(
    queue, shell, background, until, kill_worker, tmp_path
):
    job = queue.put(shell("touch up; sleep 1000"))
    background()
    until((tmp_path / "up").exists)
    kill_worker()
    pid = queue.job(job).pid
    for change in ("'$.boot', 'an earlier one'", "'$.started', 'at another time'"):
        with queue._store.writing() as database:
            (kept,) = database.execute("SELECT process FROM jobs").fetchone()
            database.execute(f"UPDATE jobs SET process = json_set(process, {change})")
        queue.cancel(job)
        time.sleep(0.1)
        os.kill(pid, 0)
        with queue._store.writing() as database:
            database.execute("UPDATE jobs SET process = ?", (kept,))
    queue.cancel(job)
    until(lambda: not Path(f"/proc/{pid}/cwd").exists())


def test_a_job_whose_keeper_was_killed_is_watched_to_its_end(queue, shell, background, until, tmp_path):
    job = queue.put(shell("echo run >> runs; while [ ! -e go ]; do sleep 0.02; done", attempts=2))
    background()
    until((tmp_path / "runs").exists)
    pid = queue.job(job).pid
    kill(keeper_of(pid))
    time.sleep(0.1)
    assert queue.job(job).state == "running"
    (tmp_path / "go").touch()
    assert queue.wait() == 0
    assert (tmp_path / "runs").read_text() == "run\n" * 2  # how the first one ended is not known
    assert queue.job(job).attempt == 2


def test_a_shutdown_lets_a_job_wait_and_a_signal_to_the_job_alone_does_not(queue, shell, background, until):
    for is_shutdown in (True, False):
        job = queue.put(shell("trap 'exit 143' TERM; while :; do sleep 0.02; done"))
        worker = background()
        until(lambda job=job: queue.job(job).state == "running")
        time.sleep(0.1)
        os.kill(queue.job(job).pid, signal.SIGTERM)
        if is_shutdown:
            time.sleep(0.1)
            os.kill(worker.pid, signal.SIGTERM)
            until(lambda: not queue.workers())
            assert (queue.job(job).state, queue.job(job).attempt) == ("waiting", 0)
            queue.cancel(job)
    until(lambda: queue.job(job).state == "failed")
    assert queue.job(job).reason == "ended by SIGTERM"


def test_a_keeper_that_ends_late_is_waited_for(queue, shell):
    queue.put(shell("true"))
    in_processes("work_with_slow_keepers", queue.path)
    assert queue.job(1).state == "done"


def test_a_job_whose_worker_dies_before_it_is_noted_does_not_run(tmp_path):
    end = open_locked(tmp_path / "end")
    with open(tmp_path / "log", "wb") as log:
        command = ["/bin/sh", "-c", "echo ran"]
        started = keeper.start(keeper.Program(command, {}, str(tmp_path), log.fileno(), end))
        os.close(end)
        assert is_locked(tmp_path / "end")
        started.abandon()
    assert (tmp_path / "log").read_text() == ""
    assert keeper.read_end(tmp_path / "end") is None
    assert not is_locked(tmp_path / "end")


def fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file:
        while True:
            file.write(bytes(512))


def test_a_full_disk_is_waited_for_and_loses_nothing(shell, until, tmp_path):
    with small_disk(tmp_path / "disk", kilobytes=400) as disk:
        queue = odtk.Queue(disk / "queue.db")
        jobs = [queue.put(shell("touch up; while [ ! -e go ]; do sleep 0.02; done"))]
        jobs += [queue.put(shell("exit 7"))]

        def put_many():
            while True:
                jobs.append(queue.put(shell("true", environment={"LONG": "x" * 5000})))

        queue.start(grace=1.0)
        try:
            until((tmp_path / "up").exists)
            with pytest.raises(OSError, match="No space left"):
                fill(disk / "filler")
            with pytest.raises(odtk.OdtkError, match=r"cannot be used: no space is left on its disk\. Nothing"):
                put_many()  # the log of changes may have some room left
            (tmp_path / "go").touch()
            time.sleep(1.2)
            assert queue.job(jobs[0]).state == "running"
            (disk / "filler").unlink()
            assert queue.wait() == 7
            assert [queue.job(number).exit_code for number in jobs] == [0, 7, *[0] * (len(jobs) - 2)]
        finally:
            queue.stop(now=True)


def test_a_queue_that_is_removed_ends_its_worker(queue, background, until):
    worker = background()
    queue.path.unlink()
    until(lambda: "was removed" in worker.log_path.read_text())
