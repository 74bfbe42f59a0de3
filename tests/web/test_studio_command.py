"""`odtk studio` as a process: what it loads, how it ends, and what it says when it cannot begin."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from click.testing import CliRunner
from running_studio import studio_process

from odtk.cli.main import cli
from odtk.errors import OdtkError
from odtk.web import server
from odtk.web.other_users import other_users, without_token_note
from odtk.web.packages import NEEDED
from odtk.web.workspace import Workspace

CHECKOUT = Path(__file__).parents[2]
# Pages may read configs and draw pictures; what takes seconds to import, or a hundred megabytes, is for the commands.
HEAVY = {"tensorflow", "tf_keras", "matplotlib", "scipy", "cv2", "av", "rich"}


def refused(*words):
    """What `odtk studio` says when it cannot begin."""
    result = CliRunner().invoke(cli, ["studio", *map(str, words)], prog_name="odtk")
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


# Prints the modules that are loaded once the first pages have been asked for.
WATCHED = """
import json, sys, threading, urllib.request
from odtk.cli import options, studio
from odtk.web import server
real = server.run
def look(address):
    urllib.request.urlopen(address).read()
    print(json.dumps(sorted(sys.modules)), flush=True)
def run(workspace, *, on_start, **rest):
    def started(listening):
        on_start(listening)
        threading.Thread(target=look, args=[listening.address]).start()
    real(workspace, on_start=started, **rest)
server.run = run
from odtk.cli.main import main
main()
"""


@pytest.mark.usefixtures("signals_of_a_terminal")
def test_it_starts_without_what_is_heavy_and_ends_with_open_streams(tmp_path):
    with studio_process(tmp_path, program=("-c", WATCHED)) as (process, address):
        modules = set(json.loads(process.stdout.readline()))
        assert not modules & HEAVY
        parts = urlsplit(address)
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stream = stack.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=120))
                stream.sendall(b"GET /jobs/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b"200 OK" in stream.recv(65536)
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 0
        assert "The studio has ended" in process.stderr.read()
    assert not (tmp_path / ".odtk-studio/address").exists()


def test_a_token_is_made_and_asked_for(tmp_path):
    with studio_process(tmp_path, "--token") as (process, address):
        token = re.search(r"\?token=([\w-]{32})$", address)[1]
        asked = urllib.request.Request(address.partition("?")[0], headers={"Authorization": f"Bearer {token}"})
        assert urllib.request.urlopen(asked, timeout=120).status == 200
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(address.partition("?")[0], timeout=120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0


def test_a_second_studio_of_a_folder_is_told_where_the_first_one_is(tmp_path):
    workspace = Workspace(tmp_path)
    with server.only_one(workspace, print) as announce:
        announce(server.listen(port=0, token=True))
        text = refused(tmp_path)
        assert re.search(rf"A studio of {tmp_path} runs already, at http://127.0.0.1:\d+/\. Open that one", text)
        assert "token" not in text
    with server.only_one(workspace, print):
        pass


@pytest.mark.usefixtures("signals_of_a_terminal")
def test_a_killed_studio_does_not_hold_its_folder_and_a_closed_terminal_ends_the_next(tmp_path):
    with studio_process(tmp_path) as (process, _):
        process.kill()
        process.wait()
    with studio_process(tmp_path) as (process, _):
        process.send_signal(signal.SIGHUP)
        assert process.wait(120) == 0


def test_a_port_in_use_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = refused(tmp_path, "--port", port)
    assert text.startswith(f"error: Port {port} is in use, perhaps by another studio.")
    assert "--port" in text


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "999.1.1.1", "a..b", "2001:db8::1"])
def test_a_host_that_is_not_of_this_machine_is_refused(tmp_path, host):
    assert f"{host} is no address of this machine" in refused(tmp_path, "--host", host, "--token")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_a_host_that_others_reach_needs_a_token(tmp_path, host):
    text = refused(tmp_path, "--host", host, "--port", "0")
    assert "everyone on the network could" in text
    assert "--token" in text


def test_a_proxy_needs_a_token(tmp_path):
    """It may call itself this machine in what it passes on."""
    text = refused(tmp_path, "--root-path", "/studio", "--port", "0")
    assert "A proxy shows the studio to all" in text
    assert "--token" in text


def test_names_count_as_what_they_mean(monkeypatch):
    """A name that looks like this machine's may be given another address by whoever runs the network."""
    elsewhere = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [elsewhere])
    with pytest.raises(OdtkError, match="everyone on the network"):
        server.listen("studio.localhost", 0)


