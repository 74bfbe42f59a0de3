"""Requests that the studio must not answer: foreign hosts and origins, missing tokens."""

import re

import pytest
from running_studio import client_of
from starlette.testclient import TestClient

from odtk.queue import Job, Queue
from odtk.web.app import create_app
from odtk.web.security import Access, csrf_token, host_name, is_equal, is_loopback, is_same_origin
from odtk.web.workspace import Workspace

TOKEN = "a-token-of-the-tests-0123"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """One for all tests here, which leave nothing behind that another one would notice."""
    with client_of(tmp_path_factory.mktemp("open") / "work") as made:
        yield made


@pytest.fixture(scope="module")
def one_guarded(tmp_path_factory):
    with client_of(tmp_path_factory.mktemp("guarded") / "work", token=TOKEN) as made:
        yield made


@pytest.fixture
def guarded(one_guarded):
    """A studio with a token, and a browser that was never there."""
    one_guarded.cookies.clear()
    return one_guarded


# --- hosts


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8765", "LOCALHOST.", "127.0.0.1:8765", "127.9.9.9", "[::1]:8765", "studio.localhost:80"],
)
def test_names_of_this_machine_are_answered(client, host):
    assert client.get("/jobs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example:8765",
        "127.0.0.1.evil.example",
        "127.1",
        "2130706433",
        "0.0.0.0:8765",
        "[::]:8765",
        "[::ffff:10.0.0.1]",
        "10.0.0.1",
        "evil.example@localhost",
        "localhost/evil",
        "localhost:8765:80",
        "[::1",
        "",
    ],
)
def test_other_hosts_are_refused(client, host):
    answer = client.get("/jobs", headers={"host": host})
    assert answer.status_code == 421
    assert "localhost only" in answer.text


def test_hosts_are_read_as_browsers_mean_them():
    assert host_name("[::1]:80") == "[::1]"
    assert is_loopback("::1")
    assert not is_loopback("::")
    assert not is_loopback("")


# --- the token


@pytest.mark.parametrize("path", ["/", "/jobs", "/static/studio.css", "/report.css", "/files/x", "/none", "/jobs/live"])
def test_nothing_is_answered_without_the_token(guarded, path):
    assert guarded.get(path).status_code == 401


@pytest.mark.parametrize("given", ["", "x", TOKEN[:-1], TOKEN + "x", "ä" * 25, "\udce4"])
def test_a_wrong_token_of_any_kind_is_refused(guarded, given):
    assert guarded.get("/jobs", params={"token": given.encode(errors="replace").decode()}).status_code == 401
    assert not is_equal(given, TOKEN)


def test_no_secret_is_never_the_right_one():
    assert not is_equal(None, "")
    assert not is_equal("", "")
    with pytest.raises(ValueError, match="at least 16"):
        Access(token="")


def test_headers_that_are_no_ascii_are_refused_not_tripped_over(guarded):
    for headers in ({"authorization": b"Bearer \xff\xfe"}, {"cookie": b"odtk_studio=\xff"}, {"authorization": b"\xff"}):
        assert guarded.get("/jobs", headers=headers).status_code == 401


def test_one_visit_with_the_token_sets_a_cookie_and_takes_it_out_of_the_address(guarded):
    answer = guarded.get(f"/jobs?token={TOKEN}&page=2")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/jobs?page=2"
    name, flags = re.fullmatch(rf"(odtk_studio_[0-9a-f]{{8}})={TOKEN}; (.*)", answer.headers["set-cookie"]).groups()
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(flags.split("; "))
    assert guarded.get("/jobs").status_code == 200
    assert list(guarded.cookies) == [name]


def test_workspaces_have_cookies_of_their_own(tmp_path):
    """Browsers do not keep the cookies of two ports of one host apart."""
    names = []
    for folder in ("one", "two"):
        with client_of(tmp_path / folder, token=TOKEN) as made:
            made.get(f"/?token={TOKEN}")
            names += list(made.cookies)
    assert len(set(names)) == 2


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "//\\evil.example", "/%2f%2fevil.example"])
def test_the_token_sends_to_no_other_site(guarded, path):
    answer = guarded.get(f"http://localhost{path}?token={TOKEN}")
    assert re.match(r"/(?![/\\])", answer.headers["location"])


