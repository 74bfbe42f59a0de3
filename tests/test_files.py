"""Object stores are stood in for by TensorFlow's file system in memory, ram://."""

import resource
import signal
import subprocess
import sys

import pytest

from odtk import files
from odtk.errors import DataError, OutputError

tf = pytest.importorskip("tensorflow")


@pytest.fixture
def store(request):
    folder = f"ram://{request.node.name.split('[')[0]}"
    tf.io.gfile.makedirs(folder)
    yield folder
    tf.io.gfile.rmtree(folder)


@pytest.fixture(params=["here", "there"])
def place(request, tmp_path, store):
    return str(tmp_path) if request.param == "here" else store


def _write(path, data):
    with files.create(path) as file:
        file.write(data)


def test_what_is_written_is_read(place):
    _write(files.join(place, "a.bin"), b"\0\xff" * 1000)
    assert files.read_bytes(files.join(place, "a.bin")) == b"\0\xff" * 1000
    assert files.names_in(place) == ["a.bin"]
    assert files.names_in(files.join(place, "nowhere")) == []


def test_a_missing_file_is_an_os_error(place):
    with pytest.raises(OSError, match=r"No such file|NotFound"):
        files.read_bytes(files.join(place, "nothing.jpg"))


def test_an_output_folder_is_not_written_over_unasked(place):
    output = files.join(place, "out")
    for replace in (False, True):
        with files.output_folder(output, replace) as folder:
            _write(files.join(folder, f"new-{replace}"), b"1")
        with pytest.raises(OutputError, match="is not empty"), files.output_folder(output):
            raise AssertionError
    assert files.names_in(output) == ["new-True"]


def _stop_half_way(output):
    with files.output_folder(output) as folder:
        _write(files.join(folder, "half"), b"1")
        raise KeyboardInterrupt


def test_an_error_leaves_no_output_folder(place):
    with pytest.raises(KeyboardInterrupt):
        _stop_half_way(files.join(place, "out"))
    assert "out" not in files.names_in(place)


def test_a_file_of_nothing_is_one(place):
    with files.create(files.join(place, "empty")):
        pass
    assert files.read_bytes(files.join(place, "empty")) == b""


def test_a_text_is_written_replaced_renamed_and_removed(place):
    text, other = files.join(place, "folder/a.txt"), files.join(place, "folder/b.txt")
    assert not files.exists(text)
    files.make_folder(files.join(place, "folder"))
    files.make_folder(files.join(place, "folder"))
    files.write_text(text, "an older and longer text")
    files.write_text(text, "ä\n")
    assert (files.read_text(text), files.exists(text), files.is_folder(text)) == ("ä\n", True, False)
    files.write_bytes(other, b"b")
    files.replace(text, other)
    assert files.names_in(files.join(place, "folder")) == ["b.txt"]
    assert files.read_bytes(other) == "ä\n".encode()
    files.remove(other)
    files.remove(other)
    assert not files.exists(other)
    assert files.is_folder(files.join(place, "folder"))


def test_lines_are_appended_whole(place):
    path = files.join(place, "metrics.csv")
    for line in ("step,loss", "10,1.5", "20,ü"):
        files.append_lines(path, [line])
    assert files.read_text(path) == "step,loss\n10,1.5\n20,ü\n"


def test_of_a_line_that_does_not_fit_nothing_stays(tmp_path):
    path = tmp_path / "metrics.csv"
    files.append_lines(path, ["step,loss"])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15, before[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            files.append_lines(path, ["10,1.5"])
        with pytest.raises(OSError, match="No space left"):
            files.append_lines(path, ["10,1.5"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_text() == "step,loss\n"


def test_facts_of_what_is_in_a_store(store):
    for name in ("b.bin", "inner/a.bin"):
        files.make_folder(files.join(store, "inner"))
        _write(files.join(store, name), b"12")
    found = files.remote_facts(store + "/")
    assert [(name, size) for name, size, _ in found] == [(f"{store}/b.bin", 2), (f"{store}/inner/a.bin", 2)]
    assert files.remote_facts(f"{store}/b.bin") == found[:1]
    assert files.remote_facts(f"{store}/nothing") == []


@pytest.mark.parametrize("images", [False, True])
def test_a_mirror_has_the_annotations_and_images_if_asked(store, tmp_path, images):
    for name, data in {"a/b/1.xml": b"<a/>", "a/2.JPG": b"jpeg", "list.txt": b""}.items():
        tf.io.gfile.makedirs(files.join(store, name).rpartition("/")[0])
        _write(files.join(store, name), data)
    files.mirror(store + "/", tmp_path, images)
    found = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert found == {"a/b/1.xml": b"<a/>", "a/2.JPG": b"jpeg" if images else b"", "list.txt": b""}


def test_a_folder_that_is_not_there_is_explained(tmp_path):
    with pytest.raises(DataError, match="ram://nowhere is not a folder"):
        files.mirror("ram://nowhere", tmp_path)


def test_tensorflow_is_loaded_for_remote_paths_only(tmp_path):
    code = (
        "import sys; from odtk import files;"
        f"files.create({str(tmp_path / 'a')!r}).__enter__(); files.names_in({str(tmp_path)!r});"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
