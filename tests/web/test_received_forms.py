"""Uploads lie on the workspace's disk while they come; a full disk and too many at once are said."""

import errno
from pathlib import Path

import pytest
from drawn_data import draw_voc, zipped
from running_studio import client_of

from odtk.web import received_forms
from odtk.web.received_forms import ReceivedForms


def upload(client, data: bytes):
    return client.post("/data/upload", data={"csrf": client.csrf}, files={"file": ("pets.zip", data)})


@pytest.fixture
def spooled(monkeypatch):
    """The folders of the files that were received."""
    folders = []

    class File(received_forms.SpooledTemporaryFile):
        def __init__(self, *args, dir=None, **options):
            folders.append(Path(dir))
            super().__init__(*args, dir=dir, **options)

    monkeypatch.setattr(received_forms, "SpooledTemporaryFile", File)
    return folders


def test_a_file_is_received_on_the_disk_of_the_workspace(client, spooled, tmp_path):
    answer = upload(client, zipped(draw_voc(tmp_path / "voc", 1)) + bytes(1_500_000))
    assert answer.status_code in (303, 400)  # what follows the zip may be refused
    assert spooled == [client.studio.workspace.hidden / "uploads"]
    assert list(spooled[0].iterdir()) == []


def test_what_a_killed_studio_has_received_is_removed(tmp_path):
    left = tmp_path / "work/.odtk-studio/uploads/left"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"left")
    with client_of(tmp_path / "work"):
        assert not left.exists()


def test_a_full_disk_is_said(client, monkeypatch):
    def write(file, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(received_forms.SpooledTemporaryFile, "write", write)
    answer = upload(client, b"PK")
    assert answer.status_code == 400
    assert "no space is left on its disk" in answer.text


def test_a_few_large_files_are_taken_at_once(client, monkeypatch, tmp_path):
    forms = client.studio.forms = ReceivedForms(tmp_path / "uploads")
    monkeypatch.setattr(received_forms, "_LARGE", 100)
    forms._large = received_forms._LARGE_AT_ONCE
    assert upload(client, bytes(1000)).status_code == 503
    forms._large = 0
    assert upload(client, bytes(1000)).status_code == 400  # it is no zip
    assert forms._large == 0
