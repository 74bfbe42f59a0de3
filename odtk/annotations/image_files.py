"""Image files: fully decoded to check them, and converted to RGB JPEGs if a record cannot hold them as they are."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from odtk.annotations import deep_samples, duplicates
from odtk.annotations.annotated_image import UnusableImage

if TYPE_CHECKING:
    from PIL import Image

# The formats that are opened, regardless of the file's name. Pillow knows more, some of which start other programs or
# accept nearly any bytes as an image. AVIF is there since Pillow 11.3.
FORMATS: tuple[str, ...] = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000")
FORMATS += ("AVIF",) if importlib.util.find_spec("PIL.AvifImagePlugin") else ()

# Pillow's own limit, at which it warns of a decompression bomb: 256 MiB at three bytes per pixel.
MAX_PIXELS = 1024**3 // 4 // 3

UPRIGHT, LYING = 1, 5
"""The EXIF orientation of an image that is stored as it is shown, and the first orientation rotated by 90 degrees."""

_ORIENTATION_TAG = 0x0112
_PNG_EXIF = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")  # one of these is in a PNG with an orientation
_REDUCING_GAP = 3.0  # from this ratio of sizes on, whole pixels are averaged first: faster, and as good
_QUALITY = 95
_UNDECODABLE = "image cannot be decoded"
_MODES = {"RGB": "", "L": "", "1": "1-bit ", "P": "palette ", "LA": "gray and alpha ", "F": "floating-point "}


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """The facts about an image file, from its pixels or its header; sides in pixels, as stored."""

    width: int
    height: int
    kind: str  # "JPEG", "CMYK JPEG", "MPO", "RGBA PNG", "GIF", ...
    orientation: int = UPRIGHT  # EXIF's, 1 to 8
    record_format: str | None = None  # "jpeg" or "png" if a record can hold the bytes as they are
    fingerprint: int = 0  # of the upright picture, see odtk.annotations.duplicates
    bits: int = 0  # in use, if samples have more than 8; see deep_samples.read

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the image rotated by its EXIF orientation."""
        return (self.height, self.width) if self.orientation >= LYING else (self.width, self.height)


SEVERAL = "multi-picture"
"""The kind begins with this if the file has several images, of which the first is used."""


@dataclass(frozen=True)
class DecodedFile:
    """An image file that was fully decoded; sides in pixels."""

    width: int
    height: int
    kind: str
    repaired: bytes | None = None  # the image as an RGB JPEG, if it was not an RGB or gray one
    fingerprint: int = field(default=0, compare=False)  # see odtk.annotations.duplicates


def decode_info(encoded: bytes, path: object) -> ImageInfo:
    """The facts about an image file, after decoding all of it.

    TensorFlow reads 8-bit RGB and gray JPEGs and PNGs as viewers show them; other images cannot be in a record as they
    are. MPO is a JPEG with more images after the main one. Raises UnusableImage, naming `path`, if not every pixel can
    be decoded or there are more than MAX_PIXELS.
    """
    with _named(path):
        return _see(_load(encoded, path), encoded, path)


def header_info(encoded: bytes, path: object) -> ImageInfo:
    """The facts in an image file's header: without fingerprint, and without checking that it can be decoded.

    Only samples of more than 8 bits are read, as they alone show their range.
    """
    with _named(path):
        image = _open(encoded, path)
        bits = deep_samples.read(image, encoded, path)[1] if deep_samples.is_deep(image, encoded) else 0
        kind, orientation, record_format = (
            _kind(image, encoded),
            _orientation(image, encoded),
            _record_format(image, encoded),
        )
        return ImageInfo(image.width, image.height, kind, orientation, record_format, bits=bits)


def decode(encoded: bytes, path: object, repair: bool = True) -> DecodedFile:
    """Decodes all of an image file, and with `repair` re-encodes it unless it is an RGB or grayscale JPEG.

    For the Pet layout: the EXIF orientation is ignored. Raises UnusableImage like `decode_info`.
    """
    with _named(path):
        image = _load(encoded, path)
        seen = _see(image, encoded, path)
        repaired = _as_jpeg(_to_rgb(image, encoded, path)) if repair and seen.record_format != "jpeg" else None
    return DecodedFile(seen.width, seen.height, seen.kind, repaired, seen.fingerprint)


def to_jpeg(
    encoded: bytes,
    path: object,
    upright: bool = False,
    bits: int = 0,
    size: tuple[int, int] | None = None,
) -> bytes:
    """The image as an RGB JPEG without EXIF: transparency on white, 8 bits per sample, the first frame of an animation.

    With `upright` the pixels are rotated by the EXIF orientation. `bits` is the range in use in the whole dataset (see
    `deep_samples`); `size` (width, height; of the rotated image) is a smaller size to shrink it to.
    """
    from PIL.Image import Resampling

    with _named(path):
        picture = to_picture(encoded, path, upright, bits)
        if size is not None and size != picture.size:
            picture = picture.resize(size, Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)
        return _as_jpeg(picture)


def to_picture(encoded: bytes, path: object, upright: bool = False, bits: int = 0) -> Image.Image:
    """The image in RGB, or in gray if it is gray, as `to_jpeg` encodes it."""
    with _named(path):
        image = _load(encoded, path)
        picture = _to_rgb(image, encoded, path, bits)
        return _turn(picture, _orientation(image, encoded)) if upright else picture


