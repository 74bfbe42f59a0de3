"""odtk beside what Colab has installed: nothing of Colab's moves, by Colab's own list of packages."""

import json
import subprocess
import sys

import matrix
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:  # pytest brings it
    import tomli as tomllib

CHECKOUT = matrix.CHECKOUT
(PYTHON,) = {cell.python for cell in matrix.cells() if cell.constraints}
# What a notebook notices first when it moves: TensorFlow's family, and what a running kernel has already imported.
WATCHED = ("tensorflow", "tf-keras", "tensorflow-text", "protobuf", "numpy", "pillow", "rich", "click", "absl-py")


def colab() -> dict[str, str]:
    """Canonical name to version of all that Colab has installed."""
    lines = [line for line in matrix.COLAB.read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_colab_has_the_python_and_the_versions_that_we_ask_for(project):
    assert SpecifierSet(project["requires-python"]).contains(f"{PYTHON}.0")
    required = [Requirement(text) for text in project["dependencies"]]
    applying = [r for r in required if not r.marker or r.marker.evaluate({"python_version": PYTHON})]
    theirs = {r: colab()[canonicalize_name(r.name)] for r in applying if canonicalize_name(r.name) in colab()}
    assert {"tensorflow", "tf-keras", "protobuf", "absl-py"} <= {requirement.name for requirement in theirs}
    refused = [f"{r} (Colab has {version})" for r, version in theirs.items() if not r.specifier.contains(version)]
    assert refused == []


def test_readme_and_notebook_install_in_the_same_words():
    tensorflow = """$(python -c 'import importlib.metadata as m; print(m.version("tensorflow"))')"""
    command = f'pip install {{}}odtk "tensorflow=={tensorflow}"'
    assert command.format("") in (CHECKOUT / "README.md").read_text(encoding="utf-8")
    notebook = json.loads((CHECKOUT / "notebooks/odtk_pets_colab.ipynb").read_text(encoding="utf-8"))
    lines = [line.strip() for cell in notebook["cells"] for line in cell["source"]]
    assert "!" + command.format("--quiet ") in lines


@pytest.fixture
def empty_environment(tmp_path):
    """The interpreter of an empty environment of Colab's Python."""
    interpreter = matrix.interpreter(PYTHON)
    if not interpreter:
        pytest.skip(f"no Python {PYTHON} is here")
    subprocess.run([interpreter, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    return tmp_path / "venv/bin/python"


def dry_run(python, report, *arguments):
    """`pip install --dry-run` for this interpreter, with what it would install written to the report."""
    pip = [sys.executable, "-m", "pip", "--python", python, "install"]
    return subprocess.run(
        [*pip, "--dry-run", "--quiet", "--report", report, *arguments], capture_output=True, text=True
    )


@pytest.mark.slow  # half a minute: pip asks the index about a hundred packages
def test_pip_moves_nothing_of_colabs(empty_environment, tmp_path):
    report = tmp_path / "report.json"
    probe = dry_run(empty_environment, report, "--no-deps", "--retries", "0", f"absl-py=={colab()['absl-py']}")
    if probe.returncode != 0:
        pytest.skip(f"no index answers: {probe.stderr}")
    done = dry_run(empty_environment, report, "--constraint", matrix.COLAB, CHECKOUT)
    assert done.returncode == 0, done.stderr
    items = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    installed = {canonicalize_name(item["name"]): item["version"] for item in items}
    assert {name: installed[name] for name in WATCHED} == {name: colab()[name] for name in WATCHED}
    moved = {name: version for name, version in installed.items() if colab().get(name, version) != version}
    assert moved == {}
    assert "odtk" in installed
