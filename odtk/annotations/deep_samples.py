"""Samples of more than 8 bits, and the range that is in use: a camera's 12 bits in a 16-bit file look nearly black.

Pillow reads 16-bit gray samples as they are, but only the upper bytes of color samples; the lower bytes are read by
decoding with the bytes swapped.
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
_SAME_RANGE = 2  # bits; images that use up to this much less than others of their set are just darker

_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE = 258, 281  # TIFF's tags
_SWAPPED = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}
_COLORS = ("RGB", "RGBA")


def is_deep(image: Image.Image, encoded: bytes) -> bool:
    """Whether an image, of which the header was read, has samples of more than 8 bits."""
    return image.mode.startswith(("I", "F")) or (image.mode in _COLORS and _bits_per_sample(image, encoded) == 16)


def read(image: Image.Image, encoded: bytes, path: object) -> tuple[np.ndarray, int]:
    """A deep image's samples, unsigned [height, width] or [height, width, channels], and the bits of them in use.

    The bits are those that the file declares, or the smallest usual range that holds the brightest sample; 0 for
    floating point, which has its own range. Raises UnusableImage if the value of white is unknown.
    """
    if image.mode in _COLORS:
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
    """The samples in 8 bits: scaled by the range that `read` found, or by that of the whole set if it is similar."""
    from PIL import Image

    shift = common_bits(bits, bits_of_set) - 8
    if samples.ndim == 3 and samples.shape[2] == 4:  # alpha uses all 16 bits
        colors, alpha = samples[..., :3] >> shift, samples[..., 3:] >> 8
        return Image.fromarray(np.concatenate([colors, alpha], axis=2).astype(np.uint8))
    return Image.fromarray((samples >> shift).astype(np.uint8))


def common_bits(bits: int, bits_of_set: int) -> int:
    """The bits to scale an image by that uses `bits` (see `read`), in a set that uses `bits_of_set`."""
    if not bits:
        return 16  # floating point was scaled to all of them
    return max(bits, bits_of_set) if bits_of_set - bits <= _SAME_RANGE else bits


def _of_floats(samples: np.ndarray, path: object) -> tuple[np.ndarray, int]:
    least, most = samples.min(), samples.max()
    white = next((white for white in (1, 255, 65535) if least >= 0 and most <= white), None)
    if white is None:  # also for NaN
        raise _unknown_range(samples, path)
    return (samples.astype(np.float64) * (65535 / white)).round().astype(np.uint16), 0


def _unknown_range(samples: np.ndarray, path: object) -> UnusableImage:
    text = (
        f"its samples ({samples.dtype}) range from {samples.min():g} to {samples.max():g}, so the values of black and "
        "white are unknown. Convert it to 8 or 16 bits first."
    )
    return UnusableImage(path, None, "image of unknown range", text)


def _lower_bytes(encoded: bytes, image: Image.Image) -> np.ndarray | int:
    """The lower bytes of 16-bit samples; 0 if Pillow has no swapped mode for them."""
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
    return _tag(image, _BITS_PER_SAMPLE, 8) if image.format == "TIFF" else 8


def _declared_bits(image: Image.Image, encoded: bytes) -> int:
    """The bits in use according to a PNG's sBIT or a TIFF's tags; 0 if they do not say."""
    if image.format == "PNG":
        return next((max(data[:3]) for kind, data in _chunks(encoded) if kind == b"sBIT" and data), 0)
    if image.format != "TIFF":
        return 0
    return _tag(image, _MAX_SAMPLE_VALUE, 0).bit_length() or _bits_per_sample(image, encoded)


def _tag(tiff: Image.Image, tag: int, default: int) -> int:
    """A whole number in a TIFF's header, the first of several; 0 if it is not one."""
    from PIL.TiffImagePlugin import TiffImageFile

    assert isinstance(tiff, TiffImageFile)  # as its format is TIFF
    value = tiff.tag_v2.get(tag, default)
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