def test_programs_send_the_token_as_a_header(guarded):
    assert guarded.get("/jobs", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert guarded.get("/jobs", headers={"authorization": f"Basic {TOKEN}"}).status_code == 401


def test_a_studio_with_a_token_may_be_behind_a_proxy(guarded):
    headers = {"host": "studio.example", "authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/jobs", headers=headers).status_code == 200
    # The proxy asks for another host than the browser did, which says itself that both are of one origin.
    origin = {"origin": "https://outside.example", "x-csrf-token": guarded.csrf}
    assert guarded.post("/jobs/1/cancel", headers=headers | origin).status_code == 403
    own = headers | origin | {"sec-fetch-site": "same-origin"}
    assert guarded.post("/jobs/1/cancel", headers=own).status_code == 400  # there is no such job


# --- origins


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://localhost:3000"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "file://"},
        {"origin": "http://["},
        {"origin": "http://localhost", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"referer": "http://evil.example/localhost"},
        {"referer": "https://localhost:1/"},
    ],
)
def test_forms_of_other_origins_are_refused(client, headers):
    assert client.post("/jobs/1/cancel", data={"csrf": client.csrf}, headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"origin": "http://localhost"}, {"referer": "http://localhost/jobs?x=1"}])
def test_forms_of_the_studio_are_taken(client, headers):
    number = Queue(client.studio.workspace.queue_file).put(Job(["doctor"]))
    data = {"csrf": client.csrf}
    assert client.post(f"/jobs/{number}/cancel", data=data, headers=headers).status_code == 303


def test_no_host_is_no_origin():
    assert not is_same_origin({"origin": "null", "host": ""})
    assert not is_same_origin({"origin": "http://", "host": ""})


@pytest.mark.parametrize("given", [None, "", "0" * 64, "ä", csrf_token(b"another workspace's")])
def test_forms_need_the_csrf_token_of_the_workspace(client, given):
    data = {} if given is None else {"csrf": given}
    answer = client.post("/jobs/1/cancel", data=data)
    assert answer.status_code == 403
    assert "Reload the page" in answer.text
    assert client.post("/jobs/99/cancel", files={"csrf": b"x"}).status_code == 403


def test_pages_of_other_sites_may_link_here_but_load_nothing(client):
    site = {"sec-fetch-site": "cross-site"}
    link = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/jobs", headers=site | link).status_code == 200
    for loaded in ({"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, link | {"sec-fetch-dest": "iframe"}, {}):
        assert client.get("/jobs", headers=site | loaded).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND"])
def test_other_methods_do_nothing(client, method):
    assert client.request(method, "/jobs").status_code == 405
    assert client.request(method, "/jobs/1/cancel").status_code == 405


def test_head_is_answered_without_a_body(client):
    for path in ("/", "/jobs/live", "/static/studio.css"):
        answer = client.head(path)
        assert answer.status_code == 200
        assert answer.content == b""


# --- headers of answers


def test_every_answer_has_the_policy(client, monkeypatch):
    monkeypatch.setattr("odtk.web.pages.jobs.job_lines", lambda jobs: 1 / 0)
    statuses = set()
    for path, headers in (("/", {}), ("/nowhere", {}), ("/jobs", {}), ("/files/../x", {}), ("/", {"host": "evil"})):
        answer = client.get(path, headers=headers)
        statuses.add(answer.status_code)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "frame-ancestors 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
    assert statuses == {200, 404, 421, 500}


def test_an_unexpected_error_is_escaped(client, monkeypatch):
    def fail(jobs):
        raise RuntimeError("<script>alert(1)</script>")

    monkeypatch.setattr("odtk.web.pages.jobs.job_lines", fail)
    answer = client.get("/jobs")
    assert answer.status_code == 500
    assert "&lt;script&gt;alert" in answer.text
    assert "<script>alert" not in answer.text


def test_behind_a_proxy_the_cookie_is_of_its_path(tmp_path):
    token = "a-token-of-the-tests-0123"
    app = create_app(Workspace(tmp_path), token, root="/studio")
    with TestClient(app, base_url="https://proxy.example", follow_redirects=False) as client:
        answer = client.get(f"/jobs?token={token}")
        assert answer.headers["location"] == "/studio/jobs"
        assert "Path=/studio;" in answer.headers["set-cookie"]
        page = client.get("/studio/jobs")
        assert page.status_code == 200
        assert 'href="/studio/static/studio.css"' in page.text
