"""Jobs that are cut off are shown so, and go on by a button; what a killed studio left running is ended."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

from running_studio import client_of, post

from odtk.process_identity import identify
from odtk.queue import Job, Queue
from odtk.web.background import FAILED, Background
from odtk.web.commands import Command, Commands, Outcome


def test_a_job_whose_worker_is_gone_is_shown_as_cut_off(client):
    file = client.studio.workspace.queue_file
    number = Queue(file).put(Job(["doctor"]))
    with sqlite3.connect(file) as database:
        database.execute("UPDATE jobs SET state = 'running', worker = 'all', attempt = 1")
    for path in ("/", "/jobs", f"/jobs/{number}"):
        text = client.get(path).text
        assert '<span class="state state-interrupted">cut off</span>' in text
        assert "its worker is gone" in text
        assert 'action="/jobs/work"' in text


def test_jobs_that_wait_for_a_worker_go_on_by_a_button(client):
    queue = Queue(client.studio.workspace.queue_file)
    number = queue.put(Job(["completion", "bash"]))
    assert "no worker runs" in client.get("/jobs").text
    assert post(client, "/jobs/work").headers["location"] == "/jobs"
    assert queue.wait([number]) == 0
    assert 'action="/jobs/work"' not in client.get("/jobs").text


def test_a_job_is_not_run_again_beside_another_of_its_name(client, monkeypatch):
    monkeypatch.setattr("odtk.web.jobs.Jobs.start_worker", lambda jobs: None)
    queue = Queue(client.studio.workspace.queue_file)
    old, new = (queue.put(Job(["doctor"]), name="train:pets") for _ in range(2))
    queue.cancel(old)
    answer = post(client, f"/jobs/{old}/retry")
    assert answer.status_code == 400
    assert f"job {new} does the same" in answer.text
    queue.cancel(new)
    assert post(client, f"/jobs/{old}/retry").headers["location"] == "/jobs"
    assert client.studio.jobs.last("train:pets").number == old
    assert client.studio.jobs.is_active("train:pets")


def test_what_a_killed_studio_left_running_is_ended_and_shown_so(tmp_path):
    folder = tmp_path / "work/.odtk-studio/commands"
    folder.mkdir(parents=True)
    # Not of this process, which would have to wait for its child before that is gone.
    options = "start_new_session=True, stdout=-3, stderr=-3"
    program = f"import subprocess; print(subprocess.Popen(['sleep', '60'], {options}).pid)"
    pid = int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
    process = identify(pid)
    note = {"key": "records:pets", "words": ["make-tfrecords", "pets"], "process": process.as_text()}
    (folder / "x.process").write_text(json.dumps(note))
    (folder / "y.process").write_text("")
    with client_of(tmp_path / "work") as client:
        found = client.studio.background.find("records:pets")
        assert found.state == FAILED
        assert "cut off" in found.outcome.error
    assert not list(folder.glob("*.process"))
    assert not process.is_alive()


def test_a_process_that_has_the_number_of_one_that_ended_is_left_alone(tmp_path):
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    identity = json.loads(identify(other.pid).as_text()) | {"started": "1"}
    note = {"key": "a", "words": ["doctor"], "process": json.dumps(identity)}
    (tmp_path / "x.process").write_text(json.dumps(note))
    Background(tmp_path, Commands(tmp_path))
    time.sleep(0.2)
    assert other.poll() is None
    other.send_signal(signal.SIGKILL)
    other.wait()


def test_outcomes_are_read_once_and_the_oldest_of_a_kind_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("odtk.web.background._KEPT", 2)
    background = Background(tmp_path / "commands", Commands(tmp_path))
    words = Command(("doctor",))
    background._note("records:pets", words, "done", Outcome(words, 0, {}, ""))
    for number in range(4):
        background._note(f"preview:{number}", words, "done", Outcome(words, 0, {"number": number}, ""))
        path = background._file(f"preview:{number}")
        os.utime(path, (number, number))
    assert [background.find(f"preview:{number}") is not None for number in range(4)] == [False, False, True, True]
    assert background.find("records:pets") is not None
    assert background.find("preview:3") is background.find("preview:3")
    background._note("preview:3", words, "failed", None)
    assert background.find("preview:3").state == FAILED
