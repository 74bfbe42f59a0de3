"""The installed packages: whether their versions fit each other, by their own metadata, and their files are whole.

Nothing of them is imported: a package that is broken can still be described.
"""

import base64
import hashlib
import platform
import re
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from odtk.findings import ERROR, WARNING, Finding
from odtk.tensorflow_tpu import INSTALL, REPAIR, VERSION, commands
from odtk.tools.doctor.part import Part

ODTK, TENSORFLOW, TPU = "odtk", "tensorflow", "tensorflow-tpu"
_FAMILY = ("tf-keras", "tf-models-official", "tensorflow-text")
"""They have TensorFlow's minor version."""
_SHOWN = (ODTK, TENSORFLOW, *_FAMILY, "tensorboard", "protobuf", "numpy")
# What protoc generated, with the version in its head.
_GENERATED = {
    TENSORFLOW: "tensorflow/core/framework/graph_pb2.py",
    "tensorboard": "tensorboard/compat/proto/graph_pb2.py",
}
_GENCODE = re.compile(r"^# Protobuf Python Version: (\d+)\.(\d+)\.(\d+)", re.MULTILINE)
_LARGEST_HASHED = 100_000  # bytes; of larger files the size is compared
_NAMED = 3


class Installed(dict[str, metadata.Distribution]):
    """The distributions of an environment by their normalized names."""

    def __init__(self, path: Sequence[str] | None = None):
        """Those in the folders of `path`; None: of sys.path."""
        super().__init__()
        for found in metadata.distributions() if path is None else metadata.distributions(path=list(path)):
            name = found.metadata["Name"]
            if name:  # of a folder that pip has left half removed there is none
                self.setdefault(canonicalize_name(name), found)

    @property
    def tensorflows(self) -> dict[str, metadata.Distribution]:
        """The distributions that hold the package `tensorflow`, of which one is enough, and two are too many."""
        named = {name: each for name, each in self.items() if re.match("(tensorflow|tf-nightly)(-|$)", name)}
        return {name: each for name, each in named.items() if _holds(each) or (name == TENSORFLOW and not each.files)}

    def version(self, name: str) -> str | None:
        """The version of a distribution; for "tensorflow" that of the one that stands for it."""
        found = self.get(name) or (next(iter(self.tensorflows.values()), None) if name == TENSORFLOW else None)
        return found.version if found else None


def check_packages(installed: Installed, python: str | None = None) -> Part:
    """Versions and their rules; `python`: the interpreter's version."""
    python = python or platform.python_version()
    facts = {"Python": python} | {name: installed.version(name) or "not installed" for name in _SHOWN}
    if others := [name for name in installed.tensorflows if name != TENSORFLOW]:
        facts[TENSORFLOW] += f" ({', '.join(others)})"
    checks = (_check_python, _check_one_tensorflow, _check_requirements, _check_files, _check_generated)
    return Part("Packages", facts, [finding for check in checks for finding in check(installed, python)])


def _holds(found: metadata.Distribution) -> bool:
    return any(str(file) == "tensorflow/__init__.py" for file in found.files or ())


def _check_python(installed: Installed, python: str) -> Iterator[Finding]:
    needed = installed[ODTK].metadata["Requires-Python"] if ODTK in installed else None
    if needed and not SpecifierSet(needed).contains(python, prereleases=True):
        yield Finding(
            ERROR,
            f"Python is {python}, and odtk needs {needed}.",
            kind="python",
            fix="Make a virtual environment with such a Python, and install odtk there.",
        )


def _check_one_tensorflow(installed: Installed, _) -> Iterator[Finding]:
    names = list(installed.tensorflows)
    if len(names) < 2:
        return
    is_tpu = TPU in names
    keep = TENSORFLOW if TENSORFLOW in names else names[0]
    repair = f'pip uninstall --yes {" ".join(names)} && pip install "{keep}=={installed[keep].version}"'
    if is_tpu:
        repair = commands(REPAIR, installed[TPU].version)
    lost = {name: len(_changed_files(installed[name])[0]) for name in names}
    overwritten = " and ".join(f"{count} of {name}'s" for name, count in lost.items() if count) or "the other's"
    yield Finding(
        ERROR,
        f"{' and '.join(f'{name} {installed[name].version}' for name in names)} are installed at once. They have files "
        f"of the same names, so the one that was installed later has overwritten {overwritten}.",
        kind="two-tensorflows",
        fix=f"Remove both and install one: {repair}",
    )


def _check_requirements(installed: Installed, _) -> Iterator[Finding]:
    """What odtk asks for, and what TensorFlow and those around it ask of each other."""
    names = [name for name in (ODTK, *installed.tensorflows, *_FAMILY, "tensorboard") if name in installed]
    told = {*_SHOWN, "keras"}
    for name in names:
        for requirement in map(Requirement, installed[name].requires or ()):
            needed = canonicalize_name(requirement.name)
            is_asked = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if is_asked and (name == ODTK or needed in told):
                yield from _check_requirement(installed, name, needed, requirement.specifier)


