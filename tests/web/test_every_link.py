"""Every link of every page leads somewhere, and in a notebook each of them has the secret path."""

import html
import re

import fake_runs
import pytest
from fake_trainings import make_project
from starlette.testclient import TestClient

from odtk.queue import Job, Queue
from odtk.web.app import create_app
from odtk.web.workspace import Workspace

TOKEN = "a-token-of-the-tests-0123"
NOT_ASKED = r"/live\b|/model$|/model/(summary|preview)|/cost/"  # streams, and what would start TensorFlow
# Texts that are shown, not addresses of the studio.
TEXTS = {"placeholder", "value", "title", "aria-label", "alt", "content"}


@pytest.fixture
def client(tmp_path):
    """Of a notebook's studio, with a run that was evaluated and exported, and one that was not begun."""
    workspace = Workspace(tmp_path / "work")
    done = fake_runs.trained_project(workspace)
    fake_runs.evaluate(done)
    fake_runs.export(done)
    make_project(workspace, "cats")
    (workspace.data / "pets").mkdir(parents=True)
    Queue(workspace.queue_file).put(Job(["doctor"]), name="train:cats")
    app = create_app(workspace, TOKEN, "*", is_token_in_path=True)
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as made:
        yield made


def test_every_link_leads_somewhere_below_the_secret_path(client):
    seen, left, wrong = set(), ["/"], set()
    while left:
        path = left.pop()
        if path in seen or re.search(NOT_ASKED, path.partition("?")[0]):
            continue
        seen.add(path)
        answer = client.get(f"/{TOKEN}{path}")
        if answer.status_code >= 400:
            wrong.add((path, answer.status_code))
        addresses = [("href", answer.headers["location"])] if answer.is_redirect else []
        if answer.headers.get("content-type", "").startswith("text/html") and not path.startswith("/files/"):
            addresses += re.findall(r'\s([\w:-]+)="(/[^"]*)"', answer.text)
        for name, address in addresses:
            if not address.startswith(f"/{TOKEN}/"):
                wrong |= {(path, name, address)} - {(path, text, address) for text in TEXTS}
            elif name in ("href", "src", "hx-get"):
                left.append(html.unescape(address).removeprefix(f"/{TOKEN}").partition("#")[0])
    assert wrong == set()
    assert len(seen) > 25
