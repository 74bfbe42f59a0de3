"""Files with samples of 16 bits and more, some written by hand, as Pillow writes no colored ones."""

import io
import struct
import zlib

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2


def color_png(samples: np.ndarray, significant: int | None = None) -> bytes:
    """A PNG of 16 bits, gray [height, width], RGB or RGBA [height, width, channels]; `significant` is its sBIT."""
    height, width, channels = samples.shape if samples.ndim == 3 else (*samples.shape, 1)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    if significant:
        chunks.insert(1, (b"sBIT", bytes([significant] * channels)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def gray_tiff(samples: np.ndarray, tags: dict[int, int] | None = None) -> bytes:
    """A TIFF of gray samples of any type that Pillow has, with more tags."""
    file, info = io.BytesIO(), ImageFileDirectory_v2()
    for tag, value in (tags or {}).items():
        info[tag] = value
    Image.fromarray(samples).save(file, "TIFF", tiffinfo=info)
    return file.getvalue()


def color_tiff(samples: np.ndarray, order: str = "<") -> bytes:
    """A TIFF of 16 bits a channel [height, width, channels], of a byte order (`<` or `>`)."""
    height, width, channels = samples.shape
    pixels = samples.astype(f"{order}u2").tobytes()
    # tag, values of 16 bits, or one of 32
    tags = [
        (256, [width]), (257, [height]), (258, [16] * channels), (259, [1]), (262, [2]), (273, None), (277, [channels]),
        (278, [height]), (279, len(pixels)),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(tags) + 4
    entries = b""
    for tag, value in tags:
        if tag == 258:  # behind the tags, as it is too long for one
            entries += struct.pack(f"{order}HHII", tag, 3, channels, start)
        elif isinstance(value, list):
            entries += struct.pack(f"{order}HHIHH", tag, 3, 1, value[0], 0)
        else:
            entries += struct.pack(f"{order}HHII", tag, 4, 1, start + 2 * channels if value is None else value)
    head = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(tags))
    return head + entries + bytes(4) + struct.pack(f"{order}{channels}H", *[16] * channels) + pixels
