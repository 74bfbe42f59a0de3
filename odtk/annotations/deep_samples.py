"""Samples of more than 8 bits, and what of their range is used: a camera's 12 bits in a file of 16 are nearly black.

Pillow reads grey samples of 16 bits as they are, and of coloured ones the upper halves; the lower ones are read by
taking the bytes in the other order.
"""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from odtk.annotations.annotated_image import UnusableImage

if TYPE_CHECKING:
    from PIL import Image

_RANGES = (8, 10, 12, 14, 16, 20, 24, 28, 32)  # bits that cameras and files have
_SAME_RANGE = 2  # bits; images that use so much less than others of their set are dark, and not of another range

_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE = 258, 281  # TIFF's tags
_SWAPPED = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}
_COLOURS = ("RGB", "RGBA")


def is_deep(image: Image.Image, encoded: bytes) -> bool:
    """Whether an image, of which the header was read, has samples of more than 8 bits."""
    return image.mode.startswith(("I", "F")) or (image.mode in _COLOURS and _bits_per_sample(image, encoded) == 16)


def read(image: Image.Image, encoded: bytes, path: object) -> tuple[np.ndarray, int]:
    """A deep image's samples, unsigned [height, width] or [height, width, channels], and the bits of them in use.

    The bits are those that the file declares to use, or the fewest of a usual range that hold the brightest sample; 0
    for floating point, which has a range of its own. Raises UnusableImage where it is not known what is white.
    """
    if image.mode in _COLOURS:
        samples = np.asarray(image).astype(np.uint16) << 8 | _lower_bytes(encoded, image)
    else:
        samples = np.asarray(image)
    if samples.dtype.kind == "f":
        return _of_floats(samples, path)
    if samples.min() < 0:
        raise _unknown_range(samples, path)
    brightest = int(samples[..., :3].max() if samples.ndim == 3 else samples.max())
    used, declared = next(bits for bits in _RANGES if brightest < 1 << bits), _declared_bits(image, encoded)
    return samples, declared if 8 < declared < 16 and brightest < 1 << declared else used


def to_eight_bits(samples: np.ndarray, bits: int, bits_of_set: int = 0) -> Image.Image:
    """The samples in 8 bits: scaled by the range that `read` found, or by that of the whole set where it is alike."""
    from PIL import Image

    shift = common_bits(bits, bits_of_set) - 8
    if samples.ndim == 3 and samples.shape[2] == 4:  # what is opaque is so in all 16 bits
        colours, alpha = samples[..., :3] >> shift, samples[..., 3:] >> 8
        return Image.fromarray(np.concatenate([colours, alpha], axis=2).astype(np.uint8))
    return Image.fromarray((samples >> shift).astype(np.uint8))


def common_bits(bits: int, bits_of_set: int) -> int:
    """The bits that an image is scaled by, which uses `bits`, as `read` says, in a set that uses `bits_of_set`."""
    if not bits:
        return 16  # what was floating point has all of them
    return max(bits, bits_of_set) if bits_of_set - bits <= _SAME_RANGE else bits


def _of_floats(samples: np.ndarray, path: object) -> tuple[np.ndarray, int]:
    least, most = samples.min(), samples.max()
    white = next((white for white in (1, 255, 65535) if least >= 0 and most <= white), None)
    if white is None:  # NaN, too
        raise _unknown_range(samples, path)
    return (samples.astype(np.float64) * (65535 / white)).round().astype(np.uint16), 0


def _unknown_range(samples: np.ndarray, path: object) -> UnusableImage:
    text = (
        f"its samples ({samples.dtype}) go from {samples.min():g} to {samples.max():g}, so that it is not known which "
        "is black and which is white. Convert it to 8 or 16 bits first."
    )
    return UnusableImage(path, None, "image of an unknown range", text)


def _lower_bytes(encoded: bytes, image: Image.Image) -> np.ndarray | int:
    """The lower halves of 16-bit samples; 0 where Pillow has no such order of this kind."""
    from PIL import Image

    again = Image.open(io.BytesIO(encoded), formats=[image.format] if image.format else None)
    again.tile = [tile._replace(args=_swapped(tile.args)) for tile in again.tile]
    try:
        return np.asarray(again)
    except (ValueError, OSError):
        return 0


def _swapped(args):
    mode, *others = (args,) if isinstance(args, str) else args
    form, _, order = mode.partition(";")
    mode = f"{form};{_SWAPPED.get(order, order)}"
    return mode if isinstance(args, str) else (mode, *others)


def _bits_per_sample(image: Image.Image, encoded: bytes) -> int:
    if image.format == "PNG":
        return encoded[24]
    return _first(image.tag_v2.get(_BITS_PER_SAMPLE, 8)) if image.format == "TIFF" else 8


def _declared_bits(image: Image.Image, encoded: bytes) -> int:
    """The bits that are used, as a PNG's sBIT or a TIFF's tags say; 0 where they do not."""
    if image.format == "PNG":
        return next((max(data[:3]) for kind, data in _chunks(encoded) if kind == b"sBIT" and data), 0)
    if image.format != "TIFF":
        return 0
    most = _first(image.tag_v2.get(_MAX_SAMPLE_VALUE, 0))
    return most.bit_length() or _bits_per_sample(image, encoded)


def _first(value) -> int:
    value = value[0] if isinstance(value, tuple) else value
    return value if isinstance(value, int) else 0


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """A PNG's chunks before its pixels: kind and data."""
    at = 8
    while at + 8 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind == b"IDAT":
            return
        yield kind, png[at + 8 : at + 8 + length]
        at += 12 + length
