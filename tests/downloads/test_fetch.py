"""A file is fetched from servers that behave badly: its bytes are the right ones, or the error says what each did."""

import dataclasses
import errno
import hashlib
import http.client
import io
import os
import random
import re
import tarfile
import urllib.request

import pytest
from file_server import cut, file_server, page, redirect, stall, status, trickle

from odtk.downloads import Timing, Wanted, fetch
from odtk.downloads.part_file import PartFile
from odtk.errors import DownloadError, OutputError

CONTENT = random.Random(1).randbytes(300_000)
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def running():
    with file_server() as server:
        yield server


@pytest.fixture
def server(running):
    running.files.clear()
    running.plans.clear()
    running.requests.clear()
    running.has_ranges = running.has_versions = True
    running.files["a.tar"] = CONTENT
    return running


class Fetching:
    """Fetches a.tar; `said` and `waits` are what it logged and how long it slept."""

    def __init__(self, server, folder):
        self.server, self.folder, self.said, self.waits = server, folder, [], []
        self.timing = Timing(timeout=60, window=60, first_wait=1, longest_wait=4, sleep=self.waits.append)

    def __call__(self, *paths, sha256=SHA256, size=SIZE, check=lambda path: None):
        addresses = [path if "://" in path else self.server.url(path) for path in paths or ("a.tar",)]
        wanted = Wanted("a.tar", addresses, sha256, size, check)
        return fetch(wanted, self.folder, self.timing, self.said.append)

    @property
    def files(self):
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def fetching(server, tmp_path):
    return Fetching(server, tmp_path)


def assert_whole(fetching, found):
    assert found.path == fetching.folder / "a.tar"
    assert found.path.read_bytes() == CONTENT
    assert (found.size, found.sha256) == (len(CONTENT), SHA256)
    assert fetching.files == ["a.tar"]


def test_a_file_that_is_served_well(fetching):
    found = fetching()
    assert_whole(fetching, found)
    assert (found.is_verified, found.address) == (True, fetching.server.url("a.tar"))
    assert (fetching.said, fetching.waits) == ([], [])


def test_connections_that_break_are_continued_where_they_ended(fetching, server):
    server.plans["a.tar"] = [cut(100_000), cut(50_000)]
    assert_whole(fetching, fetching())
    assert server.requests == [("a.tar", None), ("a.tar", "bytes=100000-"), ("a.tar", "bytes=150000-")]
    # Each attempt brought something, so the waits do not grow.
    assert fetching.waits == [1, 1]
    assert "the connection ended after 100,000 of 300,000 bytes; trying again in 1 s." in fetching.said[0]


def test_a_later_call_continues(fetching, server):
    server.plans["a.tar"] = [cut(120_000), *[status(503)] * 5]
    with pytest.raises(DownloadError, match="503"):
        fetching()
    assert fetching.files == ["a.tar.part", "a.tar.part.json"]
    found = fetching()
    assert_whole(fetching, found)
    assert found.resumed_at == 120_000
    assert server.requests[-1] == ("a.tar", "bytes=120000-")


def test_a_file_that_changed_meanwhile_is_not_mixed_with_the_old_one(fetching, server):
    server.plans["a.tar"] = [cut(120_000), *[status(503)] * 5]
    with pytest.raises(DownloadError):
        fetching(sha256=None, size=None)
    server.files["a.tar"] = bytes(1000) + CONTENT
    found = fetching(sha256=None, size=None)
    assert found.path.read_bytes() == bytes(1000) + CONTENT
    assert not found.is_verified


@pytest.mark.parametrize(("ranges", "versions"), [(False, True), (True, False)])
def test_a_server_without_ranges_or_versions_starts_over(fetching, server, ranges, versions):
    server.has_ranges, server.has_versions = ranges, versions
    server.plans["a.tar"] = [cut(100_000)]
    found = fetching(sha256=None, size=None)
    assert found.path.read_bytes() == CONTENT


def test_bytes_of_one_mirror_are_continued_from_another_if_the_checksum_tells(fetching, server):
    server.files["copy/a.tar"] = CONTENT
    server.plans["a.tar"] = [cut(100_000), status(403)]
    assert_whole(fetching, fetching("a.tar", "copy/a.tar"))
    assert server.requests[-1] == ("copy/a.tar", "bytes=100000-")


