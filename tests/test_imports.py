"""Every module can be imported, without a warning of ours or a traceback that a library logs."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from absl import logging as absl_logging

import odtk.training  # noqa: F401 (puts the filter under test in place)

CHECKOUT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("odtk", "tests", "bench") for path in (CHECKOUT / folder).rglob("*.py"))

# Stands in for tensorflow-metadata and refuses the installed protobuf, as 1.21 does with those of Colab and of
# TensorFlow 2.19: its code was generated for a newer one.
GENERATED_FOR_A_NEWER_PROTOBUF = """
from google.protobuf import runtime_version
runtime_version.ValidateProtobufRuntimeVersion(
    runtime_version.Domain.PUBLIC, 99, 0, 0, "", "tensorflow_metadata/proto/v0/anomalies.proto")
"""

IMPORT_EVERY_MODULE = r"""
import importlib, pkgutil, warnings
import odtk
warnings.filterwarnings("error", module=r"odtk(\.|$)")
for module in pkgutil.walk_packages(odtk.__path__, "odtk."):
    if module.name == "odtk.__main__":
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        # Of extras.
        if error.name.partition(".")[0] not in ("apache_beam", "starlette", "uvicorn", "jinja2"):
            raise
import tensorflow_datasets
print("tensorflow_datasets", "is whole" if hasattr(tensorflow_datasets, "load") else "gave up")
"""


def test_every_module_is_imported_silently_without_tensorflow_datasets(tmp_path):
    proto = tmp_path / "tensorflow_metadata/proto"
    proto.mkdir(parents=True)
    (proto.parent / "__init__.py").touch()
    (proto / "__init__.py").write_text(GENERATED_FOR_A_NEWER_PROTOBUF)
    path = os.pathsep.join([str(tmp_path), str(CHECKOUT)])
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERY_MODULE],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "tensorflow_datasets gave up\n"
    assert "Traceback" not in done.stderr
    assert "tensorflow_metadata" not in done.stderr


@pytest.mark.parametrize("message", ["tensorflow_metadata/ moved", "no such file"])
def test_other_errors_of_libraries_are_logged(message, caplog):
    caplog.set_level("ERROR", logger="absl")
    absl_logging.get_absl_logger().addHandler(caplog.handler)
    try:
        try:
            raise OSError(message)
        except OSError as error:
            absl_logging.exception(error)
    finally:
        absl_logging.get_absl_logger().removeHandler(caplog.handler)
    assert message in caplog.text


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_this_python_compiles_it_without_a_warning(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile(path.read_text(encoding="utf-8"), path, "exec")
