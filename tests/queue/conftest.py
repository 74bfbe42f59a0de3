"""Queues whose jobs are lines of a shell: `python` is a script that runs what stands after `-m odtk`."""

import os
import tempfile
from pathlib import Path

import patience
import pytest

import odtk


@pytest.fixture
def tmp_path(tmp_path):
    """In memory where there is such a disk: a queue waits at each change until it is on the disk."""
    if not os.path.isdir("/dev/shm"):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="odtk-test-", dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def queue(tmp_path):
    return odtk.Queue(tmp_path / "queue.db")


@pytest.fixture
def shell(tmp_path):
    """Makes a job of a line of a shell."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nshift 2\nexec sh -c "$@"\n')
    python.chmod(0o755)
    return lambda line, **how: odtk.Job([line], python=str(python), folder=str(tmp_path), **how)


@pytest.fixture
def until():
    """Waits for something to become true."""
    return patience.until


@pytest.fixture
def background(queue):
    """Starts a worker in the background; all of them are stopped at the end."""
    yield lambda **how: queue.start(grace=how.pop("grace", 30.0), **how)
    queue.stop(now=True)
