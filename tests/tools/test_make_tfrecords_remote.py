"""Datasets and records in an object store; ram:// of TensorFlow stands in for one."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from listed_dataset import ListedDataset, draw

from odtk import files
from odtk.errors import DataError
from odtk.tools.make_tfrecords import convert, make_tfrecords

tf = pytest.importorskip("tensorflow")

PETS = Path(__file__).parents[1] / "data" / "pets_mini"


def _upload(folder, remote):
    for path in filter(Path.is_file, sorted(Path(folder).rglob("*"))):
        target = files.join(remote, path.relative_to(folder).as_posix())
        tf.io.gfile.makedirs(target.rpartition("/")[0])
        tf.io.gfile.copy(str(path), target, overwrite=True)


def _files(folder):
    return {name: files.read_bytes(files.join(folder, name)) for name in files.names_in(folder)}


def test_pets_are_converted_from_store_to_store(tmp_path):
    _upload(PETS, "ram://pets")
    here = make_tfrecords(PETS, tmp_path / "out", max_bad_fraction=0.2)
    there = make_tfrecords("ram://pets", "ram://records/pets", max_bad_fraction=0.2)
    ours, theirs = _files(tmp_path / "out"), _files("ram://records/pets")
    assert ours.pop("dataset.json") != theirs.pop("dataset.json")
    assert ours == theirs
    assert there.splits == here.splits
    assert there.records["train"] == "ram://records/pets/pet_faces_train.record-?????-of-00010"
    assert [problem.file for problem in there.skipped] == [
        problem.file.replace(str(PETS), "ram://pets") for problem in here.skipped
    ]


@pytest.fixture
def far(tmp_path, monkeypatch):
    """A dataset in a store, and the folder it was in."""
    dataset = draw(tmp_path / "data")
    _upload(tmp_path / "data", "ram://drawn")

    def open_dataset(folder, format, keep_segmentations):
        moved = [replace(each, entry=_moved(each.entry, dataset.folder, folder)) for each in dataset.listed]
        assert all(Path(each.entry.image_path).exists() for each in moved)
        return ListedDataset(folder, tuple(moved))

    monkeypatch.setattr(convert.formats, "open_dataset", open_dataset)
    yield dataset.folder
    tf.io.gfile.rmtree("ram://drawn")


def _moved(annotation, old, new):
    return replace(annotation, image_path=annotation.image_path.replace(old, str(new)))


@pytest.mark.parametrize("runner", [None, "DirectRunner"])
def test_images_are_read_where_they_are(far, tmp_path, runner):
    if runner:
        pytest.importorskip("apache_beam")
    make_tfrecords(far, tmp_path / "here", "voc")
    shutil.rmtree(far)
    output = f"ram://records/{runner}"
    make_tfrecords("ram://drawn/", output, "voc", runner=runner)
    ours, theirs = _files(tmp_path / "here"), _files(output)
    assert ours.pop("dataset.json") != theirs.pop("dataset.json")
    assert ours == theirs
    make_tfrecords("ram://drawn/", output, "voc", runner=runner, num_shards=2, overwrite=True)
    assert len(_files(output)) == 6


def test_errors_name_the_store(far, tmp_path):
    (tmp_path / "list.txt").write_text("nothing.jpg\n")
    with pytest.raises(DataError, match=r"nothing\.jpg is not an image of ram://drawn"):
        make_tfrecords("ram://drawn", tmp_path / "out", "voc", split={"val": str(tmp_path / "list.txt")})


def test_pets_in_a_store_are_not_for_other_machines(tmp_path):
    _upload(PETS, "ram://pets")
    pytest.importorskip("apache_beam")
    with pytest.raises(DataError, match="An Apache Beam runner cannot convert pets from ram://pets"):
        make_tfrecords("ram://pets", tmp_path / "out", "pets", runner="DirectRunner")