def test_mirrors_in_turn(fetching, server):
    server.plans["old/a.tar"], server.plans["new/a.tar"] = [status(403)], [status(404)]
    found = fetching("old/a.tar", "new/a.tar", "a.tar")
    assert_whole(fetching, found)
    assert [path for path, _ in server.requests] == ["old/a.tar", "new/a.tar", "a.tar"]
    assert "does not give a.tar: it answers 403 Forbidden." in fetching.said[0]
    assert fetching.waits == []


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(fetching, server, code):
    server.plans["old.tar"] = [redirect(server.url("a.tar"), code)]
    assert_whole(fetching, fetching("old.tar"))


@pytest.fixture
def https(server, monkeypatch):
    """The server's address as an encrypted one."""

    def opened(self, request):
        return self.do_open(http.client.HTTPConnection, request)

    monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", opened)
    return server.address.replace("http:", "https:")


def test_what_nothing_else_protects_comes_over_https_to_the_end(fetching, server, https):
    server.plans["old.tar"] = [redirect(server.url("a.tar"))]
    with pytest.raises(DownloadError, match=r"it sends on to http://.*a\.tar, which is not encrypted, and no checksum"):
        fetching(f"{https}/old.tar", sha256=None, size=None)
    assert [path for path, _ in server.requests] == ["old.tar"]
    server.plans["old.tar"] = [redirect(f"{https}/a.tar")]
    assert_whole(fetching, fetching(f"{https}/old.tar", sha256=None, size=None))


def test_a_checksum_protects_what_comes_over_http(fetching, server, https):
    server.plans["old.tar"] = [redirect(server.url("a.tar"))]
    assert_whole(fetching, fetching(f"{https}/old.tar"))
    assert fetching.said == []


def test_a_plain_address_without_a_checksum_is_warned_of(fetching, monkeypatch):
    monkeypatch.setattr("odtk.downloads.request._THIS_MACHINE", ())
    assert_whole(fetching, fetching())
    assert fetching.said == []
    (fetching.folder / "a.tar").unlink()
    assert_whole(fetching, fetching(sha256=None))
    assert "a.tar is not encrypted: anyone on the way can change the file" in fetching.said[0]


def test_errors_of_a_server_are_waited_for_and_not_for_ever(fetching, server):
    server.plans["a.tar"] = [status(500), status(503, Retry_After="7"), status(429)]
    assert_whole(fetching, fetching())
    assert fetching.waits == [1, 7, 4]
    server.plans["b.tar"] = [status(500)] * 9
    (fetching.folder / "a.tar").unlink()
    with pytest.raises(DownloadError, match=r"b\.tar: it answers 500 .*\(5 attempts\)"):
        fetching("b.tar")
    assert len(server.plans["b.tar"]) == 4


def test_a_stalled_connection_times_out_and_is_continued(fetching, server):
    server.plans["a.tar"] = [stall(200_000)]
    fetching.timing = dataclasses.replace(fetching.timing, timeout=0.3)
    assert_whole(fetching, fetching())
    assert "it does not answer in time" in fetching.said[0]
    assert server.requests[-1] == ("a.tar", "bytes=200000-")


def test_a_trickle_counts_as_a_stall(fetching, server):
    server.plans["a.tar"] = [trickle(0.05, 60)]
    fetching.timing = dataclasses.replace(fetching.timing, window=0.2)
    server.has_versions = False
    assert_whole(fetching, fetching(sha256=None, size=None))
    assert re.search(r"bytes came in \d+ s", fetching.said[0])


def test_wrong_bytes_are_forgotten_and_the_next_mirror_is_asked(fetching, server):
    server.files["bad/a.tar"] = bytes(len(CONTENT))
    assert_whole(fetching, fetching("bad/a.tar", "a.tar"))
    assert f"has the SHA-256 {hashlib.sha256(bytes(len(CONTENT))).hexdigest()}, where {SHA256}" in fetching.said[0]
    # Not one byte of it was kept for the next.
    assert server.requests[-1] == ("a.tar", None)


