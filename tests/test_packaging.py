"""What pip makes of odtk: shipped files in every kind of install, and a TensorFlow that stays where it was.

No network: the wheels are built by the backend installed with the dev extra, and TensorFlow is a stub.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from hatchling import build as backend
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from odtk import __version__
from odtk.tensorflow_tpu import INSTALL

CHECKOUT = Path(__file__).parents[1]
SHIPPED = ("pipelines", "label_maps")
QUICKLY = ("--quiet", "--no-index", "--no-compile")
PACKAGED = ("odtk", *SHIPPED, "pyproject.toml", "README.md", "LICENSE", ".gitignore")

# Run from outside the checkout: prints where odtk is, and what it finds.
LOOK_FOR_SHIPPED_FILES = """
import json, odtk, odtk.resources as shipped
found = {suffix: list(map(str, shipped.shipped_files(kind, suffix).values()))
         for kind, suffix in (("pipelines", ".config"), ("label_maps", ".pbtxt"), ("pipelines", ".yaml"))}
print(json.dumps({"package": odtk.__file__, "found": found}))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what is packaged, so that a build sees nothing else and leaves nothing behind."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in PACKAGED:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(CHECKOUT / name, folder / name)
    return folder


def build(hook, checkout, output):
    """Calls one hook of the build backend in the checkout, as pip does."""
    before = Path.cwd()
    os.chdir(checkout)
    try:
        return output / hook(str(output))
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    return build(backend.build_wheel, checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def editable_wheel(checkout, tmp_path_factory):
    return build(backend.build_editable, checkout, tmp_path_factory.mktemp("editable"))


def without_settings(name):
    """The environment without what would lead pip or Python somewhere else."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON"))}
    return kept | {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "VIRTUAL_ENV": str(name)}


class Environment:
    """A virtual environment that this environment's pip installs into."""

    def __init__(self, folder):
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.python = folder / "bin/python"

    def pip(self, *args):
        command = [sys.executable, "-m", "pip", "--python", self.python, "install", *QUICKLY, *args]
        done = subprocess.run(command, capture_output=True, text=True, env=without_settings(self.folder))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, program):
        """What a fresh interpreter prints, started outside every checkout."""
        command = [self.python, "-c", program]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, env=without_settings(self.folder)
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def shipped_names(checkout):
    return sorted(path.name for kind in SHIPPED for path in (checkout / kind).iterdir())


def names_found(report):
    return sorted(Path(path).name for paths in report["found"].values() for path in paths)


def test_an_installed_wheel_finds_its_pipelines_and_label_maps(wheel, checkout, tmp_path):
    environment = Environment(tmp_path / "venv")
    environment.pip("--no-deps", wheel)
    report = json.loads(environment.run(LOOK_FOR_SHIPPED_FILES))
    assert Path(report["package"]).is_relative_to(environment.folder)
    assert names_found(report) == shipped_names(checkout)
    assert all(Path(path).is_relative_to(environment.folder) for paths in report["found"].values() for path in paths)


def test_an_editable_install_finds_those_of_the_checkout(editable_wheel, checkout, tmp_path):
    environment = Environment(tmp_path / "venv")
    environment.pip("--no-deps", editable_wheel)
    report = json.loads(environment.run(LOOK_FOR_SHIPPED_FILES))
    assert Path(report["package"]).parent == checkout / "odtk"
    assert names_found(report) == shipped_names(checkout)
    # Not a copy made when pip ran: a change in the checkout must be seen at once.
    assert all(Path(path).is_relative_to(checkout) for paths in report["found"].values() for path in paths)


def test_the_wheel_holds_every_module_and_nothing_else(wheel, checkout):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = {str(path.relative_to(checkout)) for path in (checkout / "odtk").rglob("*.*") if path.suffix != ".pyc"}
    shipped = {f"odtk/{path.relative_to(checkout)}" for kind in SHIPPED for path in (checkout / kind).iterdir()}
    assert held == package | shipped
    assert "odtk/protos/pipeline_pb2.py" in held  # no user ever needs protoc
    assert "odtk/py.typed" in held  # without it type checkers pass over all annotations
    assert {"odtk/web/templates/base.html", "odtk/web/static/htmx.min.js"} <= held  # what the studio serves


def test_the_odtk_script_and_the_version_are_in_the_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = f"odtk-{__version__}.dist-info"
        assert f"{metadata}/licenses/LICENSE" in archive.namelist()
        assert "odtk = odtk.cli.main:main" in archive.read(f"{metadata}/entry_points.txt").decode()


# The story of Colab's TensorFlow, with stub wheels that have the names, versions and requirements of the real ones.

FAMILY = {
    "tensorflow-tpu": {"2.20.0": []},
    "tensorflow": {"2.19.0": [], "2.19.1": [], "2.20.0": []},
    "tensorflow-text": {"2.19.0": ["tensorflow>=2.19.0,<2.20"], "2.20.1": ["tensorflow>=2.20.0,<2.21"]},
    "tf-keras": {"2.19.0": ["tensorflow>=2.19,<2.20"], "2.20.1": ["tensorflow>=2.20,<2.21"]},
    "tf-models-official": {
        f"{minor}.{patch}": ["tf-keras>=2.16.0", f"tensorflow~={minor}.0", f"tensorflow-text~={minor}.0"]
        for minor, patch in (("2.19", 1), ("2.20", 0))
    },
}
# What stands before pip is asked for odtk: Colab brings the three, other machines only TensorFlow.
COLAB = {"tensorflow": "2.19.0", "tensorflow-text": "2.19.0", "tf-keras": "2.19.0"}
TENSORFLOW_ALONE = {"tensorflow": "2.19.0"}


