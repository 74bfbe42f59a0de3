"""Picture files: read as upright RGB, written under their own names to folders that odtk may replace."""

import contextlib
import io
import os
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from odtk import atomic, unfinished
from odtk.annotations import image_files
from odtk.errors import DataError, OutputError
from odtk.listed_files import read_list, refuse_others, write_list

# The Pillow format written for a suffix. Formats read, regardless of the suffix, are image_files.FORMATS; MPO,
# the JPEG of many phones, opens as a JPEG.
FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".pjpeg", ".mpo"), "JPEG"),
    **{".png": "PNG", ".apng": "PNG", ".bmp": "BMP", ".dib": "BMP", ".gif": "GIF", ".webp": "WEBP"},
    **{".tif": "TIFF", ".tiff": "TIFF", ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM"},
    **dict.fromkeys((".jp2", ".j2k", ".jpx"), "JPEG2000"),
    **({".avif": "AVIF"} if "AVIF" in image_files.FORMATS else {}),
}

# Lists the files in an output folder, to distinguish it from a folder with the user's own files.
_LIST_FILE = ".odtk-pictures.json"

_LONGEST_NAME = 150  # bytes of UTF-8; file systems allow 255, but numbers and temporary suffixes need some
# Thin colored lines on a JPEG need their color at every pixel.
_QUALITY = {"JPEG": {"quality": 92, "subsampling": 0}, "WEBP": {"quality": 92}}


def read_picture(path: str | os.PathLike) -> Image.Image:
    """The picture as 8-bit RGB, rotated by its EXIF orientation, as viewers show it.

    Transparent pixels become white, as in the records that make-tfrecords writes; of an animation the first frame is
    read. Raises DataError if it cannot be decoded completely.
    """
    if os.path.isdir(path) or not os.path.lexists(path):
        raise DataError(f"{path} {'is a folder' if os.path.isdir(path) else 'does not exist'}. Give an image file.")
    if Path(path).suffix.lower() not in FORMATS:
        raise DataError(f"{path} does not end in {', '.join(FORMATS)}. Convert it to one of these.")
    if not Path(path).is_file():
        raise DataError(f"{path} is not a regular file. Give an image file.")
    return _decoded(path, os.fspath(path))


def decode_picture(encoded: bytes, name: str) -> Image.Image:
    """The picture in the bytes of a file, as `read_picture` returns it; `name` says where they are from."""
    return _decoded(io.BytesIO(encoded), name)


def upright_rgb(image: Image.Image) -> Image.Image:
    """An open picture as `read_picture` returns it: 8-bit RGB, rotated by its EXIF orientation, on white."""
    return _to_rgb(ImageOps.exif_transpose(image))


def count_frames(file: str | os.PathLike | io.BytesIO) -> int:
    """The number of frames of an animation, or pages of a TIFF; 1 for anything else and for unreadable files."""
    try:
        with Image.open(file, formats=image_files.FORMATS) as image:
            return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: previews, depth maps
    except Exception:  # unreadable files are reported by `read_picture`, whatever Pillow raises here
        return 1


def write_picture(image: Image.Image, path: str | os.PathLike) -> None:
    """Writes `image` to `path` atomically, in the format of its suffix."""
    kind = FORMATS[Path(path).suffix.lower()]
    # Pillow's encoders do not say why they could not write to a file.
    encoded = io.BytesIO()
    image.save(encoded, format=kind, **_QUALITY.get(kind, {}))
    with atomic.atomic_file(path) as temporary:
        temporary.write_bytes(encoded.getvalue())


@contextlib.contextmanager
def picture_folder(folder: str | os.PathLike, sources: Iterable[Path] = (), overwrite: bool = False) -> Iterator[Path]:
    """Yields a temporary folder to write to, which becomes `folder` when the block ends, and is removed on any error.

    Raises OutputError if `folder` is not empty, unless `overwrite` is true and it only has files of an earlier output;
    and if one of the `sources` to read is in it.
    """
    may_replace = check_folder(folder, sources, overwrite)
    with atomic.atomic_directory(folder, may_replace) as temporary:
        yield temporary
        write_list(temporary, _LIST_FILE)


def check_folder(folder: str | os.PathLike, sources: Iterable[Path] = (), overwrite: bool = False) -> bool:
    """Raises the errors of `picture_folder` early; returns whether `folder` has an earlier output to replace."""
    folder = Path(folder)
    _refuse_sources_in(folder, sources)
    earlier = read_list(folder, _LIST_FILE)
    if folder.is_dir() and unfinished.contents(folder):
        _refuse_unlisted(folder, earlier, overwrite)
    atomic.check_directory(folder)
    return earlier is not None


def flat_name(name: str, taken: set[str], suffix: str = ".jpg") -> str:
    """A file name, without folders, that is valid in any file system, made from an image's `name`.

    It differs from those in `taken`, to which it is added in the form that file systems compare.
    """
    stem = os.path.splitext(name)[0] if os.path.splitext(name)[1].lower() in FORMATS else name
    # Letters of all scripts are kept; a file system may store them composed or decomposed.
    letters = (each if each.isalnum() or each in "-_. " else "_" for each in unicodedata.normalize("NFC", stem))
    kept = "".join(letters).lstrip(". _").encode()[:_LONGEST_NAME].decode(errors="ignore").rstrip(". ")
    return free_name((kept or "image") + suffix, taken)


def free_name(wanted: str, taken: set[str]) -> str:
    """The wanted file name, or with `-2`, `-3` ... before its suffix one that is not `taken`, to which it is added."""
    # Compared in lower case: in some file systems a.jpg and A.JPG are the same file.
    stem, suffix = os.path.splitext(wanted)
    name, number = wanted, 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    taken.add(name.lower())
    return name


def _refuse_sources_in(folder: Path, sources: Iterable[Path]) -> None:
    for source in sources:
        if source.resolve().is_relative_to(folder.resolve()):
            raise OutputError(f"{source}, one of the images to read, is in {folder}. Choose another output folder.")


def _refuse_unlisted(folder: Path, earlier: set[str] | None, overwrite: bool) -> None:
    if earlier is None:
        raise OutputError(f"{folder} is not empty. Choose another folder, or empty it first.")
    refuse_others(folder, earlier | {_LIST_FILE})
    if not overwrite:
        text = f"{folder} has the images of an earlier run. Choose another folder, or overwrite it."
        raise OutputError(text, argument="overwrite")


def _decoded(file: str | os.PathLike | io.BytesIO, name: str) -> Image.Image:
    try:
        with Image.open(file, formats=image_files.FORMATS) as image:
            return upright_rgb(image)
    except UnidentifiedImageError as error:
        kinds = ", ".join(image_files.FORMATS)
        raise DataError(f"{name} cannot be decoded: it is not one of {kinds}. Replace or remove it.") from error
    except Exception as error:  # Pillow's decoders raise almost anything for a broken file.
        reason = str(error).replace(repr(name), "it")
        raise DataError(f"{name} cannot be decoded: {reason}. Expected a whole image; replace or remove it.") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits of gray: Pillow's own conversion would clip all above 255 to white.
        gray = np.asarray(image).astype(np.int64)
        image = Image.fromarray((gray >> 8 if gray.max() > 255 else gray).astype(np.uint8))
    elif image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")
