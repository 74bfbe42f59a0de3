"""TFRecord shards: written atomically, read with their checksums, and the folders of them that make-tfrecords writes.

The framing of one record (tensorflow/core/lib/io/record_writer.h): its length as a little-endian uint64, the masked
CRC-32C of those 8 bytes, the data, the masked CRC-32C of the data.
"""

import functools
import glob
import json
import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import numpy as np

from odtk import files
from odtk.errors import DataError

# Marks a folder as an output of make-tfrecords, and lists its contents.
DATASET_FILE = "dataset.json"

_SHARD = re.compile(r"(?P<base>.*)-(?P<index>\d{5})-of-(?P<count>\d{5})")

CRC_MASK_DELTA = 0xA282EAD8
_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
HEADER_SIZE, FOOTER_SIZE = _HEADER.size, _FOOTER.size
"""Bytes between the offset of a record and its data, and after the data."""
_SEARCH_BLOCK = 1 << 20


@dataclass(frozen=True)
class Record:
    """A valid record: the byte where it begins in its file, its data, and the byte after it."""

    offset: int
    data: bytes
    end: int


@dataclass(frozen=True)
class Damage:
    """A part of a TFRecord file that is not a valid record: where it begins, what is wrong, where reading continues.

    `data` is the damaged data, if the length could be trusted; only good for finding a name for messages.
    """

    offset: int
    what: str
    end: int
    data: bytes | None = None


def write_records(path: str | os.PathLike, records: Iterable[bytes]) -> int:
    """Writes `records` as one TFRecord file, atomically; returns how many there were."""
    count = 0
    with files.create(path) as file:
        for data in records:
            length = struct.pack("<Q", len(data))
            file.write(length + _FOOTER.pack(_masked_crc(length)))
            file.write(data)
            file.write(_FOOTER.pack(_masked_crc(data)))
            count += 1
    return count


def read_records(path: str | os.PathLike) -> Iterator[bytes]:
    """Yields each record of a TFRecord file.

    Raises DataError, with the file and the byte offset of the record, if the file cannot be opened, ends in the middle
    of a record or a checksum does not match.
    """
    for found in walk_records(path):
        if isinstance(found, Damage):
            advice = "Copy the file again, or write it again with odtk make-tfrecords."
            raise DataError(f"{path}: the record at byte {found.offset} {found.what}. {advice}")
        yield found.data


