"""A training watched in a browser: what appears while its page is open, without a reload."""

import re

import pytest
from fake_trainings import FakeRun, make_project
from playwright.sync_api import expect

from odtk.queue import ENDED, Queue
from odtk.web.commands import command
from odtk.web.workspace import Workspace

PAGE = "/projects/pets/training"
SOON = 20_000  # milliseconds, on a machine with other work


async def no_errors(studio, project):
    return []


@pytest.fixture
def project(studio, monkeypatch):
    """A project whose trainings are a command that does nothing until it is ended; the run is written by the test."""
    monkeypatch.setattr("odtk.web.run_views.training_jobs.errors_before_training", no_errors)
    idle = command("queue", "start", "--queue", "idle.db")
    monkeypatch.setattr("odtk.web.run_views.training_jobs.training_command", lambda project: idle)
    yield make_project(Workspace(studio.folder))
    queue = Queue(studio.folder / "queue.db")
    for job in queue.jobs():
        if job.state not in ENDED:
            queue.cancel(job.number)
    queue.wait()


def test_a_run_is_watched_paused_and_resumed(page, project):
    state = page.locator(".training-state")
    charts = page.locator("figure.chart")
    page.goto(PAGE)
    expect(state).to_contain_text("Nothing has been trained yet.")
    page.get_by_role("button", name="Start training").click()
    expect(state).to_contain_text("Starting", timeout=SOON)

    run = FakeRun(project)
    run.begin()
    run.train(10, 20)
    expect(state).to_contain_text("Training", timeout=SOON)
    expect(charts.filter(has_text="Total loss")).to_be_visible(timeout=SOON)
    quality = charts.filter(has_text="Metrics on the evaluation images")
    expect(quality).to_have_count(0)

    run.evaluate(20, 0.1)
    expect(quality.locator("circle")).to_have_count(2, timeout=SOON)
    picture = page.locator("#picture")
    expect(picture).to_have_attribute("src", re.compile("step-20.png"), timeout=SOON)
    run.train(30, 40)
    run.evaluate(40, 0.4)
    expect(quality.locator("circle")).to_have_count(4, timeout=SOON)
    expect(page.locator(".figures")).to_contain_text("0.400", timeout=SOON)
    expect(picture).to_have_attribute("src", re.compile("step-40.png"), timeout=SOON)

    _look_at_an_earlier_picture(page, run, picture)
    _read_a_value(page, charts.filter(has_text="Total loss"))
    other = page.context.new_page()
    other.goto(PAGE)
    (run.folder / "ckpt-60.index").touch()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=SOON)
    run.end(60, "stopped by SIGTERM")
    for tab in (page, other):
        expect(tab.locator(".training-state")).to_contain_text("Paused at step 60", timeout=SOON)

    other.get_by_role("button", name="Resume").click()
    expect(state).to_contain_text("Starting", timeout=SOON)
    run.begin(60)
    run.train(70)
    for tab in (page, other):
        expect(tab.locator(".figures")).to_contain_text("70", timeout=SOON)
        expect(tab.locator(".training-state")).to_contain_text("Training", timeout=SOON)
    assert page.locator("html").evaluate("e => e.scrollWidth <= innerWidth")


def _look_at_an_earlier_picture(page, run, picture):
    """What was chosen stays, while newer pictures come."""
    slider = page.get_by_label("Picture of")
    slider.focus()
    slider.press("Home")
    expect(picture).to_have_attribute("src", re.compile("step-20.png"))
    run.train(50, 60)
    run.evaluate(60, 0.3)
    expect(slider).to_have_attribute("max", "2", timeout=SOON)
    expect(picture).to_have_attribute("src", re.compile("step-20.png"))
    slider.press("End")
    expect(picture).to_have_attribute("src", re.compile("step-60.png"))


def _read_a_value(page, chart):
    chart.locator("svg").hover()
    expect(chart.locator(".reading")).to_contain_text(re.compile(r"About step \d+: training [\d.]+"))
