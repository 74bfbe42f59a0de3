"""Makes pip take tensorflow-tpu for TensorFlow, so that installing odtk does not overwrite it.

tensorflow-tpu holds the same files as the distribution named tensorflow, which odtk, tf-keras and tf-models-official
depend on: pip would install that one over it. A wheel named tensorflow that holds no file, and depends on
tensorflow-tpu of the same version, satisfies them. Nothing but Python's own library is imported here, as
this runs before odtk's dependencies are installed: `python -m odtk.tensorflow_tpu`.
"""

import sys
import zipfile
from importlib import metadata
from pathlib import Path

VERSION = "2.20.0"
"""Of tensorflow-tpu, where none is installed yet: the newest that odtk and its dependencies work with."""

INSTALL = (
    'pip install "tensorflow-tpu=={version}"',
    "pip install --no-deps odtk",
    "python -m odtk.tensorflow_tpu",
    "pip install odtk ./tensorflow-{version}-py3-none-any.whl",
)
"""The commands that install odtk where a TPU is, in this order."""
REPAIR = ("pip uninstall --yes tensorflow tensorflow-tpu", *INSTALL)
"""The commands where pip has already installed tensorflow over tensorflow-tpu."""

_WHEEL = "Wheel-Version: 1.0\nGenerator: odtk\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def commands(lines: tuple[str, ...], version: str = VERSION) -> str:
    """INSTALL or REPAIR for a version of tensorflow-tpu, as one line for a shell."""
    return " && ".join(lines).format(version=version)


def write_wheel(folder: Path, version: str) -> Path:
    """Writes the wheel for this version of tensorflow-tpu into `folder`, in place of an earlier one."""
    info = f"tensorflow-{version}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tensorflow\nVersion: {version}\n"
        f"Summary: Stands for tensorflow-tpu\nRequires-Dist: tensorflow-tpu=={version}\n",
        f"{info}/WHEEL": _WHEEL,
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    path = folder / f"tensorflow-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def main() -> None:
    """Writes the wheel into the current folder, and prints the command that comes next."""
    try:
        version = metadata.version("tensorflow-tpu")
    except metadata.PackageNotFoundError:
        sys.exit(f"error: tensorflow-tpu is not installed. Install it first: {INSTALL[0].format(version=VERSION)}")
    print(f"Wrote {write_wheel(Path(), version)}. Next: {INSTALL[-1].format(version=version)}")


if __name__ == "__main__":
    main()
