"""What the operating system refuses is answered as what it is, also where TensorFlow tells it."""

import errno
import os

import pytest

from odtk.atomic import answering, atomic_directory, atomic_file, write_text
from odtk.errors import OutputError
from odtk.system_errors import as_os_error, describe, in_bytes


def fail(number, *names):
    raise OSError(number, os.strerror(number), *names)


def fill(part):
    """Writes a little, until the disk is full."""
    (part if part.is_file() else part / "half").write_bytes(b"x" * 2500)
    fail(errno.ENOSPC)


def be_refused_inside(part):
    with atomic_file(part / "picture.jpg") as inner:
        fail(errno.EACCES, str(inner))


@pytest.mark.parametrize("output", [atomic_file, atomic_directory])
def test_a_disk_that_becomes_full_is_an_output_error_that_names_the_output(tmp_path, output):
    with pytest.raises(OutputError) as caught, output(tmp_path / "out") as part:
        fill(part)
    assert str(caught.value).startswith(f"{tmp_path}/out cannot be written: ")
    assert "more than the 2.5 kB written so far" in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_the_bytes_that_are_needed_are_named_and_the_old_file_stays(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    monkeypatch.setattr("pathlib.Path.write_bytes", lambda path, data: fail(errno.ENOSPC))
    with pytest.raises(OutputError, match=r"It needs 1\.5 MB, .* the old metrics\.json is unchanged"):
        write_text(path, "x" * 1_500_000)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["metrics.json"]


def test_an_output_within_an_output_is_named_as_the_whole(tmp_path):
    with pytest.raises(OutputError) as caught, atomic_directory(tmp_path / "out") as part:
        be_refused_inside(part)
    assert str(caught.value).startswith(f"{tmp_path}/out cannot be used: permission denied.")
    assert ".part" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "No such file", "/data/a.jpg"), OSError(errno.EIO, "I/O error")]
)
def test_what_is_not_about_the_output_passes_as_it_is(tmp_path, error):
    with pytest.raises(OSError, match=str(error.strerror)) as caught, atomic_directory(tmp_path / "out"):
        raise error
    assert caught.value is error


def test_what_grows_says_what_is_still_there(tmp_path):
    said = rf"{tmp_path} cannot be written: .* free\. The rest stays\."
    with pytest.raises(OutputError, match=said), answering(tmp_path, "The rest stays."):
        fail(errno.EDQUOT)
    with pytest.raises(OSError, match="denied"), answering(tmp_path, ""):
        fail(errno.EACCES, "/elsewhere")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EROFS, "/d/x cannot be written: its file system is read-only."),
        (errno.EACCES, "/d/x cannot be used: permission denied."),
        (errno.EMFILE, "/d/x cannot be opened: too many files are open in this process. Allow more: ulimit -n"),
        (errno.ENAMETOOLONG, "a name in it is longer than the file system allows"),
        (errno.EIO, "the disk reports an input/output error"),
        (errno.ECONNRESET, "/d/x cannot be used: Connection reset by peer."),
    ],
)
def test_each_refusal_has_its_words(number, said):
    assert said in describe(OSError(number, os.strerror(number), "/d/x"))
    assert "unexpected" not in describe(OSError(number, os.strerror(number)))


def test_what_is_no_refusal_of_the_system_is_none():
    for error in (ValueError("No space left on device"), OSError("cannot identify image file"), RuntimeError()):
        assert as_os_error(error) is None


def test_tensorflows_errors_are_told_by_their_text():
    tf = pytest.importorskip("tensorflow")
    for kind in (tf.errors.ResourceExhaustedError, tf.errors.UnknownError, tf.errors.FailedPreconditionError):
        where = "{{function_node __wrapped__SaveV2_dtypes_3_device_/job:localhost/replica:0/task:0/device:CPU:0}}"
        text = f"{where} /m/ckpt-1_temp/part.tempstate1; No space left on device [Op:SaveV2]"
        found = as_os_error(kind(None, None, text))
        assert (found.errno, found.filename) == (errno.ENOSPC, "/m/ckpt-1_temp/part.tempstate1")
    assert as_os_error(tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")) is None


def test_bytes_are_for_people():
    assert [in_bytes(count) for count in (0, 999, 1000, 2_540_000, 10**10)] == [
        "0 bytes", "999 bytes", "1.0 kB", "2.5 MB", "10.0 GB",
    ]  # fmt: skip
