"""Environments drawn as dist-info folders: versions that do not fit, two TensorFlows, files that were overwritten."""

import base64
import hashlib

import pytest

from odtk.findings import ERROR, WARNING
from odtk.tools.doctor import packages
from odtk.tools.doctor.packages import Installed, check_packages, check_tpu_packages

HEALTHY = {
    "odtk": ("0.1.0", ["tensorflow>=2.19,<2.21", "tf-keras>=2.19,<2.21", "numpy", 'nothing; extra == "gpu"'], {}),
    "tensorflow": ("2.20.0", ["numpy>=1.26.0", "protobuf>=5.28.0"], {"tensorflow/__init__.py": "# of tensorflow\n"}),
    "tf-keras": ("2.20.1", ["tensorflow<2.21,>=2.20"], {}),
    "numpy": ("2.1.3", [], {}),
    "protobuf": ("5.29.6", [], {}),
}
TPU = ("2.20.0", ["numpy>=1.26.0"], {"tensorflow/__init__.py": "# of tensorflow-tpu\n"})


@pytest.fixture
def environment(tmp_path):
    """Writes distributions into a folder, as pip does: the later one overwrites files of the earlier."""

    def write(before=(), **changes):
        first = {name.replace("_", "-"): changes[name] for name in before}
        drawn = first | HEALTHY | {name.replace("_", "-"): value for name, value in changes.items()}
        for name, entry in drawn.items():
            if entry is None:
                continue
            version, requires, files = entry
            info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
            info.mkdir()
            lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
            python = ["Requires-Python: >=3.10,<3.14"] * (name == "odtk")
            info.joinpath("METADATA").write_text(
                "\n".join([*lines, *python, *map("Requires-Dist: {}".format, requires)])
            )
            record = []
            for path, text in files.items():
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_text(text)
                digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
                record.append(f"{path},sha256={digest},{len(text)}")
            info.joinpath("RECORD").write_text("\n".join([*record, f"{info.name}/RECORD,,"]))
        return Installed([str(tmp_path)])

    return write


def found(installed, python="3.12.1"):
    """Kind to finding; all of them are errors."""
    part = check_packages(installed, python)
    assert {finding.severity for finding in part.findings} <= {ERROR}
    return {finding.kind: finding for finding in part.findings}


def test_nothing_is_found_where_all_fits(environment):
    part = check_packages(environment(), "3.12.1")
    assert part.findings == []
    assert part.facts["tensorflow"] == "2.20.0"
    assert part.facts["tensorflow-text"] == "not installed"


def test_python(environment):
    assert "Python is 3.9.2, and odtk needs >=3.10,<3.14" in found(environment(), "3.9.2")["python"].text


def test_a_tf_keras_of_another_minor_version(environment):
    finding = found(environment(tf_keras=("2.19.0", ["tensorflow<2.20,>=2.19"], {})))["version"]
    assert finding.text == "tensorflow is 2.20.0, and tf-keras 2.19.0 needs <2.20,>=2.19."
    assert finding.fix == 'pip install "tf-keras==2.20.*"'  # TensorFlow stays


def test_a_numpy_that_tensorflow_does_not_take(environment):
    finding = found(environment(numpy=("1.24.4", [], {})))["version"]
    assert finding.text == "numpy is 1.24.4, and tensorflow 2.20.0 needs >=1.26.0."
    assert finding.fix == 'pip install "numpy>=1.26.0" "tensorflow==2.20.0"'


def test_a_missing_package(environment):
    finding = found(environment(tf_keras=None))["missing-package"]
    assert finding.text == "tf-keras is not installed, and odtk 0.1.0 needs <2.21,>=2.19."
    assert finding.fix == 'pip install "tf-keras<2.21,>=2.19" "tensorflow==2.20.0"'


def test_tensorflow_installed_over_tensorflow_tpu(environment):
    """What `pip install odtk` does on Colab's TPU runtime."""
    kinds = found(environment(tensorflow_tpu=TPU, before=("tensorflow_tpu",)))
    two = kinds["two-tensorflows"]
    assert "tensorflow 2.20.0" in two.text
    assert two.text.endswith("has overwritten 1 of tensorflow-tpu's.")
    assert two.fix.startswith("Remove both and install one: pip uninstall --yes tensorflow tensorflow-tpu && ")
    assert 'pip install "tensorflow-tpu==2.20.0" && pip install --no-deps odtk && ' in two.fix
    assert set(kinds) == {"two-tensorflows"}


def test_a_tensorflow_whose_files_went_with_another_one(environment, tmp_path):
    """`pip uninstall tensorflow-cpu` after both were installed."""
    installed = environment()
    (tmp_path / "tensorflow/__init__.py").unlink()
    finding = found(installed)["changed-files"]
    assert finding.count == 1
    assert "tensorflow/__init__.py" in finding.text
    assert finding.fix == 'pip install --force-reinstall --no-deps "tensorflow==2.20.0"'


def test_a_file_of_the_same_size_but_of_another_tensorflow(environment, tmp_path):
    installed = environment()
    path = tmp_path / "tensorflow/__init__.py"
    path.write_text(path.read_text().upper())
    assert set(found(installed)) == {"changed-files"}


@pytest.mark.parametrize(("generated", "fits"), [("5.28.3", True), ("99.1.0", False)])
def test_code_that_the_installed_protobuf_does_not_run(environment, generated, fits):
    head = f"# Protobuf Python Version: {generated}\n"
    files = {"tensorflow/__init__.py": "", packages._GENERATED["tensorflow"]: head}
    kinds = found(environment(tensorflow=("2.20.0", [], files)))
    assert set(kinds) == (set() if fits else {"protobuf"})
    if not fits:
        assert kinds["protobuf"].fix == 'pip install "protobuf>=99.1.0,<101"'


SHIM = ("2.20.0", ["tensorflow-tpu==2.20.0"], {})


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, {"no-tensorflow-tpu": ERROR}),
        ({"tensorflow": None}, {"no-tensorflow-tpu": ERROR}),
        ({"tensorflow": None, "tensorflow_tpu": TPU}, {"no-libtpu": ERROR, "tensorflow-tpu-is-not-known": WARNING}),
        ({"tensorflow": SHIM, "tensorflow_tpu": TPU, "libtpu": ("0.0.52", [], {})}, {}),
    ],
    ids=["tensorflow", "nothing", "tensorflow-tpu", "as odtk installs it"],
)
def test_where_a_tpu_is(environment, changes, kinds):
    installed = environment(**changes)
    assert {each.kind: each.severity for each in check_tpu_packages(installed, True)} == kinds
    assert list(check_tpu_packages(installed, False)) == []


def test_tensorflow_tpu_with_what_stands_for_tensorflow_is_healthy(environment):
    installed = environment(tensorflow=SHIM, tensorflow_tpu=TPU)
    assert check_packages(installed, "3.12.1").findings == []
    assert check_packages(installed, "3.12.1").facts["tensorflow"] == "2.20.0 (tensorflow-tpu)"
