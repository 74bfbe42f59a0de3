import subprocess
import sys
from pathlib import Path

import pytest
from listed_dataset import draw

from odtk.errors import DataError, OdtkError
from odtk.tools.make_tfrecords import convert, dataset_plan, make_tfrecords

pytest.importorskip("apache_beam")

PETS = Path(__file__).parents[1] / "data" / "pets_mini"


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    dataset = draw(tmp_path / "data").with_entry(7, "its <bndbox> has no <xmin>.")
    monkeypatch.setattr(convert.formats, "open_dataset", lambda *_, **__: dataset)
    return dataset


def _files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "dataset.json"}


@pytest.mark.parametrize("format", ["voc", "pets"])
def test_shards_and_counts_are_those_of_a_conversion_here(drawn, tmp_path, format):
    folder = PETS if format == "pets" else drawn.folder
    settings = {"num_shards": 3, "max_bad_fraction": 0.2}
    here = make_tfrecords(folder, tmp_path / "here", format, **settings)
    there = make_tfrecords(folder, tmp_path / "there", format, runner="DirectRunner", **settings)
    assert _files(tmp_path / "here") == _files(tmp_path / "there")
    for name in ("splits", "listed", "written", "repaired", "skipped", "bad_images", "problems", "duplicates"):
        assert getattr(here, name) == getattr(there, name)


def test_an_error_on_a_worker_is_told_and_leaves_nothing(drawn, tmp_path, monkeypatch):
    def fail(self, item):
        raise DataError("the data changed")

    monkeypatch.setattr(dataset_plan._Encoder, "__call__", fail)
    with pytest.raises(DataError, match="the data changed"):
        make_tfrecords(drawn.folder, tmp_path / "out", "voc", runner="DirectRunner")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_runner_that_there_is_not_is_told(drawn, tmp_path):
    with pytest.raises(OdtkError, match="Apache Beam failed: Unexpected pipeline runner: NoRunner"):
        make_tfrecords(drawn.folder, tmp_path / "out", "voc", runner="NoRunner")


def test_the_command_passes_options_on(tmp_path):
    command = ["odtk", "make-tfrecords", str(PETS), str(tmp_path / "out"), "--max-bad-fraction", "0.2"]
    options = ["--runner", "DirectRunner", "--", "--direct_num_workers=2", "--direct_running_mode=multi_threading"]
    subprocess.run([sys.executable, "-m", *command, *options], check=True, cwd=PETS.parents[2])
    assert len(list((tmp_path / "out").glob("*.record-*"))) == 20
