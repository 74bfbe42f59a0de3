"""The matrix names what README and pyproject.toml promise, finds its interpreters, and fails when a cell does."""

import os
import re
import sys
from pathlib import Path

import matrix
import pytest

CHECKOUT = matrix.CHECKOUT
PYPROJECT = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_its_pythons_are_those_that_pyproject_and_readme_name():
    assert tuple(re.findall(r"Programming Language :: Python :: (\S+)\"", PYPROJECT)) == matrix.PYTHONS
    minors = [int(version.split(".")[1]) for version in matrix.PYTHONS]
    assert f'requires-python = ">=3.{minors[0]},<3.{minors[-1] + 1}"' in PYPROJECT
    *others, last = matrix.PYTHONS
    assert f"You need Python {', '.join(others)} or {last}" in README


def test_its_tensorflows_are_those_that_pyproject_and_readme_name():
    *_, last = minors = [int(version.split(".")[1]) for version in matrix.TENSORFLOWS]
    assert f'"tensorflow>=2.{minors[0]},<2.{last + 1}"' in PYPROJECT
    named = f"TensorFlow {' and '.join(matrix.TENSORFLOWS)} are supported"
    assert f"{named}, on Python {matrix.PYTHONS[0]} to {matrix.PYTHONS[-1]}" in README


def test_the_core_is_there():
    assert [path for path in matrix.CORE if not (CHECKOUT / path).exists()] == []


def test_every_combination_is_a_cell_and_names_choose():
    assert len(matrix.cells()) == len(matrix.PYTHONS) * len(matrix.TENSORFLOWS) + 1
    assert matrix.chosen([]) == matrix.cells()
    assert [cell.name for cell in matrix.chosen(["colab", "3.10+2.20"])] == ["3.10+2.20", "colab"]
    with pytest.raises(SystemExit, match=r"no cell 3\.9\+2\.20; the cells are 3\.10\+2\.19"):
        matrix.chosen(["3.9+2.20"])


@pytest.fixture
def executable(tmp_path):
    """Writes a script that is called like a Python: `executable(path, exit_code)`."""

    def write(path, code):
        path = tmp_path / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\nexit {code}\n")
        path.chmod(0o755)
        return str(path)

    return write


def test_an_interpreter_of_pyenv_is_found_behind_a_shim_that_fails(executable, tmp_path, monkeypatch):
    executable("shims/python3.99", 127)
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert matrix.interpreter("3.99") is None
    executable("pyenv/versions/3.99.0/bin/python3.99", 1)
    there = executable("pyenv/versions/3.99.1/bin/python3.99", 0)
    assert matrix.interpreter("3.99") == there


def test_what_cannot_be_or_is_not_here_is_passed_over_with_the_reason(monkeypatch):
    assert "no wheels" in matrix.run(matrix.Cell("3.13", "2.19")).detail
    monkeypatch.setattr(matrix, "interpreter", lambda python: None)
    outcome = matrix.run(matrix.Cell("3.12", "2.20"))
    assert (outcome.result, outcome.detail) == ("passed over", "no Python 3.12 is here")


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """Replaces install and test: `stages(installs, passes)`, each a set of the names of cells that get through."""
    monkeypatch.setattr(matrix, "ENVIRONMENTS", tmp_path / ".matrix")
    monkeypatch.setattr(matrix, "interpreter", lambda python: sys.executable)

    def replace(installs, passes):
        monkeypatch.setattr(matrix, "install", lambda cell, base, log: cell.name in installs)
        monkeypatch.setattr(matrix, "test", lambda cell, log: log.write("7 passed in 1s\n") and cell.name in passes)

    return replace


@pytest.mark.parametrize(
    ("installs", "passes", "code"),
    [
        ({"3.11+2.20", "colab"}, {"3.11+2.20", "colab"}, 0),
        ({"3.11+2.20", "colab"}, {"3.11+2.20"}, 1),
        ({"3.11+2.20"}, {"3.11+2.20", "colab"}, 1),
    ],
    ids=["all_pass", "a_test_fails", "an_install_fails"],
)
def test_the_exit_code_says_whether_every_cell_passed(stages, capsys, installs, passes, code):
    stages(installs, passes)
    assert matrix.main(["3.11+2.20", "colab"]) == code
    *_, first, last = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["3.11+2.20", "passed"]
    assert first.endswith("7 passed in 1s")
    assert last.split()[:2] == ["colab", "FAILED" if code else "passed"]


def test_a_matrix_of_which_nothing_could_run_has_not_passed(stages, capsys):
    stages(set(), set())
    assert matrix.main(["3.13+2.19"]) == 1
    assert "passed over" in capsys.readouterr().out


def test_an_environment_is_made_again_after_a_change_of_pyproject(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(matrix, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(matrix, "CHECKOUT", tmp_path)
    monkeypatch.setattr(matrix.subprocess, "run", lambda command, **_: calls.append(command) or Done())
    cell = matrix.Cell("3.11", "2.20", Path("constraints.txt"))
    cell.folder.mkdir()
    (tmp_path / "pyproject.toml").touch()
    assert matrix.install(cell, "python3.11", None)
    assert "tensorflow==2.20.*" in calls[-1]
    assert calls[-1][calls[-1].index("--constraint") + 1] == cell.constraints
    calls.clear()
    assert matrix.install(cell, "python3.11", None)
    assert calls == []
    later = (cell.folder / ".ready").stat().st_mtime + 1
    os.utime(tmp_path / "pyproject.toml", (later, later))
    assert matrix.install(cell, "python3.11", None)
    assert calls != []


class Done:
    """What a process that went well leaves."""

    returncode = 0