@contextlib.contextmanager
def _named(path: object) -> Iterator[None]:
    """Raises UnusableImage with the file's name instead of any error: Pillow raises all kinds on damaged files."""
    from PIL import UnidentifiedImageError

    try:
        yield
    except UnusableImage:
        raise
    except Exception as error:
        why = f"{error}."
        if isinstance(error, UnidentifiedImageError):
            why = f"it is not one of {', '.join(FORMATS)}. If it is an image, convert it to JPEG or PNG."
        raise UnusableImage(path, None, _UNDECODABLE, f"the image cannot be decoded: {why}") from error


def _load(encoded: bytes, path: object) -> Image.Image:
    image = _open(encoded, path)
    image.load()
    return image


def _open(encoded: bytes, path: object) -> Image.Image:
    """The image with only its header read; its pixels are not in memory yet."""
    from PIL import Image

    _refuse_what_is_none(encoded, path)
    image = Image.open(io.BytesIO(encoded), formats=FORMATS)
    check_size(image, path)
    return image


_HEIC = (b"heic", b"heix", b"hevc", b"heif", b"mif1")  # ISO/IEC 23008-12's brands


def _refuse_what_is_none(encoded: bytes, path: object) -> None:
    """Raises UnusableImage if the bytes are not an image at all, as after a failed download or copy."""
    start = encoded[:64].lstrip().lower()
    if not start.strip(b"\0"):
        why = "it is empty. Copy or download it again"
    elif start.startswith(b"version https://git-lfs"):
        why = "it is a pointer of Git LFS. Fetch the images: git lfs pull"
    elif start.startswith((b"<!doctype", b"<html", b"<?xml", b"{")):
        why = "it is a web page or a text, as after a failed download. Download it again"
    elif start[4:8] == b"ftyp" and any(brand in start for brand in _HEIC) and b"avif" not in start:
        why = "it is HEIC, a format of phones that odtk does not read. Convert it to JPEG"
    else:
        return
    raise UnusableImage(path, None, _UNDECODABLE, f"the image cannot be decoded: {why}.")


def check_size(image: Image.Image, path: object) -> None:
    """Raises UnusableImage if an image, of which only the header was read, has more than MAX_PIXELS."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        text = f"the image is {width}x{height}, more than {MAX_PIXELS} pixels. Shrink it, or cut it into tiles."
        raise UnusableImage(path, None, "image too large", text)


def _see(image: Image.Image, encoded: bytes, path: object) -> ImageInfo:
    orientation, bits = _orientation(image, encoded), 0
    if deep_samples.is_deep(image, encoded):
        samples, bits = deep_samples.read(image, encoded, path)
        picture = _on_white(deep_samples.to_eight_bits(samples, bits))
    else:
        picture = _to_rgb(image, encoded, path)
    return ImageInfo(
        width=image.width,
        height=image.height,
        kind=_kind(image, encoded),
        orientation=orientation,
        record_format=_record_format(image, encoded),
        fingerprint=duplicates.fingerprint(_turn(picture, orientation)),
        bits=bits,
    )


def _kind(image: Image.Image, encoded: bytes) -> str:
    if image.format in ("GIF", "TIFF", "WEBP") and getattr(image, "is_animated", False):
        return f"{SEVERAL} {image.format}"
    if image.format == "GIF":
        return "GIF"
    if image.mode != "F" and deep_samples.is_deep(image, encoded):
        return f"{32 if image.mode == 'I' and image.format == 'TIFF' else 16}-bit {image.format}"
    return _MODES.get(image.mode, f"{image.mode} ") + (image.format or "")


def _record_format(image: Image.Image, encoded: bytes) -> str | None:
    if image.mode not in ("RGB", "L") or image.has_transparency_data:
        return None
    if image.format in ("JPEG", "MPO"):
        return "jpeg"
    # Pillow opens 16-bit RGB as 8-bit; the header has the bit depth, then the color type (0 gray, 2 RGB).
    is_plain = image.format == "PNG" and encoded[24] == 8 and encoded[25] in (0, 2)
    return "png" if is_plain else None


def _orientation(image: Image.Image, encoded: bytes) -> int:
    # Pillow would decode all pixels of a PNG to look for EXIF data after them.
    if image.format == "PNG" and not any(mark in encoded for mark in _PNG_EXIF):
        return UPRIGHT
    try:
        value = image.getexif().get(_ORIENTATION_TAG, UPRIGHT)
    except Exception:  # a damaged EXIF block has no orientation, and Pillow raises all kinds of errors on it
        return UPRIGHT
    return value if value in range(1, 9) else UPRIGHT


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    """The image as it is shown (Exif 2.32, 4.6.4); Pillow's exif_transpose fails on a damaged EXIF block."""
    from PIL.Image import Transpose

    if orientation == UPRIGHT:
        return image
    return image.transpose(
        {
            2: Transpose.FLIP_LEFT_RIGHT,
            3: Transpose.ROTATE_180,
            4: Transpose.FLIP_TOP_BOTTOM,
            5: Transpose.TRANSPOSE,
            6: Transpose.ROTATE_270,
            7: Transpose.TRANSVERSE,
            8: Transpose.ROTATE_90,
        }[orientation]
    )


def _to_rgb(image: Image.Image, encoded: bytes, path: object, bits: int = 0) -> Image.Image:
    """The image in 8-bit RGB, or unchanged if it is gray."""
    if deep_samples.is_deep(image, encoded):
        image = deep_samples.to_eight_bits(*deep_samples.read(image, encoded, path), bits)
    return _on_white(image)


def _on_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode in ("RGB", "L") and not image.has_transparency_data:
        return image
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _as_jpeg(image: Image.Image) -> bytes:
    output = io.BytesIO()
    image.convert("RGB").save(output, "JPEG", quality=_QUALITY, subsampling=0)
    return output.getvalue()
