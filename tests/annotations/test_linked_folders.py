import os

import pytest

from odtk.annotations import data_folder
from odtk.annotations.annotated_image import UnusableImage
from odtk.annotations.data_folder import DataFolder


@pytest.fixture
def folder(tmp_path):
    for name in ("data/a.xml", "data/images/1.jpg", "disk/photos/2.jpg", "disk/photos/more/3.jpg", "disk/secret.xml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path / "data"


def _said(files):
    return [problem.text.split(": ")[-1] for problem in files.problems if problem.kind == "linked folder not read"]


def test_a_linked_folder_is_read(folder, tmp_path):
    (folder / "train").mkdir()
    (folder / "train/linked").symlink_to(tmp_path / "disk/photos")
    files = DataFolder(folder)
    assert files.files == ["a.xml", "images/1.jpg", "train/linked/2.jpg", "train/linked/more/3.jpg"]
    assert data_folder.read_bytes(files.path, "train/linked/more/3.jpg") == b"disk/photos/more/3.jpg"
    assert [problem.kind for problem in files.problems] == ["linked folder"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (".", "that folder contains the data set itself."),
        ("..", "that folder contains the data set itself."),
        ("/", "that folder contains the data set itself."),
        ("images", "its files are in the data set's folder already."),
        ("../nowhere", "there is no such folder."),
    ],
)
def test_links_that_lead_in_circles_or_nowhere_are_named(folder, target, said):
    (folder / "link").symlink_to(target)
    files = DataFolder(folder)
    assert files.files == ["a.xml", "images/1.jpg"]
    assert _said(files) == [said]
    with pytest.raises(UnusableImage):
        data_folder.read_bytes(files.path, "link/disk/secret.xml" if target == ".." else "link/2.jpg")


def test_a_folder_that_two_links_lead_to_is_read_once(folder, tmp_path):
    (folder / "b").symlink_to(tmp_path / "disk")
    (folder / "c").symlink_to(tmp_path / "disk/photos")
    files = DataFolder(folder)
    assert files.files == ["a.xml", "b/photos/2.jpg", "b/photos/more/3.jpg", "b/secret.xml", "images/1.jpg"]
    assert _said(files) == ["b is already a link to files in it."]


def test_a_link_below_a_link_and_a_linked_file_do_not_lead_out(folder, tmp_path):
    (folder / "linked").symlink_to(tmp_path / "disk/photos")
    (tmp_path / "disk/photos/up").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/photos/4.jpg").symlink_to(tmp_path / "disk/secret.xml")
    (folder / "b.xml").symlink_to(tmp_path / "disk/secret.xml")
    assert "linked/up/secret.xml" not in DataFolder(folder)
    for relative in ("b.xml", "linked/4.jpg", "linked/up/secret.xml", "linked/../b.xml", "../disk/secret.xml"):
        with pytest.raises(UnusableImage, match=r"outside the data set's folder .* and is not read"):
            data_folder.checked_path(os.fspath(folder), relative)
    with pytest.raises(UnusableImage, match="outside the data set's folder"):
        data_folder.checked_path(os.fspath(folder), os.fspath(tmp_path / "disk/photos/2.jpg"))


def test_a_data_set_may_be_a_link_itself(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    files = DataFolder(tmp_path / "link")
    assert (files.files, files.problems) == (["a.xml", "images/1.jpg"], ())
    assert data_folder.read_text(files.path, "a.xml") == "data/a.xml"
