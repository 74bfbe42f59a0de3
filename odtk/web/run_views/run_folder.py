"""A model dir as `odtk train` writes it (docs/training.md), read while the run goes on: any file may be missing."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from odtk.folder_lock import STALE, Holder, holder_of
from odtk.process_identity import ProcessIdentity
from odtk.unfinished import LOCK_NAME
from odtk.web.run_views.run_charts import Best

CONFIG, METRICS, EVALUATIONS = "pipeline.config", "metrics.csv", "evaluations.csv"

_PICTURE = re.compile(r"step-(\d+)\.png")
_BATCH = re.compile(r"resumed-at-(\d+)\.png")


@dataclass(frozen=True)
class Session:
    """One process that trained, as run.json has it."""

    command: str
    arguments: Mapping[str, Any]
    started: str
    ended: str | None
    first_step: int | None
    last_step: int | None
    reason: str | None
    """Why it ended; None while it runs, and if it was killed."""
    device: str
    precision: str | None


@dataclass(frozen=True)
class Picture:
    """A picture of a run; `version` changes when it is drawn again."""

    step: int
    path: Path
    version: int


@dataclass(frozen=True)
class Writer:
    """A process that writes to a model dir now."""

    pid: int
    host: str
    since: str


def sessions(folder: Path) -> list[Session]:
    """The processes that trained here, the last one at the end; [] if run.json is not there or none of odtk's."""
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))["sessions"]
        return [_session(each) for each in found]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


def _session(found: Mapping[str, Any]) -> Session:
    return Session(
        command=str(found.get("command") or ""),
        arguments=found.get("arguments") or {},
        started=str(found.get("started") or ""),
        ended=found.get("ended"),
        first_step=found.get("first_step"),
        last_step=found.get("last_step"),
        reason=found.get("reason"),
        device=_device(found.get("machine") or {}, found.get("arguments") or {}),
        precision=found.get("precision"),
    )


def _device(machine: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """`NVIDIA L4`, `2 x NVIDIA L4`, or the processor's name where no accelerator is used."""
    names = list(machine.get("gpus") or [])
    if arguments.get("tpu"):
        names = list(machine.get("tpus") or []) or [f"TPU {arguments['tpu']}"]
    elif arguments.get("devices") == "cpu" or not names:
        cores = machine.get("cores")
        names = [f"{machine.get('processor') or 'CPU'}" + (f", {cores:g} cores" if cores else "")]
    counted = [f"{names.count(name)} x {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    return " and ".join(counted)


def best_weights(folder: Path) -> Best | None:
    """What best/metrics.json says of the best weights."""
    try:
        found = json.loads((folder / "best" / "metrics.json").read_text(encoding="utf-8"))
        return Best(int(found["step"]), str(found["metric"]), float(found["value"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def checkpoint_steps(folder: Path) -> list[int]:
    """Steps of the checkpoints that are complete enough to have an index, rising."""
    return sorted(int(path.name[5:-6]) for path in _glob(folder, "ckpt-*.index") if path.name[5:-6].isdecimal())


def evaluation_pictures(folder: Path) -> list[Picture]:
    """Those of evaluations/, the earliest first."""
    return _numbered(folder / "evaluations", _PICTURE)


def batch_pictures(folder: Path) -> list[Picture]:
    """The first batch of the run, and that of the process that resumed it last."""
    first = [picture for path in _glob(folder / "batches", "first.png") if (picture := _picture(0, path))]
    return [*first, *_numbered(folder / "batches", _BATCH)]


def nan_report(folder: Path) -> str | None:
    """The story of a loss that was not finite."""
    try:
        return (folder / "nan" / "report.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def writer_of(folder: Path) -> Writer | None:
    """The process that holds the folder's lock, if it lives, or may: one of another machine while its lock changes."""
    holder = holder_of(folder)
    if holder is None or not _is_alive(holder, folder):
        return None
    return Writer(holder.pid, holder.host, holder.since)


def _is_alive(holder: Holder, folder: Path) -> bool:
    values = asdict(holder)
    identity = ProcessIdentity(**{each.name: values[each.name] for each in fields(ProcessIdentity)})
    if identity.can_be_seen():
        return identity.is_alive()
    try:
        return time.time() - os.stat(folder / LOCK_NAME).st_mtime < STALE
    except OSError:
        return False


def _numbered(folder: Path, pattern: re.Pattern) -> list[Picture]:
    matches = [(match, path) for path in _glob(folder, "*.png") if (match := pattern.fullmatch(path.name))]
    found = [_picture(int(match[1]), path) for match, path in matches]
    return sorted((each for each in found if each), key=lambda picture: picture.step)


def _picture(step: int, path: Path) -> Picture | None:
    try:
        return Picture(step, path, path.stat().st_mtime_ns)
    except OSError:  # it has just been removed
        return None


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern))
    except OSError:
        return []
