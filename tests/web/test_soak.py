"""Half an hour of tabs, event streams, uploads and pages: memory, file descriptors and threads stay where they are.

A run grows meanwhile, whose page, model and comparison are looked at; its config is changed, which makes architectures
(by commands that load TensorFlow), and a dataset is inspected again, whose gallery is then drawn again.

ODTK_SOAK_MINUTES=5 makes it shorter; the figures are printed (pytest -s).
"""

import contextlib
import io
import itertools
import os
import re
import shutil
import socket
import statistics
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile

import drawn_field
import psutil
import pytest
from fake_trainings import FakeRun, finished_run, make_project
from running_studio import studio_process

from odtk.queue import Job, Queue
from odtk.web.workspace import Workspace

MINUTES = float(os.environ.get("ODTK_SOAK_MINUTES", "30"))
TRAINING, MODEL, COMPARE, GALLERY = (
    "/projects/live/training", "/projects/live/model", "/compare?projects=live,ended", "/data/look?path=data/drawn",
)  # fmt: skip
PAGES = (
    "/", "/data", "/projects", "/jobs", "/static/studio.css", "/report.css", "/nowhere", "/files/notes.txt",
    TRAINING, MODEL, f"{MODEL}/text", COMPARE, GALLERY, "/projects/live/results", "/projects/live/take-away",
)  # fmt: skip
STREAMS = ("/jobs/live", "/projects/live/training/live", "/compare/live?projects=live,ended")
PICTURES = 24

pytestmark = pytest.mark.slow


class Visitor:
    """Does one thing after the other in a thread, until the end; what went wrong is in `problems`."""

    def __init__(self, action, end):
        self.problems, self.times = [], 0
        self._action, self._end = action, end
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self):
        while time.monotonic() < self._end:
            try:
                self._action()
                self.times += 1
            except Exception as error:
                self.problems.append(repr(error))
                time.sleep(1)


class Site:
    """A studio as its users' browsers see it."""

    def __init__(self, address, archive):
        self.address, self._archive = address.rstrip("/"), archive
        parts = urllib.parse.urlsplit(address)
        self._place, self._number = (parts.hostname, parts.port), 0
        self.pictures = 0
        self._streams, self._steps = itertools.cycle(STREAMS), itertools.cycle(range(201, 211))

    def get(self, path):
        return self.read(path).decode()

    def read(self, path):
        try:
            return urllib.request.urlopen(self.address + path, timeout=60).read()
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return b""

    def post(self, path, page, /, **fields):
        """Sends a form of a page, with its token and the text that it was made of."""
        hidden = dict(re.findall(r'name="(csrf|loaded)" value="(\w+)"', self.get(page)))
        body = urllib.parse.urlencode({**hidden, **fields}).encode()
        assert urllib.request.urlopen(self.address + path, body, timeout=60).status == 200

    def change(self):
        """Another number of steps in the config, whose check and architecture follow."""
        self.post(MODEL, MODEL, **{"f:train_config.num_steps": str(next(self._steps))})
        time.sleep(15)

    def inspect(self):
        """The dataset once more; its pictures are drawn again behind it."""
        self.post("/data/inspect", "/data", path="data/drawn")
        time.sleep(40)

    def browse(self):
        """The gallery, and all its pictures, small and large."""
        found = self.get(f"/data/gallery?{GALLERY.partition('?')[2]}")
        for address in re.findall(r'src="(/data/image.jpg[^"]*)"', found):
            small = self.read(address.replace("&amp;", "&"))
            self.pictures += len(small) > 0
            self.read(address.replace("&amp;", "&") + "&large")
        time.sleep(1)

    def look(self):
        """All pages."""
        for path in PAGES:
            self.get(path)
        time.sleep(0.2)

    def listen(self):
        """An event stream that is left without a word, as by a browser that is closed."""
        with socket.create_connection(self._place, timeout=60) as connection:
            connection.sendall(f"GET {next(self._streams)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert b"200 OK" in connection.recv(65536)
            time.sleep(1)

    def upload(self):
        """A zip, to a dataset of its own."""
        self._number += 1
        csrf = re.search(r'name="csrf" value="(\w+)"', self.get("/data"))[1]
        fields = {"csrf": csrf, "name": f"upload{self._number}"}
        body = b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode())
            for name, value in fields.items()
        )
        body += b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n' + self._archive
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        request = urllib.request.Request(f"{self.address}/data/upload", body + b"\r\n--x--\r\n", headers)
        assert urllib.request.urlopen(request, timeout=60).status == 200
        time.sleep(2)


