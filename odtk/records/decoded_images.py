"""Decoded images in a file without a format of their own: pixels of one image after the other, then the index.

The index finds an image by its key, a number that is made of its encoded bytes: the same bytes are the same pixels,
whichever record they are in and whatever becomes of the record's file. The file may be in memory (`memory_file`).
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable
from typing import BinaryIO

import google_crc32c
import numpy as np

CHANNELS = 3
NAME = "decoded-{}-{}.images"
"""Of a file on a disk: which record files it is of, and a fingerprint of what they hold; * for any."""

ROW = np.dtype([("key", "<i8"), ("offset", "<i8"), ("height", "<i4"), ("width", "<i4"), ("checksum", "<u4")])
"""Of the index, which is sorted by key."""

_FOOTER = struct.Struct("<8sQI")  # mark, number of rows, their checksum
_MARK = b"odtkimg1"
_ALIGNMENT = 64  # bytes; TensorFlow takes over an array that begins at such an address without a copy


class DecodedImages:
    """Images that were decoded before; several threads may read them."""

    def __init__(self, file: BinaryIO, rows: np.ndarray, is_verified: bool = True):
        """`is_verified`: whether checksums are compared, which takes as long as reading."""
        self._file, self._rows, self._is_verified = file, rows, is_verified
        self._keys = rows["key"].copy()  # next to each other: a search would copy them each time

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, key: int) -> np.ndarray | None:
        """uint8 [height, width, 3]; None for a key that is not here.

        Raises OSError if the file cannot be read, or no longer has what was written; ValueError after `close`.
        """
        index = _find(self._keys, key)
        if index is None:
            return None
        _, offset, height, width, checksum = self._rows[index].item()
        pixels = _aligned(height * width * CHANNELS)
        count = os.preadv(self._file.fileno(), [pixels.data], offset)
        if count != len(pixels) or (self._is_verified and _checksum(pixels) != checksum):
            raise OSError(errno.EIO, "its bytes are no longer those that were written", self._file.name)
        return pixels.reshape(height, width, CHANNELS)

    def close(self) -> None:
        """Gives the file back; one in memory is gone then."""
        self._file.close()


def planned(keys: np.ndarray, heights: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The rows for images in the order in which they will be written, each key once; `write` adds the checksums."""
    _, first = np.unique(keys, return_index=True)
    first.sort()
    rows = np.zeros(len(first), ROW)
    rows["key"], rows["height"], rows["width"] = keys[first], heights[first], widths[first]
    sizes = _sizes(rows)
    rows["offset"] = np.cumsum(sizes) - sizes
    return rows


def file_size(plan: np.ndarray) -> int:
    """Bytes of the file of planned rows."""
    return int(_sizes(plan).sum()) + plan.nbytes + _FOOTER.size


def write(file: BinaryIO, plan: np.ndarray, images: Iterable[tuple[int, np.ndarray]]) -> np.ndarray:
    """Writes (key, uint8 [height, width, 3]) into an empty file; returns the index.

    An image that is not in `plan`, by its key and size, is left out, as are those of `plan` that do not come.
    """
    rows = np.sort(plan, order="key")
    keys, is_written = rows["key"].copy(), np.zeros(len(rows), bool)
    for key, image in images:
        index = _find(keys, key)
        if index is None or is_written[index] or image.shape[:2] != (rows[index]["height"], rows[index]["width"]):
            continue
        pixels = np.ascontiguousarray(image).reshape(-1)
        file.seek(int(rows[index]["offset"]))
        file.write(pixels.data)
        rows["checksum"][index], is_written[index] = _checksum(pixels), True
    rows = rows[is_written]
    data = rows.tobytes()
    file.seek(int(_sizes(plan).sum()))
    file.write(data + _FOOTER.pack(_MARK, len(rows), google_crc32c.value(data)))
    file.flush()
    return rows


def open_images(path: str | os.PathLike) -> DecodedImages | None:
    """The images of a file that `write` has completed; None for any other file. OSError if it cannot be read."""
    file = open(path, "rb", buffering=0)  # noqa: SIM115
    try:
        rows = _read_index(file)
    except BaseException:
        file.close()
        raise
    if rows is None:
        file.close()
        return None
    return DecodedImages(file, rows)


def memory_file() -> BinaryIO:
    """An empty file in main memory, which is gone when it is closed, or with the process.

    Raises OSError where the system has none.
    """
    if not hasattr(os, "memfd_create"):
        raise OSError(errno.ENOSYS, "this system has no files in memory")
    return os.fdopen(os.memfd_create("odtk-decoded-images"), "w+b")


def _read_index(file: BinaryIO) -> np.ndarray | None:
    size = file.seek(0, os.SEEK_END)
    if size < _FOOTER.size:
        return None
    file.seek(size - _FOOTER.size)
    mark, count, checksum = _FOOTER.unpack(file.read(_FOOTER.size))
    begin = size - _FOOTER.size - count * ROW.itemsize
    if mark != _MARK or begin < 0:
        return None
    file.seek(begin)
    data = file.read(count * ROW.itemsize)
    return np.frombuffer(data, ROW) if google_crc32c.value(data) == checksum else None


def _find(keys: np.ndarray, key: int) -> int | None:
    index = int(np.searchsorted(keys, key))
    return index if index < len(keys) and keys[index] == key else None


def _sizes(rows: np.ndarray) -> np.ndarray:
    return rows["height"].astype(np.int64) * rows["width"] * CHANNELS


def _aligned(size: int) -> np.ndarray:
    buffer = np.empty(size + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + size]


def _checksum(pixels: np.ndarray) -> int:
    return google_crc32c.extend(0, pixels)
