"""Commands that take a while, beside those that a request waits for."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from running_studio import run_in_thread

from odtk.errors import OdtkError
from odtk.process_identity import identify
from odtk.web.commands import Command, Commands
from odtk.web.projects import create_project
from odtk.web.studio import Studio
from odtk.web.workspace import Workspace

SHORT = Command(("-n", "1", "-r", "1", "pass"), "timeit")


def sleep(seconds):
    return Command(("-n", "1", "-s", "import time", f"time.sleep({seconds})"), "timeit")


def test_long_commands_do_not_hold_up_short_ones(tmp_path):
    async def scene():
        studio = Studio(Workspace(tmp_path))
        for key in "abc":
            studio.background.start(key, sleep(60))
        outcome = await asyncio.wait_for(studio.commands.run(SHORT), 30)
        await studio.background.close()
        return outcome

    assert run_in_thread(scene()).exit_code == 0


def test_another_command_under_a_key_that_runs_is_refused(tmp_path):
    async def scene():
        background = Studio(Workspace(tmp_path)).background
        background.start("a", sleep(60))
        assert background.start("a", sleep(60)).state == "running"
        with pytest.raises(OdtkError, match=r"sleep\(60\)' still runs"):
            background.start("a", sleep(61))
        await asyncio.sleep(0)
        background.cancel("a")
        with pytest.raises(OdtkError, match="is just being ended"):
            background.start("a", sleep(60))
        await background.close()
        assert background.find("a").state == "cancelled"

    run_in_thread(scene())


def test_what_is_cancelled_after_its_end_is_done(tmp_path):
    began, goes_on, noted = threading.Event(), threading.Event(), []

    def then(outcome):
        began.set()
        assert goes_on.wait(60)
        noted.append(outcome.exit_code)

    async def scene():
        background = Studio(Workspace(tmp_path)).background
        background.start("a", SHORT, then)
        assert await asyncio.to_thread(began.wait, 60)
        background.cancel("a")
        await asyncio.sleep(0.01)
        background.cancel("a")
        assert background.find("a").state == "running"
        goes_on.set()
        await background.close()
        return background.find("a")

    found = run_in_thread(scene())
    assert (found.state, found.outcome.exit_code, noted) == ("done", 0, [0])


def test_a_process_that_cannot_be_noted_is_ended(tmp_path):
    started = []

    def fails(pid):
        started.append(identify(pid))
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run_in_thread(Commands(tmp_path).run(sleep(60), on_start=fails))
    assert not started[0].is_alive()


def test_updates_of_a_project_file_from_several_threads_are_all_kept(tmp_path):
    project = create_project(Workspace(tmp_path), "pets", {"train": {}})
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: project.update("train", {f"key-{number}": number}), range(40)))
    assert len(project.sections()["train"]) == 40
