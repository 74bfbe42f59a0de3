"""A queue that one process opens twice, as a notebook does: what it adds later is not lost to other processes."""

import subprocess
import sys

import odtk

COUNT = "import sys, odtk; queue = odtk.Queue(sys.argv[1]); print(len(queue.jobs()))"


def count_elsewhere(path) -> int:
    return int(subprocess.run([sys.executable, "-c", COUNT, str(path)], check=True, capture_output=True).stdout)


def test_another_process_that_comes_and_goes_takes_nothing_along(tmp_path):
    path = tmp_path / "queue.db"
    first = odtk.Queue(path)
    first.put(odtk.Job(["doctor"]))
    second = odtk.Queue(path)
    assert count_elsewhere(path) == 1
    first.put(odtk.Job(["doctor"]))
    assert len(second.jobs()) == 2
    assert count_elsewhere(path) == 2