def _check_requirement(installed: Installed, name: str, needed: str, specifier: SpecifierSet) -> Iterator[Finding]:
    version = installed.version(needed)
    if version is not None and specifier.contains(version, prereleases=True):
        return
    found = "is not installed" if version is None else f"is {version}"
    asked = f"{specifier}" if str(specifier) else "one"
    yield Finding(
        ERROR,
        f"{needed} {found}, and {name} {installed[name].version} needs {asked}.",
        kind="missing-package" if version is None else "version",
        fix=_install(installed, name, needed, specifier),
    )


def _install(installed: Installed, name: str, needed: str, specifier: SpecifierSet) -> str:
    """The command that makes two packages fit: TensorFlow stays, as it is what fits the device."""
    version = installed.version(TENSORFLOW)
    if needed == TENSORFLOW and name in _FAMILY and version:
        return f'pip install "{name}=={version.rpartition(".")[0]}.*"'
    pinned = f' "tensorflow=={version}"' if version and needed != TENSORFLOW else ""
    return f'pip install "{needed}{specifier}"{pinned}'


def _check_files(installed: Installed, _) -> Iterator[Finding]:
    """Whether TensorFlow's files are those that were installed; of two TensorFlows that is told already."""
    for name, found in installed.tensorflows.items() if len(installed.tensorflows) == 1 else ():
        changed, total = _changed_files(found)
        if changed:
            first = ", ".join(changed[:_NAMED]) + (", ..." if len(changed) > _NAMED else "")
            yield Finding(
                ERROR,
                f"{len(changed)} of the {total} files of {name} {found.version} are missing, or are not those that "
                f"were installed ({first}). Another distribution of TensorFlow, with files of the same names, was "
                "installed over it, or was removed.",
                kind="changed-files",
                count=len(changed),
                fix=f'pip install --force-reinstall --no-deps "{name}=={found.version}"',
            )


def _changed_files(found: metadata.Distribution) -> tuple[list[str], int]:
    """The files of a distribution that are missing or differ from its RECORD, and the number of files in that."""
    listed = [(file, file.size) for file in found.files or () if str(file).startswith("tensorflow/")]
    recorded = [(file, size) for file, size in listed if size is not None]
    changed = []
    for file, size in recorded:
        path = Path(str(found.locate_file(file)))
        try:
            is_whole = path.stat().st_size == size
            if is_whole and size <= _LARGEST_HASHED and file.suffix == ".py" and file.hash:
                digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
                is_whole = base64.urlsafe_b64encode(digest).decode().rstrip("=") == file.hash.value
        except OSError:
            is_whole = False
        if not is_whole:
            changed.append(str(file))
    return changed, len(recorded)


def _check_generated(installed: Installed, _) -> Iterator[Finding]:
    """Whether the installed protobuf runs what other packages have generated by protoc; its own rule says."""
    try:
        from google.protobuf import runtime_version
    except ImportError:  # before protobuf 5 there was no rule; one that is broken is found where it is imported
        return
    for name, file in _GENERATED.items():
        found = installed.get(name) or (
            next(iter(installed.tensorflows.values()), None) if name == TENSORFLOW else None
        )
        version = _GENCODE.search(found.read_text(f"../{file}") or "") if found else None
        if not found or not version:
            continue
        try:
            major, minor, patch = map(int, version.groups())
            domain = runtime_version.Domain.PUBLIC
            runtime_version.ValidateProtobufRuntimeVersion(domain, major, minor, patch, "", file)
        except runtime_version.VersionError:
            generated = ".".join(version.groups())
            yield Finding(
                ERROR,
                f"protobuf is {installed.version('protobuf')}, and {name} {found.version} has code that was generated "
                f"by {generated}, which it does not run.",
                kind="protobuf",
                fix=f'pip install "protobuf>={generated},<{int(version[1]) + 2}"',
            )


def check_tpu_packages(installed: Installed, has_tpu: bool) -> Iterator[Finding]:
    """Where a TPU is: whether the TensorFlow here can use it."""
    if not has_tpu or len(installed.tensorflows) > 1:  # that is told of already
        return
    if TPU not in installed.tensorflows:
        name = next(iter(installed.tensorflows), None)
        found = f"{name} {installed[name].version}, which cannot use it" if name else "no TensorFlow"
        yield Finding(
            ERROR,
            f"This machine has a TPU, and {found}: it takes tensorflow-tpu, not overwritten by tensorflow.",
            kind="no-tensorflow-tpu",
            fix=commands(REPAIR if name else INSTALL, VERSION),
        )
    elif "libtpu" not in installed:
        yield Finding(
            ERROR,
            "This machine has a TPU, and libtpu, its library, is not installed.",
            kind="no-libtpu",
            fix=f'pip install "tensorflow-tpu=={installed[TPU].version}"',
        )
    if TPU in installed.tensorflows and TENSORFLOW not in installed:
        yield Finding(
            WARNING,
            "pip does not know that tensorflow-tpu is TensorFlow: the next package that needs tensorflow would "
            "overwrite it.",
            kind="tensorflow-tpu-is-not-known",
            fix="python -m odtk.tensorflow_tpu && pip install --no-deps "
            f"./tensorflow-{installed[TPU].version}-py3-none-any.whl",
        )
