"""The event loop does not wait for disks: who reads or writes the workspace's files does so in a thread."""

import asyncio
import functools
import re
import sys
import threading

import fake_runs
import pytest
from running_studio import client_of, post, run_in_thread
from starlette.concurrency import run_in_threadpool

from odtk.web.background import Background
from odtk.web.commands import Command, Outcome
from odtk.web.jobs import Jobs
from odtk.web.workspace import Workspace

EVENTS = ("open", "os.listdir", "os.scandir", "os.remove", "os.rename")
# Small files of the studio's own, about a command that is being started.
ALLOWED = re.compile(r"\.odtk-studio/commands/\w+-\w+\.(process|progress|json)(\.\S*)?$")

_watched: dict[str, list] = {}


def _is_on_loop() -> bool:
    """Not in the main thread: where a browser was driven in it, Playwright's loop is there."""
    return asyncio._get_running_loop() is not None and threading.current_thread() is not threading.main_thread()


def _audit(event, given):
    if _watched and event in EVENTS and given and isinstance(given[0], str) and _is_on_loop():
        for folder, found in _watched.items():
            if given[0].startswith(folder) and not ALLOWED.search(given[0]):
                found.append((event, given[0].removeprefix(folder)))


@functools.cache
def _install():
    sys.addaudithook(_audit)  # which stays, and finds nothing to watch after a test


QUEUE = ("add", "all", "find", "last", "last_of_each", "is_active", "cancel", "retry", "log")


@pytest.fixture
def on_loop(tmp_path, monkeypatch):
    """What was opened below the workspace, or asked of the queue, by a thread that runs an event loop."""
    _install()
    found = _watched[str(tmp_path / "work")] = []
    for name in QUEUE:  # SQLite opens its file by itself, and keeps it open
        monkeypatch.setattr(Jobs, name, _noted(getattr(Jobs, name), found))
    yield found
    _watched.clear()


def _noted(method, found):
    @functools.wraps(method)
    def noting(*given, **options):
        if _is_on_loop():
            found.append(("queue", method.__name__))
        return method(*given, **options)

    return noting


def test_pages_and_forms_read_and_write_in_threads(tmp_path, on_loop, monkeypatch):
    monkeypatch.setattr("odtk.web.jobs.Jobs.start_worker", lambda jobs: None)
    project = fake_runs.trained_project(Workspace(tmp_path / "work"))
    fake_runs.evaluate(project)
    fake_runs.export(project)
    (project.workspace.data / "pets").mkdir(parents=True)
    with client_of(project.workspace.folder) as client:
        on_loop.clear()
        here = f"/projects/{project.name}"
        for path in ("/", "/data", "/data/look?path=data/pets", "/data/records?path=data/pets", "/jobs", "/projects",
                     "/projects/new", "/compare?projects=pets", f"{here}/model/text", f"{here}/training",
                     f"{here}/results", f"{here}/results/try", f"{here}/results/explain", f"{here}/results/review",
                     f"{here}/take-away", "/files/runs/pets/metrics.csv"):  # fmt: skip
            assert client.get(path).status_code == 200, path
        loaded = re.search(r'name="loaded" value="([^"]+)"', client.get(f"{here}/model/text").text)[1]
        text, statuses = {"text": "model { ssd { num_classes: 3 } }", "loaded": loaded}, {}
        for path, fields in {
            "results/evaluate": {}, "take-away/export": {"format": "saved_model"}, "training/copy": {"name": "other"},
            "results/thresholds": {"all": "0.3"}, "model/text": text,
            "results/video": {}, "results/review/folder": {"folder": "data/pets"}, "training/pause": {},
        }.items():  # fmt: skip
            statuses[path] = post(client, f"{here}/{path}", **fields).status_code
        # No video was given.
        assert {path: status for path, status in statuses.items() if status != 303} == {"results/video": 400}
        assert post(client, "/jobs/1/cancel").status_code == 303
        assert post(client, "/jobs/1/retry").status_code == 303
    assert on_loop == []


def test_the_loop_is_watched(tmp_path, on_loop):
    folder = tmp_path / "work"
    folder.mkdir()
    jobs = Jobs(Workspace(folder))

    async def look():
        (folder / "a").write_text("")
        await asyncio.to_thread((folder / "b").write_text, "")
        jobs.all()
        await asyncio.to_thread(jobs.all)

    thread = threading.Thread(target=lambda: asyncio.run(look()))
    thread.start()
    thread.join()
    assert on_loop == [("open", "/a"), ("queue", "all")]


def test_a_command_is_started_and_ended_from_a_thread_of_the_loop(tmp_path):
    class Slow:
        async def run(self, command, progress_file, on_start):
            await asyncio.sleep(0.2)
            return Outcome(command, 0, {"a": 1}, "")

    async def both():
        background, told = Background(tmp_path / "commands", Slow()), []
        words = Command(("x",))
        started = await run_in_threadpool(background.start, "a:1", words, lambda outcome: told.append(_is_on_loop()))
        await run_in_threadpool(background.start, "b:1", words)
        await run_in_threadpool(background.cancel, "b:1")
        while background.find("a:1").state == "running":
            await asyncio.sleep(0.05)
        return started.state, background.find("a:1").outcome.document, background.find("b:1").state, told

    assert run_in_thread(both()) == ("running", {"a": 1}, "cancelled", [False])
