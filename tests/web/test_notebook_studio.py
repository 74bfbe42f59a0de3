"""`odtk.studio()` in a cell: in a process of its own, behind a secret path, shown on Colab and in Jupyter."""

import http.server
import os
import socket
import sys
import threading
import types
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

import odtk
from odtk.errors import OdtkError
from odtk.queue import Job, Queue
from odtk.web.app import create_app
from odtk.web.notebook import _ANCESTORS
from odtk.web.server import listen
from odtk.web.workspace import Workspace

TOKEN = "a-token-of-the-tests-0123"


@pytest.fixture
def shown(monkeypatch):
    """A kernel of Jupyter; the frames that it shows."""
    frames = []
    ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    display.IFrame = lambda address, width, height: (address, width, height)
    display.display = frames.append
    ipython.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return frames


@pytest.fixture
def colab(monkeypatch):
    """A kernel of Colab; the ports that it shows."""
    ports = []
    google, module, output = (types.ModuleType(name) for name in ("google", "google.colab", "google.colab.output"))
    output.serve_kernel_port_as_iframe = lambda port, path="/", width="100%", height="400", cache_in_notebook=False: (
        ports.append((port, path, height))
    )
    module.output, google.colab = output, module
    for each in (google, module, output):
        monkeypatch.setitem(sys.modules, each.__name__, each)
    return ports