def write_stub_wheel(folder, name, version, requires=()):
    """An empty distribution with this name, version and requirements."""
    stem = f"{name.replace('-', '_')}-{version}"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(
            f"{stem}.dist-info/METADATA", "\n".join([*lines, *map("Requires-Dist: {}".format, requires), ""])
        )
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")


@pytest.fixture(scope="module")
def index(wheel, tmp_path_factory):
    """A folder with the wheel under test, the TensorFlow family, and an empty stub for everything else it needs."""
    folder = tmp_path_factory.mktemp("index")
    shutil.copy(wheel, folder)
    for name, versions in FAMILY.items():
        for version, requires in versions.items():
            write_stub_wheel(folder, name, version, requires)
    for requirement in requirements(wheel):
        oldest = [specifier.version for specifier in requirement.specifier if specifier.operator == ">="]
        if requirement.name not in FAMILY:
            write_stub_wheel(folder, requirement.name, oldest[0] if oldest else "1")
    return folder


def requirements(wheel):
    """The wheel's own requirements for this Python, those of its extras left out."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(f"odtk-{__version__}.dist-info/METADATA").decode())
    parsed = [Requirement(text) for text in metadata.get_all("Requires-Dist")]
    return [requirement for requirement in parsed if not requirement.marker or requirement.marker.evaluate()]


def environment_with(installed, index, folder):
    """A virtual environment in which these stubs, name to version, are installed: unpacked, without waiting for pip."""
    environment = Environment(folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name, version in installed.items():
        with zipfile.ZipFile(index / f"{name.replace('-', '_')}-{version}-py3-none-any.whl") as archive:
            archive.extractall(packages)
    return environment


def changes(environment, index, *wanted):
    """Name to version of what `pip install` would put in, and so replace."""
    report = environment.pip("--find-links", index, "--dry-run", "--report", "-", *wanted)
    items = [item["metadata"] for item in json.loads(report)["install"]]
    return {canonicalize_name(item["name"]): item["version"] for item in items}


@pytest.mark.parametrize("before", [COLAB, TENSORFLOW_ALONE], ids=["colab", "tensorflow_alone"])
def test_naming_the_installed_tensorflow_keeps_it_and_takes_the_matching_models(before, index, tmp_path):
    environment = environment_with(before, index, tmp_path / "venv")
    # The command of README and notebook asks the interpreter in these words.
    installed = environment.run("import importlib.metadata as m; print(m.version('tensorflow'))").strip()
    changed = changes(environment, index, "odtk", f"tensorflow=={installed}")
    assert changed["odtk"] == __version__
    assert changed["tf-models-official"] == "2.19.1"
    assert not set(before) & set(changed)


def test_without_naming_it_pip_may_replace_it(index, tmp_path):
    # Why README and notebook name it. Should this fail because pip became careful, they may stop.
    environment = environment_with(TENSORFLOW_ALONE, index, tmp_path / "venv")
    assert changes(environment, index, "odtk")["tensorflow"] == "2.20.0"


def test_the_family_moves_together_where_nothing_is_installed(index, tmp_path):
    changed = changes(Environment(tmp_path / "empty"), index, "odtk")
    minors = {name: changed[name].rsplit(".", 1)[0] for name in FAMILY if name != "tensorflow-tpu"}
    assert set(minors.values()) == {"2.20"}, minors


def test_tensorflow_tpu_stays_where_odtk_is_installed_in_the_documented_order(index, tmp_path):
    environment = environment_with({"tensorflow-tpu": "2.20.0"}, index, tmp_path / "venv")
    # Why there is an order: pip takes tensorflow-tpu for another package, and would install tensorflow over its files.
    assert changes(environment, index, "odtk")["tensorflow"] == "2.20.0"

    tpu, odtk, make, last = (shlex.split(line.format(version="2.20.0")) for line in INSTALL)
    assert tpu == ["pip", "install", "tensorflow-tpu==2.20.0"]
    assert odtk == ["pip", "install", "--no-deps", "odtk"]
    environment.pip("--find-links", index, *odtk[2:])
    assert make[:2] == ["python", "-m"]
    said = environment.run(f"import runpy; runpy.run_module({make[2]!r}, run_name='__main__')")
    assert said.endswith(f"Next: {shlex.join(last)}\n")
    stand_in = environment.folder / last[-1]
    assert changes(environment, index, "odtk", stand_in).keys() >= {"tensorflow", "tf-keras"}
    environment.pip("--find-links", index, "odtk", stand_in)
    # All is there, and what is installed as tensorflow holds no file that could be tensorflow-tpu's.
    assert changes(environment, index, "odtk", "tf-models-official", "tf-keras") == {}
    listed = (
        "import importlib.metadata as m; print([str(f) for f in m.files('tensorflow') if 'dist-info' not in str(f)])"
    )
    assert environment.run(listed) == "[]\n"