def test_a_file_of_another_size_is_not_even_read(fetching, server):
    server.files["bad/a.tar"] = bytes(10)
    with pytest.raises(DownloadError, match=r"its file has 10 bytes, where 300,000 are expected"):
        fetching("bad/a.tar")
    assert fetching.files == []


def test_a_page_that_stands_for_a_file_is_told_by_the_check(fetching, server):
    server.plans["a.tar"] = [page]
    with pytest.raises(DownloadError, match=r"a\.tar: what it gives is a web page"):
        fetching(sha256=None, size=None, check=lambda path: "is a web page")
    assert fetching.files == []


def test_all_addresses_and_a_way_out_are_in_the_error(fetching, server):
    server.plans["x"], server.plans["y"] = [status(403)], [status(404)]
    with pytest.raises(DownloadError) as error:
        fetching("x", "y", "http://127.0.0.1:9/z", "nothing://z")
    text = str(error.value)
    assert f"{server.url('x')}: it answers 403 Forbidden\n" in text
    assert f"{server.url('y')}: it answers 404 Not Found\n" in text
    assert "http://127.0.0.1:9/z: " in text
    assert "nothing://z: unknown url type: nothing\n" in text
    place = fetching.folder / "a.tar"
    assert f"put it at {place}, and run the command again; or name a mirror that has it, in the variable ODTK" in text
    place.write_bytes(CONTENT)
    assert fetching("x", "y").path == place


def test_an_archive_that_a_browser_saved_unpacked_is_taken_and_the_rest_of_a_download_goes(fetching, server):
    server.plans["x"] = [status(404)]
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("images/a.jpg"))
    (fetching.folder / "a.tar").write_bytes(plain.getvalue())
    (fetching.folder / "a.tar.part").write_bytes(CONTENT[:9])
    found = fetching("x")
    assert (found.is_verified, found.size) == (False, len(plain.getvalue()))
    assert fetching.files == ["a.tar"]


def test_a_whole_file_that_is_there_is_taken_if_it_is_the_right_one(fetching, server):
    (fetching.folder / "a.tar").write_bytes(CONTENT)
    found = fetching()
    assert (found.address, found.is_verified, server.requests) == (None, True, [])
    (fetching.folder / "a.tar").write_bytes(b"other")
    with pytest.raises(DownloadError, match=r"a\.tar is there already, but has 5 bytes"):
        fetching()


def test_all_bytes_were_here_when_the_process_ended(fetching, server):
    server.plans["a.tar"] = [cut(100_000), *[status(500)] * 5]
    with pytest.raises(DownloadError):
        fetching()
    (fetching.folder / "a.tar.part").write_bytes(CONTENT)
    assert_whole(fetching, fetching())
    assert server.requests[-1] == ("a.tar", "bytes=300000-")


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_asked(fetching, server, tmp_path):
    (tmp_path / "file").write_text("")
    fetching.folder = tmp_path / "file" / "folder"
    with pytest.raises(OutputError, match="a part of that path is a file"):
        fetching()
    assert server.requests == []


def test_a_full_disk_is_an_error_that_keeps_what_came(fetching, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("odtk.downloads.fetching.shutil.disk_usage", lambda path: usage)
    with pytest.raises(OutputError, match=r"a\.tar needs 300\.0 kB more, and its disk has 1\.0 kB free"):
        fetching()


def test_a_disk_that_becomes_full(fetching, monkeypatch):
    def full(self, received):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("odtk.downloads.fetching._Pace.count", full)
    with pytest.raises(OutputError, match=r"no space is left.*the same command goes on from there"):
        fetching()
    assert "a.tar.part" in fetching.files


def test_two_downloads_of_one_file_do_not_mix(fetching):
    with PartFile(fetching.folder / "a.tar").locked(), pytest.raises(OutputError, match="Another odtk is downloading"):
        fetching()
    assert_whole(fetching, fetching())


def test_an_interrupted_download_lets_go_of_its_lock(fetching, server):
    server.plans["a.tar"] = [stall(1000)]
    patient, fetching.timing = fetching.timing, dataclasses.replace(fetching.timing, timeout=0.2, attempts=1)
    with pytest.raises(DownloadError, match="does not answer in time"):
        fetching()
    fetching.timing = patient
    assert_whole(fetching, fetching())
