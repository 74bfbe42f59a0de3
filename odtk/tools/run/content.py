"""Digests of what stages read and write: of contents, never of dates, so that a copy or a checkout changes nothing.

A file that was read once is not read again while its size, times and inode are the same (as git does it); these are
kept in a file of their own, as they mean nothing on another machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from odtk import atomic, files
from odtk.annotations import linked_folders
from odtk.checkpoints.files import BEST_FOLDER, BEST_METRICS, is_ours, split
from odtk.checkpoints.state_file import read_state
from odtk.errors import DataError, OutputError
from odtk.progress import track
from odtk.records.fingerprint import fingerprint

CACHE_FILE = ".odtk-digests.json"

_CHUNK = 1 << 20
_THREADS = 8
_LARGE = 1 << 30  # bytes whose reading takes long enough to be shown
# A file that changes again within this time may keep its times: clocks of file systems are coarse.
_SETTLED_NS = 2_000_000_000
_RECORDS = (".record", ".tfrecord")


class Contents:
    """Digests by path; `cache` is the file in which they are remembered (see `save`)."""

    def __init__(self, cache: str | os.PathLike):
        self._path = os.fspath(cache)
        self._known: dict[str, list] = _read_cache(self._path)
        self._used: dict[str, list] = {}

    def of(self, path: str, without: Sequence[str] = ()) -> str | None:
        """The digest of a file or of all files below a folder; None if there is none.

        Hidden files do not count, nor do the files and folders `without`, where they are below the folder.
        """
        if files.is_remote(path):
            return _of_remote(path)
        if os.path.isfile(path):
            return self.of_files([path])
        if not os.path.isdir(path):
            return None
        try:
            names = linked_folders.walk(path).files
        except DataError:  # the tool that reads the folder says what is wrong with it
            return None
        left_out = _below(os.path.realpath(path), without)
        inner = [name for name in names if not f"{name}/".startswith(left_out)]
        return self._of_named([(name, os.path.join(path, name)) for name in inner])

    def of_files(self, paths: Iterable[str]) -> str | None:
        """The digest of files by their names and contents; None if there are none."""
        found = [(os.path.basename(path), path) for path in paths if files.is_remote(path) or os.path.isfile(path)]
        return self._of_named(found) if found else None

    def of_checkpoints(self, path: str) -> str | None:
        """The digest of a checkpoint, by its prefix, or of those in a model dir or exported folder; None without one.

        An index has the checksum of each variable; of the data only the size counts.
        """
        if files.exists(f"{path}.index"):
            folder, name = split(path)
            return self._of_checkpoints(folder, [name])
        for folder in (path, files.join(path, "checkpoint")):
            names = [name.removesuffix(".index") for name in files.names_in(folder) if name.endswith(".index")]
            best = files.join(folder, BEST_FOLDER)
            if names or files.exists(files.join(best, BEST_METRICS)):
                found = self._of_checkpoints(folder, [name for name in names if is_ours(name)] or names)
                newest = read_state(folder).newest
                return _joined([found, newest, self.of_checkpoints(best) if files.exists(best) else None])
        return None

    def _of_checkpoints(self, folder: str, names: list[str]) -> str:
        parts: list[str | None] = []
        for name in files.names_in(folder):
            stem, kind = name.rpartition(".")[0], name.rpartition(".")[2]
            if stem in names and kind == "index":
                parts += [name, self._one(files.join(folder, name))]
            elif stem in names and not files.is_remote(folder):
                parts += [name, str(os.path.getsize(os.path.join(folder, name)))]
        return _joined(parts)

    def save(self) -> None:
        """Remembers the digests that were asked for; where that is impossible, the next run reads the files again."""
        if self._used != self._known:
            with contextlib.suppress(OSError, OutputError):
                atomic.write_text(self._path, json.dumps(self._used, indent=0, ensure_ascii=False) + "\n")

    def _of_named(self, named: Sequence[tuple[str, str]]) -> str:
        here = [path for _, path in named if not files.is_remote(path)]
        digests = {path: self._remembered(path) for path in here}
        missing = [path for path in here if digests[path] is None]
        size = sum(map(os.path.getsize, missing))
        with contextlib.ExitStack() as stack:
            bar = stack.enter_context(track("Comparing", len(missing), "files")) if size > _LARGE else None
            pool = stack.enter_context(ThreadPoolExecutor(_THREADS))
            for path, digest in zip(missing, pool.map(self._read, missing), strict=True):
                digests[path] = digest
                if bar:
                    bar.advance()
        parts = (part for name, path in sorted(named) for part in (name, digests.get(path) or self._one(path)))
        return f"{len(named)} {'file' if len(named) == 1 else 'files'}, {_joined(parts)}"

    def _one(self, path: str) -> str:
        if files.is_remote(path):
            return _of_remote(path) or ""
        return self._remembered(path) or self._read(path)

    def _remembered(self, path: str) -> str | None:
        key, state = os.path.abspath(path), _state(path)
        found = self._used.get(key) or self._known.get(key)
        if found and found[:-1] == state:
            self._used[key] = found
            return found[-1]
        return None

    def _read(self, path: str) -> str:
        before, now = _state(path), time.time_ns()
        name = os.path.basename(path)
        # Of records only their checksums are read.
        is_of_records = any(word in name for word in _RECORDS)
        digest = _joined(map(str, asdict(fingerprint(path)).values())) if is_of_records else _sha256(path)
        if before == _state(path) and max(before[1:3]) + _SETTLED_NS < now:
            self._used[os.path.abspath(path)] = [*before, digest]
        return digest


def _below(root: str, paths: Sequence[str]) -> tuple[str, ...]:
    """Those of the paths that are below the folder, relative to it, each with a slash at its end."""
    start = os.path.join(root, "")
    real = [os.path.realpath(each) for each in paths]
    return tuple(each.removeprefix(start) + "/" for each in real if each.startswith(start) and each != root)


def of_text(*texts: str) -> str:
    """The digest of texts."""
    return _joined(texts)


def _joined(parts: Iterable[str | None]) -> str:
    digest = hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()
    return f"sha256 {digest[:32]}"


def _state(path: str) -> list[int]:
    """Size, times and inode."""
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _of_remote(path: str) -> str | None:
    """Of names, lengths and times: objects in a store are replaced as a whole, and to read all would cost too much."""
    found = files.remote_facts(path)
    return _joined(f"{name} {size} {changed}" for name, size, changed in found) if found else None


def _read_cache(path: str) -> dict[str, list]:
    try:
        known = json.loads(files.read_text(path))
    except (OSError, ValueError):
        return {}
    is_whole = isinstance(known, dict) and all(isinstance(each, list) and len(each) == 5 for each in known.values())
    return known if is_whole else {}
