"""TFRecord shards: written whole or not at all, read with their checksums, and the folder of them that we prepare.

The framing of one record (tensorflow/core/lib/io/record_writer.h): its length as a little-endian uint64, the masked
CRC-32C of those 8 bytes, the data, the masked CRC-32C of the data.
"""

import glob
import json
import os
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from odtk.atomic import atomic_file, write_text
from odtk.errors import DataError

# Says of a folder that make-tfrecords prepared it, and what is in it.
DATASET_FILE = "dataset.json"

_SHARD = re.compile(r"(?P<base>.*)-(?P<index>\d{5})-of-(?P<count>\d{5})")

_CRC_MASK_DELTA = 0xA282EAD8
_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")


def write_records(path: str | os.PathLike, records: Iterable[bytes]) -> int:
    """Writes `records` as one TFRecord file that appears whole or not at all; returns how many there were."""
    count = 0
    with atomic_file(path) as temporary, open(temporary, "wb") as file:
        for data in records:
            length = struct.pack("<Q", len(data))
            file.write(length + _FOOTER.pack(_masked_crc(length)))
            file.write(data)
            file.write(_FOOTER.pack(_masked_crc(data)))
            count += 1
    return count


def read_records(path: str | os.PathLike) -> Iterator[bytes]:
    """Yields each record of a TFRecord file.

    Raises DataError, with the file and the byte offset of the record, where the file cannot be opened, ends within
    a record or a checksum does not match.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            while file.tell() < size:
                yield _read_record(file, path, size)
    except OSError as error:
        raise DataError(f"{path} cannot be read as a TFRecord file: {error.strerror}. Check the path.") from error


def count_records(paths: Iterable[str | os.PathLike]) -> int:
    """Number of records in TFRecord files, by their lengths alone: nothing is checked and no data read."""
    count = 0
    for path in paths:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            while file.tell() + _HEADER.size <= size:
                length, _ = _HEADER.unpack(file.read(_HEADER.size))
                file.seek(length + _FOOTER.size, os.SEEK_CUR)
                count += 1
    return count


def shard_name(base: str, index: int, num_shards: int) -> str:
    """TFOD's name of a shard: `base-00003-of-00010`."""
    return f"{base}-{index:05d}-of-{num_shards:05d}"


def shard_glob(base: str, num_shards: int) -> str:
    """The pattern that matches every shard of `base`, as pipeline.config files have it: `base-?????-of-00010`."""
    return f"{base}-?????-of-{num_shards:05d}"


def missing_shards(pattern: str, files: Iterable[str | os.PathLike]) -> list[str]:
    """Shards that `pattern` asks for and that are not among the `files` it matches, though others of their set are."""
    present, missing = {os.fspath(file) for file in files}, set()
    for match in filter(None, map(_SHARD.fullmatch, present)):
        count = int(match["count"])
        names = (shard_name(match["base"], index, count) for index in range(count))
        missing.update(name for name in names if name not in present and fnmatch(name, pattern))
    return sorted(missing)


def expand_globs(patterns: Iterable[str | os.PathLike]) -> list[Path]:
    """The files that the paths and globs (`?`, `*`) name: in the order of `patterns`, sorted within each.

    A pattern that matches nothing adds nothing: the caller knows which config field it came from, and says so.
    """
    paths = []
    for pattern in map(os.fspath, patterns):
        # A path that exists is itself, whatever brackets are in it.
        paths += [pattern] if os.path.isfile(pattern) else sorted(glob.glob(pattern))
    return [Path(path) for path in paths]


@dataclass(frozen=True)
class DatasetFolder:
    """A folder that make-tfrecords prepared: its record globs and label map, as paths that begin with the folder's."""

    train_records: str
    val_records: str
    label_map: Path


def write_dataset(folder: Path, train_glob: str, val_glob: str, label_map: str, report: dict) -> None:
    """Writes the folder's dataset.json; globs and label map are named relative to the folder."""
    records = {"train": train_glob, "val": val_glob}
    document = {"made_by": "odtk make-tfrecords", "records": records, "label_map": label_map, "report": report}
    write_text(folder / DATASET_FILE, json.dumps(document, indent=2) + "\n")


def is_dataset(path: str | os.PathLike) -> bool:
    """Whether `path` is a folder that make-tfrecords prepared."""
    return (Path(path) / DATASET_FILE).is_file()


def read_dataset(folder: str | os.PathLike) -> DatasetFolder:
    """What is in a folder that make-tfrecords prepared; DataError where the folder is another's."""
    file = Path(folder) / DATASET_FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        records, label_map = document["records"], document["label_map"]
        paths = [Path(folder) / name for name in (records["train"], records["val"], label_map)]
    except FileNotFoundError:
        raise DataError(
            f"{folder} is not an output folder of odtk make-tfrecords: it has no {DATASET_FILE}. "
            "Name such a folder, or the records themselves by a glob."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} cannot be understood ({error!r}). Run odtk make-tfrecords again.") from error
    return DatasetFolder(str(paths[0]), str(paths[1]), paths[2])


def _masked_crc(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + _CRC_MASK_DELTA) & 0xFFFFFFFF


def _read_record(file: BinaryIO, path: str | os.PathLike, size: int) -> bytes:
    offset = file.tell()

    def damaged(what: str) -> DataError:
        advice = "Copy the file again, or make it anew with odtk make-tfrecords."
        return DataError(f"{path}: the record at byte {offset} {what}. {advice}")

    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise damaged("is cut short")
    length, length_crc = _HEADER.unpack(header)
    if _masked_crc(header[:8]) != length_crc:
        raise damaged("has a wrong length checksum" if offset else "has a wrong length checksum: not a TFRecord file?")
    # Compared with the size first: a length is not to be trusted with memory.
    if file.tell() + length + _FOOTER.size > size:
        raise damaged("is cut short")
    data = file.read(length)
    if _FOOTER.unpack(file.read(_FOOTER.size))[0] != _masked_crc(data):
        raise damaged("has a wrong data checksum")
    return data
