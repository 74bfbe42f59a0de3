"""What was typed into a form that was refused, and what a page waits for, in a real browser."""

import fake_runs
import pytest
from patience import MILLISECONDS
from small_projects import SMALL, SUMMARY, make_records

from odtk.web.background import DONE, FAILED, RUNNING, Run
from odtk.web.commands import Outcome, command
from odtk.web.workspace import Workspace


@pytest.fixture
def tab(chromium, studio):
    context = chromium.new_context(base_url=studio.address)
    found = context.new_page()
    found.set_default_timeout(MILLISECONDS)
    yield found
    context.close()


def test_the_page_of_an_error_leads_back_to_the_form_as_it_was_left(tab, studio):
    fake_runs.trained_project(Workspace(studio.folder))
    tab.goto("/projects/pets/results/explain", wait_until="domcontentloaded")
    tab.fill("#path", "data/none.jpg")
    tab.fill("#channels", "0-9")
    tab.get_by_role("button", name="Look inside").click()
    assert "There is no picture" in tab.locator("[role=alert]").inner_text()
    tab.get_by_role("button", name="Back to the form").click()
    from playwright.sync_api import expect

    expect(tab.locator("#channels")).to_have_value("0-9")
    expect(tab.locator("#path")).to_have_value("data/none.jpg")


def test_the_cost_of_a_pipeline_is_waited_for_and_tried_again(tab, studio, monkeypatch):
    words = command("summary", SMALL)
    runs = [
        Run("x", words, RUNNING), Run("x", words, RUNNING), Run("x", words, FAILED, None, Outcome(words, -9, None, "")),
        Run("x", words, DONE, None, Outcome(words, 0, SUMMARY, "")),
    ]  # fmt: skip
    monkeypatch.setattr("odtk.web.pages.projects.summary_of_shipped", lambda *given: runs.pop(0))
    make_records(studio.folder)
    tab.goto(f"/projects/new?records=records/pets&base={SMALL}", wait_until="domcontentloaded")
    cost = tab.locator(f"details[hx-get$='/cost/{SMALL}']")
    for each in cost.locator("xpath=ancestor::details").all():
        each.evaluate("each => { each.open = true }")
    cost.locator("summary").click()
    cost.get_by_role("button", name="Try again").click()
    cost.get_by_text("Multiply-adds").wait_for()
    assert runs == []
