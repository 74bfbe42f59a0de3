"""What pages that change by themselves say to screen readers, and that the keyboard keeps its place in them."""

import pytest

from odtk.progress_file import ProgressReport
from odtk.queue import Job, Queue
from odtk.web.background import RUNNING, Run
from odtk.web.commands import command

playwright = pytest.importorskip("playwright.sync_api")


def test_progress_is_said_in_tenths_and_is_no_live_region(client):
    report = ProgressReport("Images", 29, 100, "images", 3.0, 20.0)
    run = Run("inspect:pets", command("inspect", "pets"), RUNNING, report)
    text = client.studio.html("running.html", run=run, poll="/", what="Inspection")
    assert 'data-said="Inspection, 20 %"' in text
    assert "29/100" in text
    assert "aria-live" not in text
    assert "role=" not in text


def test_the_keyboard_keeps_its_place_in_a_table_that_changes(page, studio):
    queue = Queue(studio.folder / "queue.db")
    kept, ended = (queue.put(Job(["doctor"]), name=name) for name in ("first", "second"))
    page.goto("/jobs", wait_until="domcontentloaded")
    button = page.get_by_role("button", name=f"Stop job {kept}")
    button.focus()
    queue.cancel(ended)
    said = page.locator("#said")
    playwright.expect(said).to_have_text(f"Job {ended} second: cancelled")
    playwright.expect(button).to_be_focused()
