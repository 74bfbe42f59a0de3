"""What killed processes leave, and what others are writing, told apart."""

import os
import subprocess
import sys

import pytest

from odtk import unfinished
from odtk.atomic import atomic_directory, atomic_file, write_text
from odtk.errors import OutputError

WRITER = """
import sys
from odtk.atomic import atomic_directory, atomic_file
how = {"atomic_file": atomic_file, "atomic_directory": atomic_directory}[sys.argv[1]]
with how(sys.argv[2]) as part:
    (part if part.is_file() else part / "half").write_text("half")
    print("writes", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def begin():
    """Starts a process that writes an output and goes on doing so: `begin("atomic_file", path)`."""
    processes = []

    def start(how, path):
        command = [sys.executable, "-c", WRITER, how, str(path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"writes\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("how", ["atomic_file", "atomic_directory"])
def test_what_a_killed_process_left_is_nothing_and_goes_with_the_next(tmp_path, begin, how, exists):
    path = tmp_path / "out"
    if exists and how == "atomic_directory":
        path.mkdir()
    process = begin(how, path)
    process.kill()
    process.wait()
    assert any(name.endswith(".part") for name in everything(tmp_path))
    assert not exists or how == "atomic_file" or unfinished.contents(path) == []
    with {"atomic_file": atomic_file, "atomic_directory": atomic_directory}[how](path) as part:
        (part if part.is_file() else part / "whole").write_text("whole")
    assert everything(tmp_path) == (["out"] if how == "atomic_file" else ["out", "out/whole"])


@pytest.mark.parametrize("exists", [True, False])
def test_a_second_writer_of_a_folder_is_refused_before_any_work(tmp_path, begin, exists):
    path = tmp_path / "out"
    if exists:
        path.mkdir()
    process = begin("atomic_directory", path)
    before = everything(tmp_path)
    said = rf"Another odtk \(process {process.pid}\) is writing .*out\."
    with pytest.raises(OutputError, match=said), atomic_directory(path):
        pytest.fail("the block ran")
    assert everything(tmp_path) == before
    process.communicate(b"")
    assert process.returncode == 0
    assert [name.name for name in path.iterdir()] == ["half"]


def test_of_two_writers_of_a_file_the_last_has_its_way(tmp_path, begin):
    process = begin("atomic_file", tmp_path / "a.json")
    write_text(tmp_path / "a.json", "ours")
    process.communicate(b"")
    assert process.returncode == 0
    assert (tmp_path / "a.json").read_text() == "half"
    assert everything(tmp_path) == ["a.json"]


@pytest.mark.parametrize(
    "name",
    [
        f".out.elsewhere.{2**22 + 1}.0123456789abcdef.part",  # of another machine, on a drive that both have
        f".out.{unfinished._host()}.{os.getppid()}.0123456789abcdef.part",  # of a process that is there, without a lock
    ],
)
def test_what_may_be_in_work_stays_and_does_not_matter(tmp_path, name):
    (tmp_path / "out" / name).mkdir(parents=True)
    with atomic_directory(tmp_path / "out") as part:
        (part / "file").touch()
    assert sorted(os.listdir(tmp_path / "out")) == [name, "file"]


@pytest.mark.parametrize("name", [".out.part", ".mine", ".out.host.12.part", "out.host.12.0123456789abcdef.part"])
def test_what_only_looks_alike_is_kept(tmp_path, name):
    (tmp_path / "out" / name).mkdir(parents=True)
    with pytest.raises(OutputError, match="not empty"), atomic_directory(tmp_path / "out"):
        pytest.fail("the block ran")


def test_a_part_of_another_output_is_left_alone(tmp_path, begin):
    begin("atomic_directory", tmp_path / "one").kill()
    left = everything(tmp_path)
    with atomic_directory(tmp_path / "two"):
        pass
    assert everything(tmp_path) == [*left, "two"]


def test_without_locks_the_process_number_decides(tmp_path, begin, monkeypatch):
    """As on network drives that have none."""
    begin("atomic_directory", tmp_path / "out")
    monkeypatch.setattr(unfinished, "try_lock", lambda file: unfinished.UNKNOWN)
    (tmp_path / f".out.{unfinished._host()}.{2**22 + 1}.0123456789abcdef.part").mkdir()
    assert unfinished.clear_parts(tmp_path / "out", tmp_path) is None
    assert len(everything(tmp_path)) == 2  # the part that is in work, with its file


def test_long_names_and_odd_ones_have_parts(tmp_path):
    for name in ("x" * 250, "ü" * 120, "a\nb", os.fsdecode(b"\xff\xfe"), "dots.in.it"):
        write_text(tmp_path / name, "text")
        with atomic_directory(tmp_path / f"{name[:200]}-folder") as part:
            assert unfinished.is_part(part)
    assert len(everything(tmp_path)) == 10
