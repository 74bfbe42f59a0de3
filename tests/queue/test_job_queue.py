"""Jobs are added, looked at, moved, cancelled and cleared."""

import contextlib
import os
import sqlite3
import sys

import pytest

import odtk
from odtk import unfinished
from odtk.queue import Queue, job_queue, workers


@pytest.fixture
def queue(tmp_path):
    return odtk.Queue(tmp_path / "queue.db")


def job(*words, **how) -> odtk.Job:
    return odtk.Job(words or ("doctor",), **how)


def order(queue) -> list[int]:
    return [each.number for each in queue.jobs()]


def test_a_job_keeps_where_it_was_made(queue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "tell no one")
    number = queue.put(odtk.Job(["odtk", "train", "--num_steps", "5"]), priority=3, name="pets")
    kept = queue.job(number)
    assert (kept.command, kept.folder, kept.python) == (
        ("train", "--num_steps", "5"),
        str(tmp_path),
        sys.executable,
    )
    assert (kept.state, kept.priority, kept.name, kept.attempt) == ("waiting", 3, "pets", 0)
    assert "tell no one" not in repr(kept) + repr(job())
    assert os.stat(queue.path).st_mode & 0o077 == 0
    assert os.stat(kept.log_path.parent).st_mode & 0o077 == 0
    assert kept.reason == "no worker runs"


def test_the_most_urgent_comes_first_and_then_the_oldest(queue):
    first, second, urgent = queue.put(job()), queue.put(job()), queue.put(job(), priority=1)
    assert order(queue) == [urgent, first, second]
    queue.move(second, 1)
    assert order(queue) == [second, urgent, first] or order(queue) == [urgent, second, first]
    queue.move(urgent, 10)
    assert order(queue) == [second, first, urgent]


def test_a_clock_that_moves_changes_no_order(queue, monkeypatch):
    times = iter([5e9, 1.0, 3e9])
    monkeypatch.setattr(job_queue.time, "time", lambda: next(times))
    numbers = [queue.put(job()) for _ in range(3)]
    assert order(queue) == numbers


def test_who_waits_for_a_cancelled_job_is_skipped_until_that_is_tried_again(queue):
    first = queue.put(job())
    second = queue.put(job(after=[first]))
    third = queue.put(job(after=[second]))
    assert queue.job(second).reason == f"waits for job {first}"
    queue.cancel(first)
    assert [each.state for each in map(queue.job, (first, second, third))] == ["cancelled", "skipped", "skipped"]
    assert queue.job(second).reason == f"job {first}, which it waits for, was cancelled"
    late = queue.put(job(after=[first]))
    assert queue.job(late).state == "skipped"
    assert queue.wait() == 1
    for number, ahead, how in ((second, first, "cancelled"), (third, second, "skipped")):
        with pytest.raises(odtk.OdtkError, match=f"job {ahead}, which it waits for, was {how}: retry that one"):
            queue.retry(number)
    queue.retry(first)
    assert {each.state for each in queue.jobs()} == {"waiting"}


def test_waiting_says_which_worker_is_missing(queue, monkeypatch):
    first = queue.put(job(device="gpu:1"))
    last = queue.put(job(device="gpu:0", after=[first]))
    said = []
    actions = iter([lambda: None, lambda: queue.cancel(first)])
    monkeypatch.setattr(job_queue.time, "sleep", lambda seconds: next(actions)())
    with workers.registered(queue._store, "gpu:0"):
        assert [each.needs_worker for each in map(queue.job, (first, last))] == [True, False]
        assert queue.wait([last], log=said.append) == 1
    assert said == [f"Job {first} needs a worker: no worker runs jobs of gpu:1. Start one."]


def test_clear_forgets_what_has_ended_but_not_what_is_waited_for(queue):
    gone, needed = queue.put(job()), queue.put(job())
    later = queue.put(job(after=[needed]))
    queue.log_path(gone).write_text("output")
    queue.cancel(gone)
    with queue._store.writing() as database:
        database.execute("UPDATE jobs SET state = 'done' WHERE number = ?", (needed,))
    assert queue.clear() == [gone]
    assert not list(queue.log_path(needed).parent.glob(f"{gone}.*"))
    assert set(order(queue)) == {needed, later}
    assert queue.put(job()) > later  # numbers are not given again


