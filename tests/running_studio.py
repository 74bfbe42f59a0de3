"""A studio that runs in a thread of the test, and requests to it."""

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import jinja2
from starlette.testclient import TestClient

from odtk.web.app import create_app
from odtk.web.server import build_server, listen
from odtk.web.workspace import Workspace


def run_in_thread(coroutine):
    """What a coroutine returns; in a thread, as the loop of another test's browser may run in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


class CompiledTemplates(jinja2.BytecodeCache):
    """The code of the templates, which all studios of a process share: to compile them takes most of a test."""

    def __init__(self):
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket):
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket):
        self._code[bucket.key] = bucket.bytecode_to_string()


_COMPILED = CompiledTemplates()


@dataclass(frozen=True)
class Running:
    """The address of a running studio, and its workspace."""

    address: str
    folder: Path


@contextlib.contextmanager
def running_studio(folder: Path, roots=()) -> Iterator[Running]:
    """Serves `folder` on a free port, in a thread; no TensorFlow is loaded by it."""
    listening, started = listen(port=0), threading.Event()
    server = build_server(Workspace(folder, roots), listening, on_start=started.set)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening.socket])), daemon=True)
    thread.start()
    try:
        assert started.wait(120)
        yield Running(listening.address, folder)
    finally:
        server.should_exit = True
        thread.join(120)
        assert not thread.is_alive()


@contextlib.contextmanager
def studio_process(folder: Path, *words: str, program: Sequence[str] = ("-m", "odtk")) -> Iterator[tuple]:
    """A process of `odtk studio`, and the address that it prints; it is killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, *program, "studio", str(folder), "--port", "0", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stderr
    try:
        line = process.stdout.readline()
        assert line.startswith("Studio: http://"), process.stderr.read()
        yield process, line.removeprefix("Studio: ").strip()
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def client_of(folder: Path, roots=(), token: str | None = None) -> Iterator[TestClient]:
    """A client of a studio without a network; `client.csrf` is the token of its forms, `client.studio` what it has."""
    app = create_app(Workspace(folder, roots), token)
    app.state.studio._templates.bytecode_cache = _COMPILED
    with TestClient(app, base_url="http://localhost", follow_redirects=False, raise_server_exceptions=False) as client:
        client.studio, client.csrf = app.state.studio, app.state.studio.csrf
        yield client


def post(client: TestClient, path: str, /, **fields):
    """Sends a form, as the studio's own page would."""
    return client.post(path, data={"csrf": client.csrf, **fields})
