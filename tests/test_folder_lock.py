"""Two processes and one folder: with the system's locks, without them, and as if on two machines.

The processes are real; what they believe of their disk and machine is told to them.
"""

import errno
import os
import subprocess
import sys

import pytest
from small_disk import small_disk

from odtk import folder_lock, unfinished
from odtk.errors import OutputError
from odtk.folder_lock import locked_folder
from odtk.growing_folder import growing_folder
from odtk.unfinished import LOCK_NAME

SETTINGS = """
import errno, fcntl, sys
from odtk import folder_lock, process_identity
def without_locks(file, how):
    raise OSError(errno.ENOLCK, "No locks available")
if "without locks" in sys.argv:
    fcntl.flock = without_locks
if "elsewhere" in sys.argv:
    process_identity.socket.gethostname = lambda: "elsewhere"
    process_identity.boot_id = lambda: "another boot"
folder_lock.HEARTBEAT = folder_lock._SETTLE = 0.05
"""
WRITER = (
    SETTINGS
    + """
from odtk.growing_folder import growing_folder
with growing_folder(sys.argv[1], ""):
    open(sys.argv[1] + "/ckpt", "w").close()
    print("writes", flush=True)
    sys.stdin.read()
"""
)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Nobody waits long, except to see the heartbeat of a process that lives."""
    for name in ("HEARTBEAT", "_SETTLE", "_POLL"):
        monkeypatch.setattr(folder_lock, name, 0.05)
    monkeypatch.setattr(folder_lock, "STALE", 60.0)


@pytest.fixture
def without_locks(monkeypatch):
    def refuse(file, how):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(unfinished.fcntl, "flock", refuse)


@pytest.fixture
def begin(tmp_path):
    """Starts a process that writes to a folder and goes on doing so: `begin("without locks")`."""
    processes = []

    def start(*how):
        command = [sys.executable, "-c", WRITER, str(tmp_path / "model"), *how]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"writes\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def kill(process):
    process.kill()
    process.wait()


def require_refused(folder, who, log=lambda line: None):
    said = rf"Another odtk \({who}, since 2\d{{3}}-.* UTC\) is writing to {folder}\. Wait for it or stop it"
    with pytest.raises(OutputError, match=said), growing_folder(folder, "", log):
        pytest.fail("the block ran")


@pytest.mark.parametrize("how", [(), ("without locks",)])
def test_there_is_one_writer_and_a_killed_one_is_followed_at_once(tmp_path, begin, how, request):
    folder, said = tmp_path / "model", []
    process = begin(*how)
    if how:
        request.getfixturevalue("without_locks")
    require_refused(folder, f"process {process.pid} on .+")
    kill(process)
    assert sorted(os.listdir(folder)) == [LOCK_NAME, "ckpt"]
    with growing_folder(folder, "", said.append):
        assert sorted(os.listdir(folder)) == [LOCK_NAME, "ckpt"]
    assert os.listdir(folder) == ["ckpt"]
    assert said == []


def test_a_writer_on_another_machine_is_watched(tmp_path, begin, without_locks, monkeypatch):
    folder, said = tmp_path / "model", []
    process = begin("without locks", "elsewhere")
    require_refused(folder, f"process {process.pid} on elsewhere", said.append)
    assert said[0].startswith(f"{folder} may be in use (process {process.pid} on elsewhere, since ")
    kill(process)
    monkeypatch.setattr(folder_lock, "STALE", 0.2)
    with growing_folder(folder, "", said.append):
        assert folder_lock._read(str(folder / LOCK_NAME)).pid == os.getpid()
    assert len(said) == 2


def test_a_lock_of_this_kernel_alone_does_not_stand_for_that_of_another_machine(tmp_path, begin):
    """As on a network drive whose mount keeps flock to itself."""
    process = begin("without locks", "elsewhere")
    require_refused(tmp_path / "model", f"process {process.pid} on elsewhere")


def test_the_process_number_of_a_killed_one_may_be_anothers(tmp_path, begin, without_locks, monkeypatch):
    process = begin("without locks")
    monkeypatch.setattr(folder_lock, "start_of", lambda pid: "later")
    with growing_folder(tmp_path / "model", ""):
        assert process.poll() is None


def test_who_was_silent_too_long_learns_that_it_was_taken_over(tmp_path):
    with locked_folder(tmp_path) as lock:
        assert lock.is_here()
        lock.require()
        other = folder_lock.replace(folder_lock._this_process(), host="elsewhere")
        folder_lock._write_in_place(str(tmp_path / LOCK_NAME), folder_lock.json.dumps(vars(other)).encode())
        lock._thread.join()
        with pytest.raises(OutputError, match=rf"process {os.getpid()} on elsewhere.* has taken over {tmp_path}, bec"):
            lock.require()
    assert os.listdir(tmp_path) == [LOCK_NAME]  # the other's


def test_of_two_that_come_at_once_one_has_the_folder(tmp_path, without_locks, monkeypatch):
    other = folder_lock.replace(folder_lock._this_process(), host="elsewhere")

    def meanwhile(seconds):
        folder_lock._write_in_place(str(tmp_path / LOCK_NAME), folder_lock.json.dumps(vars(other)).encode())

    monkeypatch.setattr(folder_lock.time, "sleep", meanwhile)
    require_refused(tmp_path, f"process {os.getpid()} on elsewhere")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2]", b"\xff", b'{"id": "half'])
def test_a_lock_file_that_is_not_whole_locks_nothing(tmp_path, content):
    (tmp_path / LOCK_NAME).write_bytes(content)
    with growing_folder(tmp_path, "") as lock:
        assert lock.is_here()
    assert os.listdir(tmp_path) == []


def test_a_removed_lock_file_comes_back(tmp_path):
    with locked_folder(tmp_path) as lock:
        os.remove(tmp_path / LOCK_NAME)
        while not (tmp_path / LOCK_NAME).exists():
            assert lock._thread.is_alive()
        lock.require()


def test_a_folder_that_is_another_one_is_not_marked_as_the_locked_one(tmp_path):
    """As the empty folder below a drive that is no longer mounted."""
    folder = tmp_path / "model"
    folder.mkdir()
    with locked_folder(folder) as lock:
        folder.rename(tmp_path / "away")
        assert not lock.is_here()
        folder.mkdir()
        assert not lock.is_here()
        lock._thread.join(4 * folder_lock.HEARTBEAT)
        assert os.listdir(folder) == []
        folder.rmdir()
        (tmp_path / "away").rename(folder)
        assert lock.is_here()
        lock.require()
    assert os.listdir(folder) == []


def test_a_store_has_one_writer_too():
    tf = pytest.importorskip("tensorflow")
    folder = "ram://folder_lock/model"
    with growing_folder(folder, ""):
        tf.io.gfile.GFile(f"{folder}/ckpt", "w").write("")
        require_refused(folder, f"process {os.getpid()} on .+")
    assert tf.io.gfile.listdir(folder) == ["ckpt"]


def test_on_a_full_disk_no_lock_file_stays(tmp_path):
    with small_disk(tmp_path / "disk", 8) as disk:
        (disk / "fill").write_bytes(bytes(8192))
        said = f"{disk}/model cannot be written: no space is left on its disk. .* The rest is there."
        with pytest.raises(OutputError, match=said), growing_folder(disk / "model", "The rest is there."):
            pytest.fail("the block ran")
        assert os.listdir(disk) == ["fill"]


def test_an_error_of_a_store_is_a_paragraph():
    tf = pytest.importorskip("tensorflow")
    error = tf.errors.PermissionDeniedError(None, None, "Error while writing ram://no/model/x: HTTP 403\n\tmore")
    said = r"^ram://no/model cannot be written: .*HTTP 403\. The rest is there\.$"
    with pytest.raises(OutputError, match=said), growing_folder("ram://no/model", "The rest is there."):
        raise error
    assert not tf.io.gfile.exists("ram://no/model")


def test_a_folder_made_for_nothing_does_not_stay(tmp_path):
    with pytest.raises(ZeroDivisionError), growing_folder(tmp_path / "model", ""):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []
