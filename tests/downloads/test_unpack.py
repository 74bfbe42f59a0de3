"""Archives of all kinds are unpacked, hostile and damaged ones are refused whole."""

import io
import tarfile
import zipfile

import pytest

from odtk.downloads.unpacking import kind_of_archive, top_folder, unpack
from odtk.errors import DownloadError

FILES = {"model/checkpoint/ckpt-0.index": b"index", "model/pipeline.config": b"model {}", "model/model": b"m"}


def tar(path, files, mode="w:gz", change=lambda member: member):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(change(member), io.BytesIO(content))
    return path


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_the_contents_of_the_one_folder(tmp_path, folder, mode):
    # By the contents, not the name: the Pet archives are called .tar.gz, and may be plain.
    path = tmp_path / "model.tar.gz"
    zipped(path, FILES) if mode == "zip" else tar(path, FILES, mode)
    assert top_folder(path) == "model"
    assert unpack(path, folder) == 3
    assert contents(folder) == {name.removeprefix("model/"): content for name, content in FILES.items()}


def test_several_folders_stay(tmp_path, folder):
    files = {"a/1": b"1", "b/2": b"2"}
    unpack(tar(tmp_path / "x.tar", files, "w"), folder)
    assert contents(folder) == files


def test_what_a_mac_adds_is_left_out(tmp_path, folder):
    unpack(tar(tmp_path / "x.tar", {"a/1": b"1", "a/._1": b"x", "__MACOSX/a/._1": b"x"}), folder)
    assert contents(folder) == {"1": b"1"}


@pytest.mark.parametrize("has_filters", [True, False])
@pytest.mark.parametrize("name", ["../evil", "/evil", "model/../../evil", "C:/evil", "..\\evil"])
def test_a_name_outside_the_folder_is_refused(tmp_path, folder, name, has_filters, monkeypatch):
    if not has_filters:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    for path in (tar(tmp_path / "x.tar.gz", {name: b"evil"}), zipped(tmp_path / "x.zip", {name: b"evil"})):
        with pytest.raises(DownloadError, match="would lie outside the folder"):
            unpack(path, folder)
    assert {each.name for each in tmp_path.iterdir()} == {"x.tar.gz", "x.zip", "out"}
    assert contents(folder) == {}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, folder, kind):
    def change(member):
        member.type, member.linkname, member.size = kind, "/etc/passwd", 0
        return member

    with pytest.raises(DownloadError, match="is a link or a device"):
        unpack(tar(tmp_path / "x.tar", {"model/x": b""}, change=change), folder)


def test_a_link_in_a_zip_is_refused(tmp_path, folder):
    info = zipfile.ZipInfo("model/x")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DownloadError, match="is a link"):
        unpack(tmp_path / "x.zip", folder)


def test_without_filters_the_same_is_unpacked_and_no_mode_taken_over(tmp_path, folder, monkeypatch):
    monkeypatch.delattr(tarfile, "data_filter", raising=False)

    def change(member):
        member.mode = 0o4777
        return member

    unpack(tar(tmp_path / "x.tar.gz", FILES, change=change), folder)
    assert contents(folder) == {name.removeprefix("model/"): content for name, content in FILES.items()}
    assert not (folder / "model").stat().st_mode & 0o6111


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_truncated_archive_is_said_to_be_damaged(tmp_path, folder, mode):
    path = tar(tmp_path / "x.tar.gz", {f"model/{n}": bytes(range(256)) * 400 for n in range(4)}, mode)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DownloadError, match=r"x\.tar\.gz (is damaged|is neither)"):
        unpack(path, folder)


def test_a_page_is_no_archive(tmp_path, folder):
    path = tmp_path / "x.tar.gz"
    path.write_text("<!DOCTYPE html><html>403</html>")
    assert kind_of_archive(path) is None
    with pytest.raises(DownloadError, match="is a web page, not an archive"):
        unpack(path, folder)