def test_a_port_without_permission_is_refused(monkeypatch):
    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(OdtkError, match="Ports below 1024 need special rights, as 80 does"):
        server.listen(port=80)


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "is a file" in refused(tmp_path / "file")
    assert "no folder" in refused(tmp_path / "work", "--root", tmp_path / "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    assert "No permission" in refused(tmp_path / "work")


def test_packages_that_are_missing_are_named_with_the_fix(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "uvicorn" else name)
    assert "The studio needs uvicorn. Install it: pip install 'odtk[studio]'" in refused(tmp_path)


def test_the_extra_names_what_is_needed():
    (line,) = re.findall(r"^studio = \[(.*)\]$", (CHECKOUT / "pyproject.toml").read_text(), re.MULTILINE)
    names = {each.replace("-", "_") for each in re.findall(r'"([\w-]+)', line)}
    assert names == set(NEEDED)


def test_without_a_browser_the_address_stands(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("click.launch", lambda address: opened.append(address) or 1)
    monkeypatch.setattr(server, "run", lambda workspace, on_start, **rest: on_start(server.listen(port=0)))
    result = CliRunner().invoke(cli, ["studio", str(tmp_path), "--open"], prog_name="odtk")
    assert result.stdout == f"Studio: {opened[0]}\n"
    assert "No browser could be opened" in result.stderr
    shutil.rmtree(tmp_path / ".odtk-studio")


def test_a_browser_is_not_told_the_token_on_its_command_line(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("click.launch", lambda address: opened.append(address) or 0)
    address = "http://127.0.0.1:1/?token=a-token-of-the-tests-0123"

    def run(workspace, on_start, log, **rest):
        with server.only_one(workspace, log):
            on_start(server.Listening(None, address, "a-token-of-the-tests-0123"))
            page = Path(url2pathname(urlsplit(opened[0]).path))
            assert page.stat().st_mode & 0o777 == 0o600
            assert f'content="0; url={address}"' in page.read_text()
        assert not page.exists()

    monkeypatch.setattr(server, "run", run)
    result = CliRunner().invoke(cli, ["studio", str(tmp_path), "--open", "--token"], prog_name="odtk")
    assert result.stdout == f"Studio: {address}\n"
    assert "token-of" not in opened[0]
    assert "open the address above: it was given a file" in result.stderr


def test_other_users_of_the_machine_are_told_of(monkeypatch):
    accounts = """\
root:x:0:0:root:/root:/bin/bash
ada:x:1000:1000::/home/ada:/bin/bash
bob:x:1001:1001::/net/away/bob:/usr/bin/zsh
cut:x:1002:1002::/home/cut:/usr/sbin/nologin
tool:x:1003:1003::/nonexistent:/bin/sh
ubuntu:x:1004:1004:Ubuntu:/home/ubuntu:/bin/bash
daemon:x:33:33::/usr/sbin:/bin/sh
nobody:x:65534:65534::/home:/bin/sh
broken line
"""
    groups = "root:x:0:\nsudo:x:27:ubuntu,carol\nusers:x:100:bob\nbroken"
    monkeypatch.setattr(os, "stat", lambda *path, **rest: pytest.fail(f"{path} is looked at"))
    assert other_users(accounts, groups, [], "ada") == ["bob"]
    assert other_users(accounts, groups, ["eve", "ada", "carol"], "ada") == ["bob", "eve"]
    assert other_users(accounts, "", [], "ada") == ["bob", "ubuntu"]
    assert without_token_note(["bob", "eve"]).startswith("note: This machine has other users (bob and 1 more).")
    assert without_token_note([]) == ""


@pytest.mark.parametrize("token", [False, True])
def test_the_note_of_other_users_is_for_a_studio_without_a_token(tmp_path, monkeypatch, token):
    said = []
    monkeypatch.setattr(server, "others_here", lambda: ["bob"])
    monkeypatch.setattr(server, "build_server", lambda *given, **rest: (_ for _ in ()).throw(InterruptedError))
    with pytest.raises(InterruptedError):
        server.run(Workspace(tmp_path), port=0, token=token, log=said.append)
    assert ["other users (bob)" in line for line in said] == [True] * (not token)