def walk_records(path: str | os.PathLike) -> Iterator[Record | Damage]:
    """Yields each record of a TFRecord file, or a Damage instead of a damaged one, and continues after it.

    A damaged record with a valid length loses only itself. If the length is damaged too, or bytes are missing or added,
    reading continues at the next offset where the checksums of both length and data match. Raises DataError if the
    file cannot be opened or read.
    """
    try:
        with open(path, "rb") as file:
            yield from walk(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise DataError(f"{path} cannot be read as a TFRecord file: {error.strerror}. Check the path.") from error


def walk(file: BinaryIO, size: int, offset: int = 0) -> Iterator[Record | Damage]:
    """`walk_records` of an open file of `size` bytes, from a record's `offset` on; only uses `seek` and `read`."""
    file.seek(offset)
    while offset < size:
        found = _read_record(file, offset, size)
        if isinstance(found, Damage):
            found = replace(found, end=_resume(file, found, size))
            file.seek(found.end)
        yield found
        offset = found.end


def count_records(paths: Iterable[str | os.PathLike]) -> int:
    """Number of records in TFRecord files, from their lengths only: no checks, and no data is read."""
    count = 0
    for path in paths:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            while file.tell() + _HEADER.size <= size:
                length, _ = _HEADER.unpack(file.read(_HEADER.size))
                count += 1
                # A damaged length may be larger than what seek accepts.
                file.seek(min(file.tell() + length + _FOOTER.size, size))
    return count


def shard_name(base: str, index: int, num_shards: int) -> str:
    """TFOD's name of a shard: `base-00003-of-00010`."""
    return f"{base}-{index:05d}-of-{num_shards:05d}"


def shard_glob(base: str, num_shards: int) -> str:
    """The pattern that matches every shard of `base`, as pipeline.config files have it: `base-?????-of-00010`."""
    return f"{base}-?????-of-{num_shards:05d}"


def missing_shards(pattern: str, files: Iterable[str | os.PathLike]) -> list[str]:
    """Shards that should match `pattern` but are missing from `files`, although others of their set are there."""
    present, missing = {os.fspath(file) for file in files}, set()
    for match in filter(None, map(_SHARD.fullmatch, present)):
        count = int(match["count"])
        names = (shard_name(match["base"], index, count) for index in range(count))
        missing.update(name for name in names if name not in present and fnmatch(name, pattern))
    return sorted(missing)


def expand_globs(patterns: Iterable[str | os.PathLike]) -> list[Path]:
    """The files that match the paths and globs (`?`, `*`): in the order of `patterns`, sorted within each.

    A pattern without a match adds nothing: the caller knows which config field it came from, and reports it.
    """
    paths: list[str] = []
    for pattern in (os.fspath(pattern) for pattern in patterns):
        # A path that exists is used as it is, even with brackets in it.
        paths += [pattern] if os.path.isfile(pattern) else sorted(glob.glob(pattern))
    return [Path(path) for path in paths]


@dataclass(frozen=True)
class DatasetFolder:
    """An output folder of make-tfrecords: its record globs and label map, as paths that begin with the folder's."""

    train_records: str
    val_records: str
    label_map: Path


def write_dataset(
    folder: str | os.PathLike,
    train_glob: str,
    val_glob: str,
    label_map: str,
    report: dict,
    test_glob: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Writes the folder's dataset.json; globs and label map are relative to the folder.

    `options` are those of make-tfrecords that were chosen, by their names.
    """
    records = {"train": train_glob, "val": val_glob} | ({"test": test_glob} if test_glob else {})
    document = {"made_by": "odtk make-tfrecords", "records": records, "label_map": label_map, "report": report}
    document |= {} if options is None else {"options": dict(options)}
    with files.create(files.join(folder, DATASET_FILE)) as file:
        file.write((json.dumps(document, indent=2) + "\n").encode())


def is_dataset(path: str | os.PathLike) -> bool:
    """Whether `path` is an output folder of make-tfrecords."""
    return (Path(path) / DATASET_FILE).is_file()


def read_dataset(folder: str | os.PathLike) -> DatasetFolder:
    """The contents of an output folder of make-tfrecords; DataError if it is not one."""
    file = Path(folder) / DATASET_FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        records, label_map = document["records"], document["label_map"]
        paths = [Path(folder) / name for name in (records["train"], records["val"], label_map)]
    except FileNotFoundError:
        raise DataError(
            f"{folder} is not an output folder of odtk make-tfrecords: it has no {DATASET_FILE}. "
            "Give such a folder, or a glob of the records."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{file} is not valid ({error!r}). Run odtk make-tfrecords again.") from error
    return DatasetFolder(str(paths[0]), str(paths[1]), paths[2])


def chosen_options(folder: str | os.PathLike) -> dict[str, Any] | None:
    """The options that the records of a folder were made with, as its dataset.json has them; None if it does not.

    Those that are missing had their default.
    """
    try:
        found = json.loads((Path(folder) / DATASET_FILE).read_text(encoding="utf-8"))["options"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _masked_crc(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + CRC_MASK_DELTA) & 0xFFFFFFFF


def _read_record(file: BinaryIO, offset: int, size: int) -> Record | Damage:
    """The record or Damage at `offset`, the file's position; a Damage ends where its length says, else at `offset`."""
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return Damage(offset, "is cut short", end=offset)
    length, length_crc = _HEADER.unpack(header)
    if _masked_crc(header[:8]) != length_crc:
        what = "has a wrong length checksum"
        return Damage(offset, what if offset else f"{what}: not a TFRecord file?", end=offset)
    end = offset + _HEADER.size + length + _FOOTER.size
    # Compared with the size first, so that a damaged length does not allocate memory.
    if end > size:
        return Damage(offset, "is cut short", end=offset)
    data = file.read(length)
    if _FOOTER.unpack(file.read(_FOOTER.size))[0] != _masked_crc(data):
        return Damage(offset, "has a wrong data checksum", end=end, data=data)
    return Record(offset, data, end)


def _resume(file: BinaryIO, damage: Damage, size: int) -> int:
    """The offset where reading continues after `damage`."""
    if damage.end > damage.offset:
        file.seek(damage.end)
        header = file.read(_HEADER.size)
        if not header or (len(header) == _HEADER.size and _masked_crc(header[:8]) == _HEADER.unpack(header)[1]):
            return damage.end
    found = _search(file, damage.offset + 1, size)
    # No record begins inside the damaged one: it is complete, and what follows it is damaged separately.
    return damage.end if damage.offset < damage.end < found else found


def _search(file: BinaryIO, start: int, size: int) -> int:
    """The first offset from `start` on with a valid record; `size` if there is none."""
    for begin in range(start, size, _SEARCH_BLOCK):
        file.seek(begin)
        block = file.read(_SEARCH_BLOCK + _HEADER.size - 1)
        for position in _headers(block):
            file.seek(begin + position)
            if isinstance(_read_record(file, begin + position, size), Record):
                return begin + position
    return size


def _headers(block: bytes) -> list[int]:
    """The positions in `block` that hold a length with a matching checksum.

    All positions are checked at once with array arithmetic. A CRC is linear: that of eight bytes is the sum (exclusive
    or) of the contributions of each byte at its position.
    """
    values = np.frombuffer(block, np.uint8)
    count = len(values) - _HEADER.size + 1
    if count < 1:
        return []
    crcs = np.full(count, google_crc32c.value(bytes(8)), np.uint32)
    for place, contributions in enumerate(crc_contributions()):
        crcs ^= contributions[values[place : place + count]]
    masked = ((crcs >> 15) | (crcs << 17)) + np.uint32(CRC_MASK_DELTA)
    stated = np.zeros(count, np.uint32)
    for place in range(4):
        stated |= values[8 + place : 8 + place + count].astype(np.uint32) << np.uint32(8 * place)
    return np.flatnonzero(masked == stated).tolist()


@functools.cache
def crc_contributions() -> np.ndarray:
    """By position (of eight) and value, how a byte changes the CRC-32C of eight zeros: uint32 [8, 256]."""
    zero = google_crc32c.value(bytes(8))
    table = [
        [google_crc32c.value(bytes(place) + bytes([value]) + bytes(7 - place)) ^ zero for value in range(256)]
        for place in range(8)
    ]
    return np.array(table, np.uint32)
