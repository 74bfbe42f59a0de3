"""How `odtk` ends: what a user sees, where, and the exit code."""

import re
import subprocess
import sys
import warnings
from importlib import metadata

import click
import pytest
from click.testing import CliRunner

from odtk import __version__
from odtk.cli import main
from odtk.cli.command_context import use_command_context
from odtk.cli.version import version_lines
from odtk.errors import ConfigError, OutputError

PARAGRAPH = "Field num_class is not in message Ssd. Did you mean num_classes?"


@pytest.fixture
def odtk(monkeypatch):
    """Runs `odtk` with a command `demo` whose body is given: `odtk(body, *args)` is Click's result."""

    def run(body, *args):
        command = click.Command("demo", callback=body)
        monkeypatch.setattr(main.Commands, "get_command", lambda group, context, name: command)
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # so that what the group sets is undone after the test
        return CliRunner().invoke(main.cli, args, prog_name="odtk")

    return run


def fails_as_it_may():
    raise ConfigError(PARAGRAPH)


def fails_as_it_should_not():
    return [][3]


def test_an_odtk_error_is_one_paragraph_on_stderr_and_exit_code_1(odtk):
    result = odtk(fails_as_it_may, "demo")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"error: {PARAGRAPH}\n")


def fails_for(argument):
    def body(**_):
        raise OutputError("It exists.", argument=argument)

    return body


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("overwrite", " Option: --overwrite."),
        ("output_dir", " Argument: OUTPUT_DIR."),
        ("images", " Argument: IMAGE_OR_FOLDER."),
        ("split_lists", " Option: --split."),
        ("split", " Option: --split."),
        ("full_body", " Option: --full-body."),
        ("of_another_command", ""),
        (None, ""),
    ],
)
@pytest.mark.parametrize("is_nested", [False, True])
def test_an_error_about_an_argument_names_its_option(monkeypatch, argument, sentence, is_nested):
    params = [
        click.Argument(["output_dir"], required=False),
        click.Argument(["images"], required=False, metavar="IMAGE_OR_FOLDER..."),
        click.Option(["-f", "--overwrite"], is_flag=True),
        click.Option(["--split", "split_lists"]),
        click.Option(["--faces-only/--full-body"]),
    ]
    command = click.Command("make", callback=fails_for(argument), params=params)
    if is_nested:
        # The group's own option of that name must not be taken for the command's.
        others = [click.Option([f"--outer-{name[:4]}", name]) for name in ("overwrite", "of_another_command")]
        command = click.Group("label-map", commands={"make": command}, callback=lambda **_: None, params=others)
    monkeypatch.setattr(main.Commands, "get_command", lambda *_: use_command_context(command))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    result = CliRunner().invoke(main.cli, ["label-map", *["make"] * is_nested], prog_name="odtk")
    assert (result.exit_code, result.stderr) == (1, f"error: It exists.{sentence}\n")


def test_an_unexpected_error_says_its_name_and_how_to_see_more(odtk):
    result = odtk(fails_as_it_should_not, "demo")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "unexpected IndexError: list index out of range" in result.stderr
    assert "odtk --debug" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("body", [fails_as_it_may, fails_as_it_should_not])
def test_debug_shows_the_traceback_before_the_paragraph(odtk, body):
    result = odtk(body, "--debug", "demo")
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert body.__name__ in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(("options", "shown"), [([], ["odtk"]), (["--debug"], ["google.api_core", "odtk"])])
def test_what_googles_packages_say_of_this_python_is_for_debugging_alone(odtk, options, shown):
    def warns():
        for module in ("google.api_core", "odtk"):
            warnings.warn_explicit(f"from {module}", FutureWarning, "file.py", 1, module=module)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        odtk(warns, *options, "demo")
    assert [str(warning.message) for warning in caught] == [f"from {module}" for module in shown]


def test_an_interrupt_is_a_word_and_exit_code_130(odtk):
    def interrupted():
        raise KeyboardInterrupt

    result = odtk(interrupted, "demo")
    assert result.exit_code == 130
    assert result.stderr.strip() == "Interrupted."


TERMINATED = """
import os, signal, time, click
from odtk.cli import main
def work():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
    finally:
        click.echo("cleaned up")
main.Commands.get_command = lambda *_: click.Command("demo", callback=work)
main.main()
"""


def test_a_termination_cleans_up_like_an_interrupt():
    command = [sys.executable, "-c", f"import sys; sys.argv[1:] = ['demo']{TERMINATED}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr.strip()) == (143, "cleaned up\n", "Terminated.")


CHATTERBOX = """
import click
from odtk.cli import main
chatter = click.Command("demo", callback=lambda: [click.echo("words") for _ in range(99999)])
main.Commands.get_command = lambda *_: chatter
main.cli(["demo"])
"""


def test_a_reader_that_goes_away_is_no_error():
    # As in `odtk predict --json ... | head -1`: the pipe is closed before the command has said everything.
    process = subprocess.Popen([sys.executable, "-c", CHATTERBOX], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"words\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


@pytest.mark.parametrize("args", [["nothing-like-it"], ["--nothing-like-it"], ["demo", "--nothing-like-it"]])
def test_a_usage_error_exits_2(odtk, args):
    result = odtk(lambda: None, *args) if "demo" in args else CliRunner().invoke(main.cli, args, prog_name="odtk")
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: odtk")


@pytest.mark.parametrize(
    ("typed", "meant"), [("exprot", "export"), ("make-tfrecord", "make-tfrecords"), ("eval", "evaluate")]
)
def test_the_nearest_command_is_named(typed, meant):
    result = CliRunner().invoke(main.cli, [typed], prog_name="odtk")
    assert result.exit_code == 2
    assert f"No such command '{typed}'. Did you mean '{meant}'?" in result.stderr


def test_python_m_odtk_is_odtk():
    done = subprocess.run([sys.executable, "-m", "odtk", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"odtk, version {__version__}\n")


def test_the_versions_are_those_of_the_packages_and_load_none_of_them():
    code = "import sys; from odtk.cli.version import version_lines as v; print(*v(), sep='\\n'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, loaded = done.stdout.splitlines()
    said = dict(line.split(" ", 1) for line in lines[2:])
    assert said == {name: metadata.version(name) for name in said}
    assert list(said) == ["tensorflow", "tf-keras", "tf-models-official", "numpy", "protobuf"]
    assert not {"tensorflow", "numpy", "keras", "tf_keras"} & set(loaded.split())


def test_a_package_that_is_missing_is_said_to_be(monkeypatch):
    def version(name):
        if name == "tensorflow-cpu":
            return "2.20.0"
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    lines = version_lines()
    assert "tensorflow-cpu 2.20.0" in lines
    assert lines[-1] == "protobuf: not installed (`odtk doctor` says what to do)"


def test_the_help_page_has_every_command_once_in_its_group():
    page = CliRunner().invoke(main.cli, ["--help"]).stdout
    listed = page[page.index(f"{next(iter(main.GROUPS))}:") :]
    found = re.findall(r"^(?:(\S.*):|  ([a-z-]+)  )", listed, re.MULTILINE)
    assert [title for title, _ in found if title] == list(main.GROUPS)
    assert [name for _, name in found if name] == list(main.COMMANDS)
    assert len(set(main.COMMANDS)) == len(main.COMMANDS)
