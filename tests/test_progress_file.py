"""What a job tells its queue of its progress: a round trip, how often, and what can be in the way."""

import json
import os

import numpy as np
import pytest

from odtk import progress, progress_file
from odtk.progress_file import ProgressFile, ProgressReport


@pytest.fixture
def clock(monkeypatch):
    """`clock(seconds)` moves the monotonic clock by hand."""
    now = [1000.0]
    monkeypatch.setattr(progress_file.time, "monotonic", lambda: now[0])

    def move(seconds):
        now[0] += seconds

    return move


@pytest.mark.parametrize(
    "report",
    [
        ProgressReport("Writing", 0, None, "images"),
        ProgressReport("Training", 40, 600, "steps", 3.1, 181.0, "loss 0.52, Größe\n", 1.5e9),
    ],
)
def test_a_reader_gets_what_was_written(tmp_path, report):
    path = tmp_path / "progress.json"
    assert progress_file.read(path) is None
    ProgressFile(path).offer(lambda: report)
    assert progress_file.read(path) == report


def test_it_is_written_at_once_once_a_second_and_at_the_end(tmp_path, clock):
    path = tmp_path / "progress.json"
    file, seen = ProgressFile(path), []
    for count in range(1, 12):
        file.offer(lambda count=count: ProgressReport("Writing", count, 12, "images"))
        seen.append(progress_file.read(path).completed)
        clock(0.25)
    assert seen == [1] * 4 + [5] * 4 + [9] * 3
    file.offer(lambda: ProgressReport("Writing", 12, 12, "images"), is_last=True)
    assert progress_file.read(path).completed == 12
    assert os.listdir(tmp_path) == ["progress.json"]


def test_a_file_that_cannot_be_written_ends_no_job(tmp_path):
    ProgressFile(tmp_path / "gone" / "progress.json").offer(lambda: ProgressReport("Writing", 1, 2, "images"))
    ProgressFile(None).offer(lambda: pytest.fail("nobody reads it"))


def test_numbers_of_numpy_are_written(tmp_path):
    path = tmp_path / "progress.json"
    ProgressFile(path).offer(lambda: ProgressReport("Writing", np.int64(1), 2, "images", rate=np.float32(0.5)))
    assert (progress_file.read(path).completed, progress_file.read(path).rate) == (1, 0.5)


@pytest.mark.parametrize("text", ["", '{"title": "Wri', "[]", "{}", '{"other": 1}'])
def test_a_file_that_is_no_report_is_none(tmp_path, text):
    (tmp_path / "progress.json").write_text(text)
    assert progress_file.read(tmp_path / "progress.json") is None


def test_what_a_command_shows_is_reported_under_the_variable(tmp_path, clock, monkeypatch, capsys):
    path = tmp_path / "progress.json"
    monkeypatch.setenv(progress_file.VARIABLE, str(path))
    with progress.track("Training", 600, "steps", note="compiling") as bar:
        assert json.loads(path.read_text())["note"] == "compiling"
        clock(10)
        bar.update(40, "loss 0.52")
        report = progress_file.read(path)
        assert (report.completed, report.rate, report.eta, report.note) == (40, 4.0, 140.0, "loss 0.52")
        assert progress.report_line(report) == bar.line()
        clock(0.5)
        bar.update(600)
    report = progress_file.read(path)
    assert (report.completed, report.eta) == (600, None)
    monkeypatch.delenv(progress_file.VARIABLE)
    with progress.track("Evaluating", 5, "images") as bar:
        bar.update(5)
    assert progress_file.read(path) == report
