"""What a training is said to do, by its job, its run.json and its lock."""

import dataclasses
import time
from pathlib import Path

import pytest
from fake_trainings import FakeRun, make_project

from odtk.process_identity import identify
from odtk.queue import CANCELLED, DONE, FAILED, INTERRUPTED, RUNNING, WAITING, JobRecord
from odtk.web.run_views import run_folder
from odtk.web.run_views.run_folder import Session, Writer
from odtk.web.run_views.run_state import find_state
from odtk.web.workspace import Workspace

NOW = 1_800_000_000.0


def job(state: str, **values) -> JobRecord:
    empty = dict.fromkeys((field.name for field in dataclasses.fields(JobRecord)), None)
    times = {"started": NOW, "ended": NOW + 600 if state not in (RUNNING, WAITING) else None}
    flags = {"needs_worker": False, "is_cancelling": False, "attempt": int(state != WAITING)}
    return JobRecord(**{**empty, "number": 1, "state": state, "log_path": Path("x"), **times, **flags, **values})


def session(began: float = NOW + 20, ended: bool = True, reason: str | None = None, last_step: int = 70) -> Session:
    def text(seconds: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(seconds))

    return Session(
        "odtk train", {}, text(began), text(began + 500) if ended else None, 0, last_step, reason, "CPU", None
    )


@pytest.mark.parametrize(
    ("queued", "trained", "kind", "text"),
    [
        (None, None, "new", "Nothing has been trained yet."),
        (job(WAITING, reason="waits for job 3"), None, "queued", "waits for job 3"),
        (job(WAITING, attempt=1, reason="attempt 1 of 3 was cut off"), None, "queued", "tried again"),
        (job(WAITING, needs_worker=True, reason="no worker runs"), None, "queued", "no worker runs"),
        (job(RUNNING), None, "starting", "TensorFlow is loaded"),
        (job(RUNNING), session(NOW - 900), "starting", "TensorFlow is loaded"),
        (job(RUNNING), session(ended=False), "training", "Training."),
        (job(RUNNING, is_cancelling=True), session(ended=False), "ending", "with a checkpoint"),
        (job(DONE), session(reason="all steps are done"), "finished", "all steps are done"),
        (job(DONE), session(reason="no improvement of mAP in 5 evaluations"), "finished", "no improvement"),
        (job(CANCELLED), session(reason="stopped by SIGTERM"), "paused", "at step 70"),
        (job(CANCELLED), session(ended=False), "died", "had not ended in time"),
        (job(CANCELLED, started=None), None, "new", "before it began"),
        (job(CANCELLED), session(NOW - 900, reason="stopped by SIGTERM"), "paused", "before it began"),
        (job(FAILED, reason="ended with exit code 1"), None, "failed", "no space left"),
        (job(FAILED), session(reason="the loss is NaN at step 60"), "failed", "NaN at step 60"),
        (job(INTERRUPTED, reason="attempt 3 of 3 was cut off by a kill"), session(ended=False), "died", "cut off by"),
        (job(DONE), session(NOW + 5000, reason="the time limit of 2m is reached"), "finished", "time limit"),
        (None, session(ended=False), "died", "killed"),
        (None, session(reason="interrupted"), "paused", "at step 70"),
        (None, session(reason="RuntimeError: x"), "failed", "RuntimeError: x"),
    ],
)
def test_the_state_follows_from_queue_and_files(queued, trained, kind, text):
    state = find_state(queued, [trained] if trained else [], None, error="no space left")
    assert state.kind == kind
    assert text in state.text
    assert state.is_complete == ("all steps are done" in text)


@pytest.mark.parametrize("queued", [None, job(DONE)])
def test_a_run_that_has_done_its_steps_goes_on_where_more_were_given(queued):
    def state(planned, reason="all steps are done"):
        return find_state(queued, [session(reason=reason, last_step=200)], None, planned=planned)

    assert [state(planned).is_complete for planned in (200, 100, None, 400)] == [True, True, True, False]
    assert [state(planned).more_steps for planned in (200, 100, None, 400)] == [None, None, None, 400]
    assert state(400, "the time limit of 2m is reached").more_steps is None


def test_a_run_of_a_terminal_is_shown_as_such():
    writer = Writer(42, "lab3", "20:00")
    assert find_state(None, [session(ended=False)], writer).kind == "elsewhere"
    assert find_state(job(DONE), [session(NOW + 5000, ended=False)], writer).kind == "elsewhere"
    assert find_state(job(RUNNING), [session(ended=False)], writer).kind == "training"


@pytest.fixture
def run(tmp_path):
    return FakeRun(make_project(Workspace(tmp_path / "work")))


def test_a_lock_counts_as_long_as_its_process_lives(run):
    assert run_folder.writer_of(run.folder) is None
    run.lock()
    assert run_folder.writer_of(run.folder).pid == identify().pid
    run.lock(dataclasses.replace(identify(), started="1"))  # the number was given to another process
    assert run_folder.writer_of(run.folder) is None
    run.lock(dataclasses.replace(identify(), host="elsewhere", boot="another"))
    assert run_folder.writer_of(run.folder).host == "elsewhere"


def test_what_is_not_there_or_damaged_is_nothing(run):
    assert run_folder.sessions(run.folder) == []
    (run.folder / "run.json").write_text("{")
    (run.folder / "best").mkdir()
    (run.folder / "best/metrics.json").write_text('{"step": 1}')
    assert run_folder.sessions(run.folder) == []
    assert run_folder.best_weights(run.folder) is None
    assert run_folder.evaluation_pictures(run.folder) == []


def test_devices_are_named(run):
    run.begin()
    assert run_folder.sessions(run.folder)[0].device == "Xeon, 2 cores"
    run.sessions[0]["machine"]["gpus"] = ["NVIDIA L4", "NVIDIA L4"]
    run.begin(20)
    assert run_folder.sessions(run.folder)[0].device == "2 x NVIDIA L4"


def test_pictures_are_in_the_order_of_their_steps(run):
    for step in (100, 20, 3):
        run.picture(f"evaluations/step-{step}.png", "red")
    run.picture("evaluations/other.png", "red")
    run.picture("batches/first.png", "red")
    run.picture("batches/resumed-at-60.png", "red")
    assert [picture.step for picture in run_folder.evaluation_pictures(run.folder)] == [3, 20, 100]
    assert [picture.step for picture in run_folder.batch_pictures(run.folder)] == [0, 60]
