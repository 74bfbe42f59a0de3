"""The folder that a training would write to: space, speed of writing, and what kind of drive it is on."""

import os
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from odtk import files, machine
from odtk.findings import ERROR, NOTE, WARNING, Finding
from odtk.system_errors import describe, in_bytes
from odtk.tools.doctor.part import Part

_WRITTEN = 32 * 2**20  # bytes
_BLOCK = 2**20
_LITTLE_SPACE = 3 * 10**9  # bytes: the checkpoints of one training of a ResNet50 with a pyramid
_SLOW = 20 * 10**6  # bytes per second: such a checkpoint takes 13 s
_DRIVE = Path("content/drive")
_MOUNT = 'from google.colab import drive; drive.mount("/content/drive")'


def check_folder(
    folder: str | os.PathLike, root: Path = machine.ROOT, environ: Mapping[str, str] = os.environ, speed=None
) -> Part:
    """`speed`: stands in for `measure_speed`."""
    if files.is_remote(folder):
        return Part("Folder", {"folder": os.fspath(folder), "space": "not measured in an object store"})
    place = _existing(Path(folder).absolute())
    is_on_drive = place.is_relative_to(root / _DRIVE)
    facts = {"folder": str(place)}
    findings = _of_colab(root, environ, is_on_drive)
    try:
        free = shutil.disk_usage(place).free
        facts["free space"] = in_bytes(free)
        if free < _LITTLE_SPACE:
            findings.append(
                Finding(
                    WARNING,
                    f"{place} has {in_bytes(free)} of free space; the checkpoints of a training take about "
                    f"{in_bytes(_LITTLE_SPACE)}.",
                    kind="little-space",
                    fix="Free some space, choose a folder on another disk, or keep fewer: `odtk train ... --keep 2`.",
                )
            )
        rate = (speed or measure_speed)(place)
        facts["writing"] = f"{in_bytes(int(rate))} per second"
        if rate < _SLOW and not is_on_drive:
            findings.append(
                Finding(
                    WARNING,
                    f"Writing to {place} is slow, {in_bytes(int(rate))} per second: checkpoints hold up the training.",
                    kind="slow-disk",
                    fix="Choose a folder on a local disk, or save less often, by `--checkpoint-every`.",
                )
            )
    except OSError as error:
        facts["writing"] = "fails"
        fix = "Then run this again, or choose another folder: `odtk doctor FOLDER`."
        findings.append(Finding(ERROR, describe(error, place), kind="not-writable", fix=fix))
    return Part("Folder", facts, findings)


def measure_speed(folder: Path) -> float:
    """Bytes per second of a file of 32 MB, which is removed; raises OSError if it cannot be written."""
    path, block = folder / f".odtk-doctor-{secrets.token_hex(4)}", os.urandom(_BLOCK)
    start = time.monotonic()
    try:
        with open(path, "wb") as file:
            for _ in range(_WRITTEN // _BLOCK):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        return _WRITTEN / max(time.monotonic() - start, 1e-6)
    finally:
        path.unlink(missing_ok=True)


def _existing(path: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(each for each in (path, *path.parents) if os.path.isdir(each))


def _of_colab(root: Path, environ: Mapping[str, str], is_on_drive: bool) -> list[Finding]:
    if is_on_drive:
        return [
            Finding(
                NOTE,
                "The folder is on Google Drive: checkpoints are safe there, but records are read from it much slower "
                "than a GPU uses them.",
                kind="drive",
                fix="Keep records on Colab's own disk (/content) and only the model folder on Drive; copy records that "
                "are on Drive first: `cp -r /content/drive/MyDrive/records /content`.",
            )
        ]
    if "COLAB_RELEASE_TAG" not in environ:
        return []
    mounted = (root / _DRIVE / "MyDrive").exists()
    return [
        Finding(
            NOTE,
            "Colab's own disk is emptied when it disconnects, with all checkpoints.",
            kind="colab-disk",
            fix=f"Train into a folder on Google Drive: {'/content/drive/MyDrive/...' if mounted else _MOUNT}",
        )
    ]
