"""Uploaded zips: a dataset appears whole or not at all, and nothing leaves its folder."""

import io
import stat
import struct
import zipfile

import pytest
from drawn_data import draw_voc, zip_of, zipped

from odtk.errors import DataError, OdtkError, OutputError
from odtk.web.data_views.uploads import Limits, name_of_upload, unpack_upload
from odtk.web.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "work")


def unpack(workspace, data: bytes, limits: Limits | None = None):
    return unpack_upload(workspace, io.BytesIO(data), "made", limits)


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_zip_of_a_folder_becomes_its_contents(workspace, tmp_path):
    data = zipped(draw_voc(tmp_path / "voc", 2), top="my pets/")
    made = unpack(workspace, data)
    assert made == workspace.data / "made"
    assert files_of(made) == ["picture_00.jpg", "picture_00.xml", "picture_01.jpg", "picture_01.xml"]


def test_what_macos_adds_is_left_out(workspace):
    made = unpack(workspace, zip_of({"pets/a.txt": b"a", "__MACOSX/pets/._a.txt": b"b", "pets/._a.txt": b"c"}))
    assert files_of(made) == ["a.txt"]


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:\\evil.txt"])
def test_names_outside_are_refused_and_nothing_is_left(workspace, name):
    with pytest.raises(DataError, match="outside the folder"):
        unpack(workspace, zip_of({"a.txt": b"a", name: b"evil"}))
    assert files_of(workspace.data.parent) == [".odtk-studio/secret"] * (workspace.hidden / "secret").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(workspace, kind):
    with io.BytesIO() as made:
        with zipfile.ZipFile(made, "w") as archive:
            entry = zipfile.ZipInfo("link")
            entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
            archive.writestr(entry, "/etc/passwd")
        with pytest.raises(DataError, match="link or a device"):
            unpack(workspace, made.getvalue())
    assert not (workspace.data / "made").exists()


def test_a_bomb_is_refused_before_it_is_unpacked(workspace):
    data = zip_of({f"{number}.txt": bytes(10**6) for number in range(4)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match=r"becomes 4 files of 4,000,000 bytes; at most .* 2,000,000 bytes"):
        unpack(workspace, data, Limits(always=2 * 10**6))
    assert files_of(unpack(workspace, data)) == ["0.txt", "1.txt", "2.txt", "3.txt"]


def test_a_bomb_that_lies_about_its_size_is_stopped(workspace):
    data = bytearray(zip_of({"a.txt": bytes(10**6)}, zipfile.ZIP_DEFLATED))
    for head, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", data, data.index(head) + offset, 10)
    with pytest.raises(DataError):
        unpack(workspace, bytes(data), Limits(always=1000, ratio=1))
    assert not (workspace.data / "made").exists()


def test_too_many_files_are_refused_by_the_end_of_the_zip_alone(workspace):
    data = zip_of({f"{number}": b"" for number in range(12)})
    with pytest.raises(DataError, match="has 12 files; at most 10"):
        unpack(workspace, data, Limits(files=10))


def test_a_list_of_files_that_fills_the_memory_is_refused(workspace):
    data = zip_of({"a": b""})
    large = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**9, 10**9, 10**11, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    end = data[data.rindex(b"PK\x05\x06") :]
    with pytest.raises(DataError, match="1,000,000,000 files"):
        unpack(workspace, large + locator + end)


def test_a_file_that_is_also_a_folder_is_refused(workspace):
    with pytest.raises(DataError, match="twice"):
        unpack(workspace, zip_of({"a": b"file", "a/b": b"in a folder"}))


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x05\x06", zip_of({"a.txt": b"a" * 100})[:-30]])
def test_what_is_no_zip_is_said(workspace, data):
    with pytest.raises(DataError, match="no zip"):
        unpack(workspace, data)


def test_damage_is_said(workspace):
    data = bytearray(zip_of({"a.txt": b"a" * 1000}))
    data[60] ^= 1
    with pytest.raises(DataError, match="damaged"):
        unpack(workspace, bytes(data))
    assert not (workspace.data / "made").exists()


def test_a_dataset_that_is_there_is_kept(workspace):
    unpack(workspace, zip_of({"a.txt": b"a"}))
    with pytest.raises(OutputError, match="not empty"):
        unpack(workspace, zip_of({"b.txt": b"b"}))
    assert files_of(workspace.data / "made") == ["a.txt"]


def test_the_name_is_given_or_made_of_the_files():
    assert name_of_upload("", r"C:\my data\Cats & dogs.ZIP") == "Cats-dogs"
    assert name_of_upload("pets", "x.zip") == "pets"
    with pytest.raises(OdtkError, match="cannot be called"):
        name_of_upload("../pets", "x.zip")
