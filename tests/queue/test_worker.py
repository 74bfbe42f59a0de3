"""What a worker does with jobs that end, fail, hang, are cancelled and wait for devices."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import odtk
from odtk.queue import daemon, job_queue


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(job_queue, "_POLL", 0.02)


def work(queue, **how) -> list[str]:
    """Runs the jobs; what the worker logs."""
    lines = []
    queue.start(detach=False, until_empty=True, log=lines.append, **how)
    return lines


def states(queue) -> dict[int, str]:
    return {each.number: each.state for each in queue.jobs()}


def test_jobs_run_as_the_user_would_run_them_and_a_failure_stops_nothing(queue, shell, tmp_path, monkeypatch):
    monkeypatch.setenv("PETS", "beagle")
    good = queue.put(shell('echo "$PETS in $PWD"; echo half > "$ODTK_PROGRESS_FILE"; echo warning >&2'))
    monkeypatch.setenv("PETS", "pug")
    bad = queue.put(shell("exit 3"))
    skipped = queue.put(shell("echo never", after=[bad]))
    killed = queue.put(shell("kill -9 $$"))
    nowhere = queue.put(odtk.Job(["train"], python="/no/such/python"))
    last = queue.put(shell("echo last", after=[good]), priority=10)
    lines = work(queue)
    record = queue.job(good)
    assert record.log_path.read_text() == f"beagle in {tmp_path}\nwarning\n"
    assert record.progress_path.read_text() == "half\n"
    assert (record.state, record.exit_code, record.attempt, record.reason) == ("done", 0, 1, None)
    assert record.seconds >= 0
    assert record.ended >= record.started >= record.added
    assert record.pid is None
    assert (queue.job(bad).exit_code, queue.job(bad).reason) == (3, "ended with exit code 3")
    assert queue.job(skipped).reason == f"job {bad}, which it waits for, failed"
    assert not queue.log_path(skipped).exists()
    assert (queue.job(killed).exit_code, queue.job(killed).reason) == (137, "ended by SIGKILL (out of memory?)")
    assert queue.job(nowhere).exit_code == 127
    assert "/no/such/python cannot be used" in queue.log_path(nowhere).read_text()
    assert queue.job(last).state == "done"
    assert queue.wait([good, last]) == 0
    assert queue.wait([good, bad]) == 3
    assert queue.join() == 137
    assert queue.workers() == []
    assert any(f"job {good} is done" in line for line in lines)
    assert not list(tmp_path.glob("queue.db.files/*.end"))


def test_a_worker_ends_though_a_job_waits_for_one_of_another_device(queue, shell):
    other = queue.put(shell("true", device="gpu:1"))
    last = queue.put(shell("true", device="gpu:0", after=[other]))
    work(queue, device="gpu:0")
    assert states(queue) == {other: "waiting", last: "waiting"}
    changes = []
    (begin,) = work(queue, log_change=changes.append)  # all else is a change
    assert str(queue.path) in begin
    assert len(changes) == 2 * len(states(queue)) + 1
    assert states(queue) == {other: "done", last: "done"}


def test_stop_on_failure_leaves_the_others_waiting(queue, shell):
    bad, other = queue.put(shell("exit 1"), priority=1), queue.put(shell("true"))
    work(queue, stop_on_failure=True)
    assert states(queue) == {other: "waiting", bad: "failed"}
    queue.retry(bad)
    assert queue.job(bad).exit_code is None
    queue.cancel(bad)
    work(queue, stop_on_failure=True)
    assert states(queue) == {other: "done", bad: "cancelled"}


def test_cancelling_asks_then_kills_with_all_that_the_job_started(queue, shell, background, until, tmp_path):
    polite = queue.put(shell("trap 'echo saved; exit 143' TERM; touch a; while :; do sleep 0.02; done"), priority=1)
    stubborn = queue.put(shell("trap '' TERM; sleep 1000 & echo $! > b; wait; sleep 1000"))
    left = queue.put(shell("true", after=[polite]))
    worker = background(grace=0.2)
    until((tmp_path / "a").exists)
    assert queue.workers()[0].jobs == (polite,)
    assert queue.job(stubborn).reason == f"job {polite} runs"
    assert queue.job(polite).seconds >= 0
    queue.cancel(polite)
    until(lambda: (tmp_path / "b").exists() and (tmp_path / "b").read_text())
    assert (queue.job(polite).state, queue.log_path(polite).read_text()) == ("cancelled", "saved\n")
    assert queue.job(left).state == "skipped"
    queue.cancel(stubborn)
    assert queue.job(stubborn).is_cancelling
    assert queue.wait([stubborn]) == 137
    assert queue.job(stubborn).state == "cancelled"
    assert not Path(f"/proc/{(tmp_path / 'b').read_text().strip()}/cwd").exists()
    assert "SIGKILL" in worker.log_path.read_text()
    with pytest.raises(odtk.OdtkError, match="is cancelled and cannot be cancelled"):
        queue.cancel(stubborn)


def test_the_background_has_no_terminal_and_one_worker_and_stop_lets_jobs_wait(queue, shell, background, until):
    job = queue.put(shell("trap 'exit 143' TERM; while :; do sleep 0.02; done", attempts=1))
    worker = background()
    fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
    parent, _, session, terminal = fields[1:5]
    assert int(parent) != os.getpid()
    assert int(session) not in (os.getsid(0), worker.pid)  # not the leader, who could get a terminal
    assert terminal == "0"
    os.kill(worker.pid, signal.SIGHUP)
    with pytest.raises(odtk.OdtkError, match=f"already: process {worker.pid} on") as raised:
        background()
    assert raised.value.argument == "device"
    until(lambda: queue.job(job).state == "running")
    assert [each.pid for each in queue.stop()] == [worker.pid]
    assert queue.workers()[0].stop == "after"
    assert queue.job(queue.put(shell("true"))).reason == "no worker takes new jobs"
    queue.stop(now=True)
    assert queue.workers() == []
    stopped = queue.job(job)
    assert (stopped.state, stopped.attempt) == ("waiting", 0)
    assert stopped.reason == "it was stopped with its worker; no worker runs"
    with queue._store.writing() as database:
        database.execute("UPDATE jobs SET attempt = 1 WHERE number = ?", (job,))  # as if it was cut off before
    background()
    until(lambda: queue.job(job).state == "running")
    assert queue.job(job).reason is None


@pytest.mark.usefixtures("signals_of_a_terminal")
def test_a_worker_in_the_foreground_stops_with_who_attends_it(queue, shell, until):
    job = queue.put(shell("trap 'exit 143' TERM; while :; do sleep 0.02; done"))
    code = "import odtk, sys; odtk.Queue(sys.argv[1]).start(detach=False, log=print)"
    for number in (signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(queue.path)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        until(lambda: queue.job(job).state == "running")
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert number == signal.SIGKILL or "KeyboardInterrupt" in said
        until(lambda: not queue.workers())
        assert (queue.job(job).state, queue.job(job).attempt) == ("waiting", 0)


def test_two_devices_two_jobs_and_never_two_on_one(queue, shell, background, until, tmp_path):
    wait = 'echo "$CUDA_VISIBLE_DEVICES"; while [ ! -e go ]; do sleep 0.02; done'
    first, other = queue.put(shell(wait, device="gpu:0")), queue.put(shell(wait, device="gpu:1"))
    second = queue.put(shell(wait, device="gpu:0"))
    every, late = queue.put(shell(wait)), queue.put(shell(wait, device="gpu:2"))
    background()
    until(lambda: len(queue.workers()[0].jobs) == 2)
    assert queue.workers()[0].jobs == (first, other)
    assert queue.job(second).reason == f"job {first} runs"
    assert queue.job(every).reason == f"job {first} and job {other} run"
    # A worker of one device does not run what others have, but what names none on its own.
    background(device="gpu:3")
    until(lambda: queue.job(every).state == "running")
    assert queue.job(every).runs_on == "gpu:3"
    until(lambda: queue.job(late).state == "running")
    (tmp_path / "go").touch()
    assert queue.wait() == 0
    assert [queue.log_path(each).read_text() for each in (first, other, second, every, late)] == [
        "0\n", "1\n", "0\n", "3\n", "2\n",
    ]  # fmt: skip


def test_devices_that_are_not_there_fail_the_job_alone(queue, shell):
    few = queue.put(shell("true", device="gpu:2", environment={**os.environ, "CUDA_VISIBLE_DEVICES": "4,5"}))
    mapped = queue.put(shell("echo $CUDA_VISIBLE_DEVICES", device="1", environment={"CUDA_VISIBLE_DEVICES": "4,5"}))
    cpu = queue.put(shell("echo $CUDA_VISIBLE_DEVICES", device="cpu"))
    work(queue)
    assert states(queue) == {few: "failed", mapped: "done", cpu: "done"}
    assert "which shows 2 GPUs" in queue.job(few).reason
    assert queue.log_path(mapped).read_text() == "5\n"
    assert queue.log_path(cpu).read_text() == "-1\n"


def test_a_line_without_its_beginning_is_told_as_it_is():
    assert daemon._message('is done", "is_change": true}\n') == {"text": 'is done", "is_change": true}'}


def test_a_worker_that_cannot_begin_says_why(queue, monkeypatch):
    monkeypatch.setattr(daemon.sys, "executable", "/bin/false")
    with pytest.raises(odtk.OdtkError, match="The worker has ended"):
        queue.start()
