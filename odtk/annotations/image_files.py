"""Image files: decoded in full to see that they can be, and made RGB JPEGs where they are something else."""

import io
from dataclasses import dataclass

from odtk.annotations.annotated_image import UnusableImage

_REPAIR_QUALITY = 95
_UNDECODABLE = "image cannot be decoded"


@dataclass(frozen=True)
class DecodedFile:
    """An image file that can be decoded to the last pixel; sides in pixels."""

    width: int
    height: int
    kind: str  # "JPEG", "CMYK JPEG", "GIF", "PNG", ...
    repaired: bytes | None = None  # the image as an RGB JPEG, where it was not an RGB or grey one


def decode(encoded: bytes, path: object, repair: bool = True) -> DecodedFile:
    """Decodes all of an image file's bytes, and with `repair` re-encodes what is no RGB or greyscale JPEG.

    Raises UnusableImage, naming `path`, where not every pixel can be decoded.
    """
    image = _load(encoded, path)
    width, height = image.size
    is_jpeg = image.format == "JPEG"
    if is_jpeg and image.mode in ("RGB", "L"):
        return DecodedFile(width, height, "JPEG")
    kind = f"{image.mode} JPEG" if is_jpeg else image.format
    return DecodedFile(width, height, kind, _as_rgb_jpeg(image, path) if repair else None)


def _load(encoded: bytes, path: object):
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(encoded))
        image.load()
    except Exception as error:  # on damaged files Pillow raises nearly everything, struct.error included
        why = "it is no image of a known format" if isinstance(error, UnidentifiedImageError) else str(error)
        raise UnusableImage(path, None, _UNDECODABLE, f"the image cannot be decoded: {why}.") from error
    return image


def _as_rgb_jpeg(image, path: object) -> bytes:
    # Deeper samples would be clipped, not scaled, by the conversion.
    if image.mode.startswith(("I", "F")):
        text = f"its pixels ({image.mode}) have more than 8 bits, which no JPEG holds. Convert it first."
        raise UnusableImage(path, None, _UNDECODABLE, text)
    output = io.BytesIO()
    image.convert("RGB").save(output, "JPEG", quality=_REPAIR_QUALITY, subsampling=0)
    return output.getvalue()