def zipped(folder):
    drawn_field.write_voc(folder, drawn_field.pictures(4))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    shutil.rmtree(folder)
    return file.getvalue()


class Training:
    """A run that a process seems to train: rows each second, an evaluation now and then."""

    def __init__(self, project):
        self._run, self._step = FakeRun(project), 0
        self._run.begin()
        self._run.lock()
        self._run.picture("batches/first.png", "olive")

    def train(self):
        """One more row."""
        self._step += 1
        self._run.train(self._step)
        if self._step % 20 == 0:
            self._run.evaluate(self._step, min(self._step / 2000, 0.9))
        time.sleep(1)


def open_and_close_tabs(chromium, site):
    """Tabs on pages with events and of much that is drawn, for a moment."""
    context = chromium.new_context()
    for path in ("/jobs", "/data", TRAINING, MODEL, COMPARE, GALLERY):
        tab = context.new_page()
        tab.goto(site.address + path, timeout=60_000)
        tab.wait_for_timeout(500)
    context.close()


def measure(process):
    return process.memory_info().rss / 1e6, process.num_fds(), process.num_threads()


def quarter(figures, index):
    """The medians of one quarter of the time."""
    size = len(figures) // 4
    return [statistics.median(column) for column in zip(*figures[index * size : (index + 1) * size], strict=True)]


def test_half_an_hour_of_visits_leaves_nothing_behind(tmp_path, chromium):
    folder = tmp_path / "work"
    queue, number = Queue(folder / "queue.db"), 0
    (folder / "notes.txt").write_text("notes\n" * 1000)
    workspace = Workspace(folder)
    training = Training(make_project(workspace, "live"))
    finished_run(make_project(workspace, "ended"))
    drawn_field.write_voc(folder / "data" / "drawn", drawn_field.pictures(PICTURES))
    with studio_process(folder) as (started, address), contextlib.ExitStack() as stack:
        process, site = psutil.Process(started.pid), Site(address, zipped(tmp_path / "drawn"))
        end, figures = time.monotonic() + MINUTES * 60, []
        actions = [site.look, site.look, *[site.listen] * 6, site.upload, site.change, site.inspect, site.browse]
        actions.append(training.train)
        visitors = [Visitor(action, end) for action in actions]
        stack.callback(lambda: [visitor.thread.join(60) for visitor in visitors])
        while time.monotonic() < end:
            open_and_close_tabs(chromium, site)
            # Events have something to say.
            number = queue.put(Job(["doctor"]))
            queue.cancel(number)
            queue.clear()
            figures.append(measure(process))
            for path in folder.glob("data/upload*"):
                if path.stat().st_mtime < time.time() - 30:
                    shutil.rmtree(path)
        for visitor in visitors:
            visitor.thread.join(60)
        time.sleep(20)  # the last connections are closed
        last = measure(process)
        counts = {action.__name__: visitor.times for action, visitor in zip(actions, visitors, strict=True)}
        early, late = quarter(figures, 1), quarter(figures, 3)
        print(f"\n{MINUTES} minutes, {number} rounds of tabs, {counts}, {site.pictures} pictures")
        print(f"MB, descriptors, threads: first {figures[0]}, 2nd quarter {early}, 4th quarter {late}, at rest {last}")
        assert [problem for visitor in visitors for problem in visitor.problems] == []
        assert min(*counts.values(), site.pictures) > 0
        assert late[0] < early[0] * 1.1 + 5
        assert late[1] <= early[1] + 10
        assert late[2] <= early[2] + 4
        assert last[1] <= early[1]
