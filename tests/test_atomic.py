import os
import stat

import pytest

from odtk.atomic import atomic_directory, atomic_file, write_text
from odtk.errors import OutputError


class Refused(Exception):
    """Stands for whatever goes wrong half-way."""


def stop_half_way(output, name, **how):
    """Writes `name` into (or as, where it is None) an output, then fails."""
    with output(**how) as part:
        (part / name if name else part).write_text("half of the n")
        raise Refused


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_ends_and_not_before(tmp_path):
    path = tmp_path / "new/folder/metrics.json"
    with atomic_file(path) as part:
        part.write_text("{}")
        assert not path.exists()
        assert part.parent == path.parent  # a rename across disks would be a copy, and a copy can stop half-way
    assert path.read_text() == "{}"
    assert names(path.parent) == ["metrics.json"]


def test_an_error_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(Refused):
        stop_half_way(atomic_file, None, path=path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["metrics.json"]


def test_a_replaced_file_hands_on_its_permissions(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    for mode in (0o600, 0o664):
        path.chmod(mode)
        write_text(path, "new")
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    write_text(tmp_path / "ours", "new")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_an_error_before_anything_is_written_is_itself(tmp_path):
    with pytest.raises(Refused), atomic_file(tmp_path / "metrics.json"):
        raise Refused
    assert names(tmp_path) == []


def test_text_is_utf_8_whatever_the_locale(tmp_path):
    write_text(tmp_path / "label_map.pbtxt", "Bläuling\n")
    assert (tmp_path / "label_map.pbtxt").read_bytes() == "Bläuling\n".encode()


def test_a_directory_appears_when_the_block_ends_with_the_usual_permissions(tmp_path):
    path = tmp_path / "records"
    with atomic_directory(path) as part:
        (part / "a.record").write_text("a")
        assert not path.exists()
    assert names(path) == ["a.record"]
    assert names(tmp_path) == ["records"]
    (tmp_path / "made_by_mkdir").mkdir()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "made_by_mkdir").stat().st_mode)


def test_an_empty_directory_may_be_filled(tmp_path):
    (tmp_path / "records").mkdir()
    with atomic_directory(tmp_path / "records") as part:
        (part / "a.record").write_text("a")
    assert names(tmp_path / "records") == ["a.record"]


@pytest.mark.parametrize("replace", [False, True])
def test_an_error_leaves_no_directory_and_keeps_an_old_one(tmp_path, replace):
    path = tmp_path / "records"
    if replace:
        path.mkdir()
        (path / "old.record").write_text("old")
    with pytest.raises(Refused):
        stop_half_way(atomic_directory, "a.record", path=path, replace=replace)
    assert names(tmp_path) == ["records"] * replace
    assert not replace or names(path) == ["old.record"]


def test_replacing_a_directory_leaves_nothing_of_the_old_one(tmp_path):
    path = tmp_path / "records"
    path.mkdir()
    (path / "old.record").write_text("old")
    with atomic_directory(path, replace=True) as part:
        (part / "new.record").write_text("new")
    assert names(path) == ["new.record"]
    assert names(tmp_path) == ["records"]


def test_what_was_written_last_goes_first_and_comes_last(tmp_path, monkeypatch):
    """So that a power cut in between leaves no folder that looks finished."""
    path, moved = tmp_path / "records", []
    with atomic_directory(path) as part:
        (part / "b.record").touch()
    names_at_move, replace = [], os.replace

    def note(source, target):
        moved.append(target.name)
        names_at_move.append(names(path))
        replace(source, target)

    monkeypatch.setattr(os, "replace", note)
    with atomic_directory(path, replace=True) as part:
        for age, name in enumerate(["z.record", "c.record", "a.json"]):
            (part / name).touch()
            os.utime(part / name, ns=(age, age))
    assert moved == ["z.record", "c.record", "a.json"]
    assert "b.record" not in names_at_move[0]


def test_a_full_directory_is_refused_before_any_work(tmp_path):
    (tmp_path / "old.record").write_text("old")
    with pytest.raises(OutputError, match=rf"{tmp_path} is not empty"), atomic_directory(tmp_path):
        pytest.fail("the block ran")


def test_a_file_in_the_way_of_a_directory_is_refused(tmp_path):
    (tmp_path / "records").write_text("")
    with pytest.raises(OutputError, match="records is a file"), atomic_directory(tmp_path / "records"):
        pytest.fail("the block ran")


def test_a_directory_in_the_way_of_a_file_is_refused(tmp_path):
    with pytest.raises(OutputError, match="is a folder"), atomic_file(tmp_path):
        pytest.fail("the block ran")


@pytest.mark.parametrize("output", [atomic_file, atomic_directory])
def test_a_parent_that_cannot_be_made_is_named(tmp_path, output):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file/folder cannot be made"), output(tmp_path / "file/folder/out"):
        pytest.fail("the block ran")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("output", [atomic_file, atomic_directory])
def test_a_folder_without_permission_is_named(tmp_path, output):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="No permission to write to the folder"), output(tmp_path / "out"):
        pytest.fail("the block ran")


def test_links_are_followed(tmp_path):
    real, folder = tmp_path / "real.config", tmp_path / "folder"
    real.write_text("old")
    folder.mkdir()
    (tmp_path / "link.config").symlink_to(real)
    (tmp_path / "link").symlink_to(folder)
    write_text(tmp_path / "link.config", "new")
    with atomic_directory(tmp_path / "link") as part:
        (part / "file").touch()
    assert (tmp_path / "link.config").is_symlink()
    assert real.read_text() == "new"
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_the_folder_where_one_stands_is_filled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_directory(".") as part:
        (part / "file").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