def test_a_cell_shows_it_and_its_next_run_the_same_one(tmp_path, shown, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = odtk.studio()
    try:
        assert odtk.studio(height=500) is first
        assert shown == [(first.address, "100%", 800), (first.address, "100%", 500)]
        answer = urllib.request.urlopen(first.address, timeout=120)
        page, parts = answer.read().decode(), urlsplit(first.address)
        assert f'href="{parts.path}static/studio.css"' in page
        assert (tmp_path / "studio/.odtk-studio").is_dir()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://{parts.netloc}/", timeout=120)
        with pytest.raises(OdtkError, match="runs already, without"):
            odtk.studio(roots=[tmp_path])
        # Another kernel's.
        monkeypatch.setattr("odtk.web.notebook._running", {})
        with pytest.raises(OdtkError, match="runs already"):
            odtk.studio()
    finally:
        first.stop()
    assert first.process.returncode == 0


def test_on_colab_its_proxy_shows_the_port(tmp_path, colab, monkeypatch):
    answers = []
    monkeypatch.setattr(
        "odtk.web.notebook._start",
        lambda folder, port, roots: (
            answers.append((folder, port, roots))
            or odtk.web.notebook.NotebookStudio(folder, f"http://127.0.0.1:5050/{TOKEN}/", types.SimpleNamespace())
        ),
    )
    monkeypatch.setattr("odtk.web.notebook._running", {})
    found = odtk.studio(tmp_path / "work", roots=["/content"])
    assert colab == [(5050, f"/{TOKEN}/", "800")]
    assert answers == [(str(tmp_path / "work"), 0, ["/content"])]
    assert TOKEN in found.address


@pytest.fixture
def behind_a_path(tmp_path):
    """Requests to a notebook's studio."""
    app = create_app(Workspace(tmp_path / "work"), TOKEN, _ANCESTORS, is_token_in_path=True)
    with TestClient(app, base_url="https://proxy.example", follow_redirects=False) as client:
        client.studio = app.state.studio
        yield client


def test_every_address_of_a_page_has_the_secret_path(behind_a_path):
    queue = Queue(behind_a_path.studio.workspace.queue_file)
    queue.put(Job(["doctor", 'x" href="/evil']))
    for path in ("/", "/jobs", "/jobs/1", "/nowhere"):
        text = behind_a_path.get(f"/{TOKEN}{path}").text
        addresses = [part.partition('"')[0] for part in text.split('="/')[1:]]
        assert len(addresses) > 5
        assert all(address.startswith(f"{TOKEN}/") for address in addresses)
        assert f"/{TOKEN}/evil" not in text


@pytest.mark.parametrize(
    "path", ["/", "/jobs", f"//{TOKEN}/jobs", f"/{TOKEN}x/jobs", f"/{TOKEN[:-1]}/jobs", "/static/x"]
)
def test_without_the_path_nothing_is_answered(behind_a_path, path):
    for headers in ({}, {"authorization": f"Bearer {TOKEN}"}, {"cookie": f"odtk_studio={TOKEN}"}):
        assert behind_a_path.get(f"https://proxy.example{path}", headers=headers).status_code == 401
    assert behind_a_path.get(f"https://proxy.example{path}?token={TOKEN}").status_code == 401


def test_redirects_stay_below_the_path(behind_a_path):
    assert behind_a_path.get(f"/{TOKEN}").headers["location"] == f"/{TOKEN}/"
    number = Queue(behind_a_path.studio.workspace.queue_file).put(Job(["doctor"]))
    data, here = {"csrf": behind_a_path.studio.csrf}, {"sec-fetch-site": "same-origin"}
    answer = behind_a_path.post(f"/{TOKEN}/jobs/{number}/cancel", data=data, headers=here)
    assert answer.headers["location"] == f"/{TOKEN}/jobs"
    answer = behind_a_path.post(f"/{TOKEN}/jobs/{number}/retry", data=data, headers=here | {"hx-request": "true"})
    assert answer.headers["hx-redirect"] == f"/{TOKEN}/jobs"
    assert behind_a_path.post(f"/{TOKEN}/jobs/{number}/cancel", data=data | {"csrf": ""}).status_code == 403


def test_a_proxy_may_have_another_host_than_the_page(behind_a_path):
    """Colab's: the browser asks an address of its own, and the studio is asked for localhost."""
    number = Queue(behind_a_path.studio.workspace.queue_file).put(Job(["doctor"]))
    data, page = {"csrf": behind_a_path.studio.csrf}, {"origin": "https://x-5050-colab.googleusercontent.com"}
    for headers, status in ((page | {"sec-fetch-site": "cross-site"}, 403), (page, 303)):
        answer = behind_a_path.post(f"/{TOKEN}/jobs/{number}/cancel", data=data, headers=headers)
        assert answer.status_code == status


def test_frames_of_notebooks_may_show_it_and_others_not(behind_a_path, client):
    frame = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    answer = behind_a_path.get(f"/{TOKEN}/", headers=frame)
    assert answer.status_code == 200
    assert f"frame-ancestors {_ANCESTORS}" in answer.headers["content-security-policy"]
    assert client.get("/", headers=frame).status_code == 403
    assert "set-cookie" not in answer.headers


def test_it_works_in_a_frame_of_another_site(chromium, tmp_path):
    """localhost and 127.0.0.1 are two sites to a browser: cookies would not be sent."""
    found = odtk.studio(tmp_path / "work")
    (tmp_path / "index.html").write_text(f'<iframe src="{found.address}jobs" width="900" height="600"></iframe>')
    handler = lambda *args: http.server.SimpleHTTPRequestHandler(*args, directory=str(tmp_path))  # noqa: E731
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as notebook:
        threading.Thread(target=notebook.serve_forever, daemon=True).start()
        try:
            context = chromium.new_context()
            page = context.new_page()
            page.goto(f"http://localhost:{notebook.server_port}/")
            frame = page.frame_locator("iframe")
            frame.get_by_text("No job has run yet.").wait_for()
            Queue(tmp_path / "work/queue.db").put(Job(["doctor"]), name="look")
            frame.get_by_role("button", name="Stop").click()
            frame.get_by_text("cancelled").wait_for()
            context.close()
        finally:
            notebook.shutdown()
            found.stop()


WITHOUT_UVICORN = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "uvicorn" else find(name, *rest)
"""


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_UVICORN)
    with pytest.raises(OdtkError, match=r"needs uvicorn. Install it: pip install 'odtk\[studio\]'"):
        odtk.studio(tmp_path / "work")


def test_a_port_that_cannot_be_had_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OdtkError, match=f"Port {port} is in use"):
            odtk.studio(tmp_path / "work", port=port)


HUB = "/user/a%40b/proxy/5050"


@pytest.mark.parametrize(
    "given", [HUB, ""], ids=["a proxy that keeps the path", "jupyter-server-proxy, which takes it"]
)
def test_behind_a_hub_every_address_is_of_the_hub(tmp_path, given):
    app = create_app(Workspace(tmp_path / "work"), TOKEN, _ANCESTORS, is_token_in_path=True, root=HUB)
    with TestClient(app, base_url="https://hub.example", follow_redirects=False) as client:
        page = client.get(f"{given}/{TOKEN}/jobs")
        assert page.status_code == 200
        assert f'href="{HUB}/{TOKEN}/static/studio.css"' in page.text
        addresses = [part.partition('"')[0] for part in page.text.split('="/')[1:]]
        assert all(address.startswith(f"{HUB[1:]}/{TOKEN}/") for address in addresses)
        assert client.get(f"{given}/{TOKEN}/static/studio.css").status_code == 200
        assert client.get(f"{given}/{TOKEN}").headers["location"] == f"{HUB}/{TOKEN}/"
        answer = client.post(f"{given}/{TOKEN}/jobs/work", data={"csrf": app.state.studio.csrf})
        assert answer.headers["location"] == f"{HUB}/{TOKEN}/jobs"
        assert client.get(f"{given}/").status_code == client.get(f"{HUB}x/{TOKEN}/jobs").status_code == 401


def test_on_a_hub_the_frame_has_the_path_of_its_proxy(tmp_path, shown, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    found = odtk.studio(tmp_path / "work")
    try:
        parts = urlsplit(found.address)
        assert parts.path.startswith(f"/user/ada/proxy/{parts.port}/")
        assert shown == [(parts.path, "100%", 800)]
        assert (
            f'href="{parts.path}static/studio.css"'
            in urllib.request.urlopen(found.address, timeout=120).read().decode()
        )
    finally:
        found.stop()


@pytest.mark.parametrize(
    "root", ["studio", "//evil.example", "/a/../b", '/"x', "/a//b", "/a b", "/a/%2e%2e/b", "/a%2Fb", "/data", "/jobs/x"]
)
def test_what_is_no_path_of_a_proxy_is_refused(root):
    with pytest.raises(OdtkError, match="is no path at which a proxy"):
        listen(port=0, root=root)
