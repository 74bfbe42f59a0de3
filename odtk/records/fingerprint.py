"""The fingerprint of a TFRecord file, from its lengths and checksums: a change of the data changes it.

It reads 16 bytes of each record, so that a set of 100 GB takes seconds.
"""

import hashlib
import os
from dataclasses import dataclass

from odtk.records.shards import FOOTER_SIZE, HEADER_SIZE


@dataclass(frozen=True)
class Fingerprint:
    """Of one file: its size in bytes, how many records it has, and the SHA-256 of their lengths and checksums."""

    size: int
    records: int
    sha256: str


def fingerprint(path: str | os.PathLike) -> Fingerprint:
    """The fingerprint of a local file; the data itself is neither read nor checked. OSError if it cannot be read."""
    digest, count = hashlib.sha256(), 0
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while file.tell() + HEADER_SIZE <= size:
            header = file.read(HEADER_SIZE)
            # A damaged length may be larger than what seek accepts.
            file.seek(min(file.tell() + int.from_bytes(header[:8], "little"), size))
            digest.update(header + file.read(FOOTER_SIZE))
            count += 1
    return Fingerprint(size, count, digest.hexdigest())
