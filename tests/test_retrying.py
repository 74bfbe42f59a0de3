"""A drive that is away for a while, by a clock that only waiting moves."""

import errno
import os

import pytest

from odtk import atomic, files
from odtk.errors import OutputError
from odtk.folder_lock import locked_folder
from odtk.retrying import Retrying, UnreachableError, is_of_writing


class Drive:
    """A folder, its lock and the writes to it; `at` has what happens after so many seconds of waiting."""

    def __init__(self, folder, lock):
        self.folder, self.lock, self.now, self.waits, self.said, self.at = folder, lock, 0.0, [], [], {}
        self.write = Retrying(folder, lock, self.said.append, clock=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds
        for when in [when for when in self.at if when <= self.now]:
            self.at.pop(when)()

    def vanish(self):
        os.rename(self.folder, f"{self.folder}-away")

    def come_back(self):
        os.rename(f"{self.folder}-away", self.folder)


@pytest.fixture
def drive(tmp_path):
    (tmp_path / "model").mkdir()
    with locked_folder(tmp_path / "model") as lock:
        yield Drive(str(tmp_path / "model"), lock)


def failing(*errors):
    """A function that raises these errors first."""
    left = list(errors)

    def write():
        if left:
            raise left.pop(0)
        return "written"

    return write


def test_what_is_there_is_written_once(drive):
    assert drive.write(failing()) == "written"
    assert (drive.waits, drive.said) == ([], [])


def test_a_folder_that_vanishes_for_a_minute_is_waited_for_and_not_made_again(drive):
    path = files.join(drive.folder, "run.json")
    drive.vanish()
    drive.at[60] = drive.come_back
    drive.write(lambda: files.write_text(path, "{}"))
    assert files.read_text(path) == "{}"
    assert drive.waits == [1, 2, 4, 8, 16, 30]
    away = f"The folder {drive.folder} is not reachable (there is no such file or folder); trying again for 5 minutes."
    assert drive.said == [away, f"The folder {drive.folder} is back."]


@pytest.mark.parametrize("number", [errno.ENOTCONN, errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.EHOSTDOWN])
def test_errors_of_a_drive_are_tried_again_and_open_files_are_closed_before(drive, number):
    error, reopened = OSError(number, os.strerror(number)), []
    assert drive.write(failing(error, error), lambda: reopened.append(drive.now)) == "written"
    assert (drive.waits, reopened) == ([1, 2], [1, 3])
    assert len(drive.said) == 2


def test_it_is_seen_through_the_paragraph_of_an_output(drive):
    def write():
        path = files.join(drive.folder, "a.json")
        if not drive.waits:
            drive.vanish()
            drive.at[1] = drive.come_back
            with atomic.atomic_file(path) as part:
                part.write_text("")
        files.write_text(path, "a")

    drive.write(write)
    assert files.names_in(drive.folder) == ["a.json"]


def test_a_store_that_does_not_respond_is_away(drive):
    tf = pytest.importorskip("tensorflow")
    assert drive.write(failing(tf.errors.UnavailableError(None, None, "gs://b/o: HTTP 503"))) == "written"
    assert "is not reachable (the drive does not respond)" in drive.said[0]


def test_what_does_not_come_back_is_an_error_in_the_end(drive):
    drive.vanish()
    said = rf"{drive.folder} is not reachable \(there is no such file or folder\); it was tried for 5 minutes\."
    with pytest.raises(UnreachableError, match=said) as caught:
        drive.write(failing())
    assert is_of_writing(caught.value)
    assert 270 <= drive.now <= 300
    assert not os.path.exists(drive.folder)
    drive.come_back()
    with pytest.raises(UnreachableError):  # a second one around it does not begin again
        Retrying(drive.folder, drive.lock, pytest.fail, sleep=pytest.fail)(failing(caught.value))


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), PermissionError(13, "no"), ValueError()])
def test_other_errors_are_raised_at_once(drive, error):
    with pytest.raises(type(error)) as caught:
        drive.write(failing(error))
    assert caught.value is error
    assert is_of_writing(error) == (not isinstance(error, ValueError))
    assert drive.waits == []


def test_nothing_is_written_where_another_process_has_taken_over(drive):
    drive.lock.taken_by = drive.lock._holder
    with pytest.raises(OutputError, match="has taken over"):
        drive.write(pytest.fail)
