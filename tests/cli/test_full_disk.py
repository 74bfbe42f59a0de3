"""Every command without TensorFlow on a full disk: one paragraph, and what was there before is there still."""

import os
import subprocess
import sys

import pytest
from small_disk import assert_said, odtk, small_disk

from odtk.tools.synthetic_pets import draw_dataset


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "pets"
    draw_dataset(folder, 20, seed=1)
    return folder


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", 200) as folder:
        yield folder


COMMANDS = {
    "make-tfrecords": ("records", ["make-tfrecords", "PETS", "OUT", "--label-map", "PETS/label_map.pbtxt"]),
    "view": ("drawn", ["view", "PETS", "--output", "OUT"]),
    "inspect": ("page.html", ["inspect", "PETS", "--html", "OUT"]),
    "label-map": ("map.pbtxt", ["label-map", "make", "--names", "cat,dog", "--output", "OUT"]),
    "configure": ("pets.config", ["configure", "ssd_resnet50_v1_fpn_640x640_pets", "--output", "OUT"]),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_said_and_nothing_is_left(pets, disk, command):
    name, args = COMMANDS[command]
    fill = 0 if command in ("make-tfrecords", "view", "inspect") else 200 * 1024
    (disk / "mine").write_bytes(b"x" * fill)
    out = disk / name
    done = odtk(*(arg.replace("PETS", str(pets)).replace("OUT", str(out)) for arg in args))
    assert_said(done, out)
    assert "It needs" in done.stderr
    assert os.listdir(disk) == ["mine"]
    assert (disk / "mine").stat().st_size == fill


def test_what_was_there_is_untouched(pets, disk):
    config = disk / "pets.config"
    config.write_text("# mine\n")
    (disk / "fill").write_bytes(b"x" * (196 * 1024))
    done = odtk("configure", "ssd_resnet50_v1_fpn_640x640_pets", "--output", config, "--overwrite")
    assert_said(done, config)
    assert "the old pets.config is unchanged" in done.stderr
    assert config.read_text() == "# mine\n"


def test_a_disk_without_room_for_a_name_is_full_too(pets, tmp_path):
    with small_disk(tmp_path / "disk", 200, ",nr_inodes=1") as disk:
        assert_said(odtk("make-tfrecords", pets, disk / "records"), disk / "records")


def test_a_disk_that_is_read_only_is_said(pets, tmp_path):
    with small_disk(tmp_path / "disk", 200) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for arguments in (["view", pets, "--output"], ["inspect", pets, "--html"]):
            done = odtk(*arguments, disk / "out")
            assert_said(done, disk / "out", "its file system is read-only")
            assert "Looking at" not in done.stderr  # before the work


def test_a_full_disk_behind_stdout_is_said(pets):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "odtk", "label-map", "show", "pet_label_map"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: A file, or the target of the command's output, cannot be written: no space is"
    )
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "place"),
    [("inspect", "afile/page.html"), ("inspect", "loop"), ("view", "afile/out"), ("view", "loop"), ("view", "x" * 300)],
)
def test_an_output_that_cannot_be_is_refused_before_the_work(pets, tmp_path, command, place):
    (tmp_path / "afile").touch()
    (tmp_path / "loop").symlink_to("loop")
    option = {"inspect": "--html", "view": "--output"}[command]
    done = odtk(command, pets, option, tmp_path / place)
    assert (done.returncode, done.stdout) in ((1, ""), (2, ""))
    assert place.split("/")[0] in done.stderr
    assert "Looking at" not in done.stderr
    assert "unexpected" not in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["afile", "loop"]


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    done = odtk("label-map", "make", "--names", "cat", "--output", fifo, "--overwrite")
    assert_said(done, fifo, "is a device or a pipe")
    assert fifo.is_fifo()


def test_a_killed_command_is_run_again_as_if_nothing_had_been(pets, tmp_path):
    (tmp_path / "records").mkdir()
    args = ("make-tfrecords", pets, tmp_path / "records", "--label-map", pets / "label_map.pbtxt", "--num-shards", "1")
    kill = """
import os, signal, sys
from odtk.records import shards
shards.write_dataset = lambda *args, **more: os.kill(os.getpid(), signal.SIGKILL)
sys.argv = ["odtk", *sys.argv[1:]]
from odtk.cli.main import main
main()
"""
    assert subprocess.run([sys.executable, "-c", kill, *map(str, args)], check=False).returncode == -9
    assert [name.endswith(".part") for name in os.listdir(tmp_path / "records")] == [True]
    for more in ((), ("--overwrite",)):
        done = odtk(*args, *more)
        assert done.returncode == 0, done.stderr
        assert not [name for name in os.listdir(tmp_path / "records") if name.startswith(".")]
