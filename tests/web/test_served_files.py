"""`/files`: what lies in the studio's folders, and nothing else, whatever a path looks like."""

import os

import pytest
from running_studio import client_of

from odtk.queue import Job, Queue


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A client of a workspace with files of many kinds, beside a folder that is not its own."""
    tmp_path = tmp_path_factory.mktemp("files")
    with client_of(tmp_path / "work") as client:
        fill(client, tmp_path)
        yield client


def fill(client, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.txt").write_text("outside")
    folder = client.studio.workspace.folder
    (folder / "runs/pets").mkdir(parents=True)
    (folder / "runs/pets/metrics.csv").write_text("step\n1\n")
    (folder / "runs/pets/page.html").write_text("<script>alert(1)</script>")
    (folder / "runs/pets/icon.svg").write_text("<svg onload='alert(1)'/>")
    (folder / "runs/link.txt").symlink_to(tmp_path / "outside/secret.txt")
    (folder / "runs/out").symlink_to(tmp_path / "outside")
    (folder / "runs/loop").symlink_to("loop")
    (folder / "runs/device").symlink_to("/dev/zero")
    (folder / ".ssh").mkdir()
    (folder / ".ssh/id_rsa").write_text("outside")
    os.mkfifo(folder / "runs/pipe")
    Queue(folder / "queue.db").put(Job(["doctor"]))


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/outside/secret.txt",
        "..%2foutside%2fsecret.txt",
        "runs/%2e%2e/%2e%2e/outside/secret.txt",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "runs/link.txt",
        "runs/out/secret.txt",
        "runs/device",
        "/dev/zero",
        "/proc/self/environ",
        "runs/pets/metrics.csv%00.png",
        ".odtk-studio/secret",
        "./.odtk-studio/./secret",
        ".ODTK-STUDIO/secret",
        ".ssh/id_rsa",
        "queue.db",
        "queue.db-wal",
        "QUEUE.DB",
        "queue.db.files/create.lock",
        "runs/../queue.db",
    ],
)
def test_files_outside_and_secrets_are_not_served(files, path):
    answer = files.get(f"/files/{path}")
    assert answer.status_code == 404
    assert "not below the studio" in answer.text
    assert "outside</" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "runs/pipe",
        "runs/loop",
        "runs",
        "",
        "%252e%252e/outside/secret.txt",
        "..%5coutside%5csecret.txt",
        "runs/pets/metrics.csv/x",
        "x" * 5000,
        "%ff%fe.png",
        "%ed%b2%80",
    ],
)
def test_what_is_no_file_is_not_there(files, path):
    assert files.get(f"/files/{path}").status_code == 404


def test_a_link_to_a_secret_is_one(files):
    folder = files.studio.workspace.folder
    os.link(folder / "queue.db", folder / "runs/queue.txt")
    (folder / "runs/studio").symlink_to(folder / ".odtk-studio")
    assert files.get("/files/runs/queue.txt").status_code == 404
    assert files.get("/files/runs/studio/secret").status_code == 404


def test_a_root_that_holds_the_workspace_shows_no_secrets(tmp_path):
    with client_of(tmp_path / "home/work", roots=[tmp_path / "home"]) as client:
        (tmp_path / "home/.netrc").write_text("secret")
        (tmp_path / "home/cat.txt").write_text("cat")
        assert client.get(f"/files/{tmp_path}/home/cat.txt").text == "cat"
        for name in (".netrc", "work/.odtk-studio/secret", "work/queue.db"):
            assert client.get(f"/files/{tmp_path}/home/{name}").status_code == 404


def test_a_root_with_a_dot_is_one_that_was_named(tmp_path):
    root = tmp_path / ".datasets"
    root.mkdir()
    (root / "cat.txt").write_text("cat")
    with client_of(tmp_path / "work", roots=[root]) as client:
        assert client.get(f"/files/{root}/cat.txt").text == "cat"


def test_a_file_that_becomes_a_link_while_it_is_opened_is_not_served(files, monkeypatch):
    workspace = files.studio.workspace
    inside = workspace.inside

    def swapped(path):
        found = inside(path)
        os.rename(workspace.folder / "runs/pets", workspace.folder / "runs/before")
        (workspace.folder / "runs/pets").symlink_to(workspace.folder.parent / "outside")
        return found

    (workspace.folder / "runs/pets/secret.txt").write_text("inside")
    with monkeypatch.context() as patch:
        patch.setattr(workspace, "inside", swapped)
        answer = files.get("/files/runs/pets/secret.txt")
    (workspace.folder / "runs/pets").unlink()
    os.rename(workspace.folder / "runs/before", workspace.folder / "runs/pets")
    assert answer.status_code == 404
    assert "outside" not in answer.text


def test_scripts_of_files_do_not_run(files):
    page = files.get("/files/runs/pets/page.html")
    assert page.headers["content-security-policy"].startswith("sandbox allow-same-origin; default-src 'none'")
    assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
    assert "script" not in page.headers["content-security-policy"]
    image = files.get("/files/runs/pets/icon.svg")
    assert image.headers["content-type"] == "application/octet-stream"
    assert image.headers["content-disposition"].startswith("attachment")
    assert files.get("/files/runs/pets/metrics.csv").headers["content-type"] == "text/plain; charset=utf-8"


def test_parts_of_files_are_served_and_what_a_browser_has_is_not_sent_again(files):
    whole = files.get("/files/runs/pets/metrics.csv")
    assert whole.text == "step\n1\n"
    for asked, status, got in (
        ("bytes=0-3", 206, "step"),
        ("bytes=-2", 206, "1\n"),
        ("bytes=5-", 206, "1\n"),
        ("bytes=5-99", 206, "1\n"),
        ("bytes=7-", 416, ""),
        ("bytes=3-1", 416, ""),
        ("bytes=-", 200, whole.text),
        ("bytes=" + "9" * 5000 + "-", 200, whole.text),
        ("bytes=0-1,2-3", 200, whole.text),
        ("pages=1-2", 200, whole.text),
    ):
        answer = files.get("/files/runs/pets/metrics.csv", headers={"range": asked})
        assert (answer.status_code, answer.text) == (status, got), asked
    again = files.get("/files/runs/pets/metrics.csv", headers={"if-none-match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_file_whose_name_is_no_text_is_downloaded(files):
    folder = os.fsencode(files.studio.workspace.folder)
    with open(folder + b"/runs/caf\xe9.bin", "wb") as file:
        file.write(b"x")
    os.symlink(b"caf\xe9.bin", folder + b"/runs/name.bin")
    answer = files.get("/files/runs/name.bin")
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''caf%E9.bin"