@pytest.mark.parametrize(
    ("wrong", "said", "argument"),
    [
        (lambda queue: queue.put(job(), priority=0), "priority is 0; it is a whole number from 1", "priority"),
        (lambda queue: queue.put(job(after=[7])), "no job 7", "after"),
        (lambda queue: queue.put(job("train", "--devices", "gpu:x")), "'gpu:x' names no devices", "device"),
        (lambda queue: job("train", "--devices", "gpu:0", device="gpu:1"), "Name devices once", "device"),
        (lambda queue: job(device="tpu"), "'tpu' names no devices", "device"),
        (lambda queue: job("odtk"), "the words of an odtk command", "command"),
        (lambda queue: odtk.Job("train 'a"), "the words of an odtk command", "command"),
        (lambda queue: odtk.Job(5), "the words of an odtk command", "command"),
        (lambda queue: job(device=0), "Write it as text: 'gpu:0'", "device"),
        (lambda queue: job(attempts=0), "attempts is 0", "attempts"),
        (lambda queue: job(after=3), "after is 3; it is a list", "after"),
        (lambda queue: job(after=["3"]), r"after is \['3'\]; it is a list", "after"),
        (lambda queue: queue.put(job(), name="7"), "cannot be called '7'", "name"),
        (lambda queue: queue.put(job(), name=" "), "cannot be called ' '", "name"),
        (lambda queue: queue.put(job(), name=7), "cannot be called 7", "name"),
        (lambda queue: queue.start(grace="x"), "grace is 'x'; it is a number of seconds", "grace"),
        (lambda queue: queue.start(grace=float("nan")), "grace is nan", "grace"),
        (lambda queue: queue.start(device=0), "Write it as text: 'gpu:0'", "device"),
        (lambda queue: queue.job(5), "no job 5", None),
        (lambda queue: queue.retry(queue.put(job())), "is waiting and cannot be tried again", None),
    ],
)
def test_wrong_calls(queue, wrong, said, argument):
    with pytest.raises(odtk.OdtkError, match=said) as raised:
        wrong(queue)
    assert raised.value.argument == argument


def test_where_the_queue_is_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert Queue().path == tmp_path / "odtk/queue.db"
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/to/be/ignored")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Queue().path == tmp_path / "home/.local/state/odtk/queue.db"


def test_a_file_that_is_no_queue(tmp_path):
    (tmp_path / "pets.record").write_bytes(b"not a database" * 100)
    with pytest.raises(odtk.OdtkError, match=r"pets\.record cannot be used: it is not a queue of odtk"):
        Queue(tmp_path / "pets.record")
    assert (tmp_path / "pets.record").read_bytes() == b"not a database" * 100
    assert [each.name for each in tmp_path.iterdir()] == ["pets.record"]


@pytest.mark.parametrize("statement", ["CREATE TABLE own (a)", "PRAGMA application_id = 7"])
@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_database_of_something_else_is_left_alone(tmp_path, statement, mode):
    path = tmp_path / "own.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute(statement)
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(odtk.OdtkError, match=r"own\.db cannot be used: it is not a queue of odtk\. Nothing was"):
        Queue(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["own.db"]


def test_a_disk_without_locks(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(unfinished.fcntl, "flock", refuse)
    with pytest.raises(odtk.OdtkError, match=r"queue\.db\.files/create\.lock cannot be locked.* choose a local one"):
        Queue(tmp_path / "queue.db")


def test_whose_a_queue_is_stands_in_its_file_and_an_empty_file_becomes_one(tmp_path):
    (tmp_path / "queue.db").touch()
    queue = Queue(tmp_path / "queue.db")  # whose log of changes is kept open
    assert queue.path.read_bytes()[68:72] == b"odtk"
    assert Queue(queue.path).jobs() == []
