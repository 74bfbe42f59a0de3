"""A disk of one megabyte, for tests of what happens when it is full."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int = 1024, options: str = "") -> Iterator[Path]:
    """Mounts a disk in memory at `folder`; skips the test where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k{options}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def odtk(*args, **how) -> subprocess.CompletedProcess:
    """Runs `odtk` in a process of its own."""
    command = [sys.executable, "-m", "odtk", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **how)


def assert_said(done: subprocess.CompletedProcess, place: Path, reason: str = "no space is left on its disk") -> None:
    """One paragraph that names the place and the reason, and is no bug report."""
    assert done.returncode == 1, done.stdout + done.stderr
    error = done.stderr[done.stderr.index("error: ") :]
    assert len(error.strip().splitlines()) == 1, error
    assert str(place) in error, error
    assert reason in error, error
    assert "unexpected" not in error, error
    assert ".part" not in error, error
