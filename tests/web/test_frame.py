"""What all pages of the studio have: the layout, the style, errors, and jobs that change by themselves."""

import re

import pytest
from patience import MILLISECONDS
from running_studio import post

from odtk.queue import Job, Queue


def test_the_overview_of_an_empty_workspace_says_where_to_begin(client):
    answer = client.get("/")
    assert answer.status_code == 200
    assert 'href="/data"' in answer.text
    assert str(client.studio.workspace.folder) in answer.text


def test_an_error_is_a_page_with_its_words(client):
    answer = client.get("/jobs/7")
    assert answer.status_code == 400
    assert "The queue has no job 7" in answer.text


def test_a_number_that_no_queue_can_have_is_no_job(client):
    for path in ("", "/live"):
        answer = client.get(f"/jobs/{10**20}{path}")
        assert "live" in path or answer.status_code == 400
    assert "The queue has no job 1000" in post(client, f"/jobs/{10**20}/cancel").text


def test_pages_that_cannot_be_imported_are_an_error_behind_the_guard(client, monkeypatch):
    loaded, routes = client.app._loading, client.app.router.routes
    client.app._loading, client.app.router.routes = None, routes[:1]

    def fail():
        raise ImportError("no such module")

    with monkeypatch.context() as patch:
        patch.setattr("odtk.web.app._routes", fail)
        assert client.get("/", headers={"host": "evil.example"}).status_code == 421
        answer = client.get("/")
    assert answer.status_code == 500
    assert "no such module" in answer.text
    assert "default-src" in answer.headers["content-security-policy"]
    assert client.get("/").status_code == 200
    assert loaded is not client.app._loading


def test_an_error_of_htmx_is_a_piece(client):
    answer = client.get("/jobs/7", headers={"hx-request": "true"})
    assert "The queue has no job 7" in answer.text
    assert "<html" not in answer.text


def test_a_job_is_shown_and_stopped(client):
    number = Queue(client.studio.workspace.queue_file).put(Job(["doctor"]))
    assert "odtk doctor" in client.get("/jobs").text
    assert post(client, f"/jobs/{number}/cancel").headers["location"] == "/jobs"
    assert "state-cancelled" in client.get(f"/jobs/{number}").text


def test_the_table_of_jobs_changes_by_itself(page, studio):
    page.goto("/jobs")
    assert page.get_by_text("No job has run yet.").is_visible()
    Queue(studio.folder / "queue.db").put(Job(["doctor"]), name="look")
    page.get_by_role("link", name=re.compile("look")).wait_for()
    assert page.locator("html").evaluate("e => e.scrollWidth <= innerWidth")


SHOW = """hidden => {
  Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_tab_that_is_not_shown_holds_no_connection(page, studio):
    """Browsers allow six for a host: as many tabs with events would leave none for pages."""
    page.goto("/jobs")
    page.wait_for_timeout(500)
    page.evaluate(SHOW, True)
    page.wait_for_timeout(1500)
    Queue(studio.folder / "queue.db").put(Job(["doctor"]), name="look")
    page.wait_for_timeout(1500)
    assert page.get_by_text("No job has run yet.").is_visible()
    page.evaluate(SHOW, False)
    page.get_by_role("link", name=re.compile("look")).wait_for()


def test_a_tab_that_is_shown_again_keeps_what_did_not_change(page, studio):
    with page.expect_response("**/jobs/live"):
        page.goto("/jobs")
    page.wait_for_timeout(500)
    piece = page.locator("[sse-swap=jobs] > *").first
    piece.evaluate("each => each.dataset.kept = 'yes'")
    page.evaluate(SHOW, True)
    page.wait_for_timeout(1200)
    with page.expect_response("**/jobs/live"):
        page.evaluate(SHOW, False)
    page.wait_for_timeout(500)
    assert piece.get_attribute("data-kept") == "yes"
    Queue(studio.folder / "queue.db").put(Job(["doctor"]), name="look")
    page.get_by_role("link", name=re.compile("look")).wait_for()


@pytest.mark.slow
def test_tabs_beyond_six_load_when_the_others_are_not_shown(chromium, studio):
    context = chromium.new_context(base_url=studio.address)
    for _ in range(8):
        tab = context.new_page()
        tab.goto("/jobs", timeout=MILLISECONDS)
        tab.evaluate(SHOW, True)
        tab.wait_for_timeout(1100)
    context.close()
