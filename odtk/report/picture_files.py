"""Picture files: found in folders, read as upright RGB, written under their own names."""

import contextlib
import io
import json
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from odtk import atomic, unfinished
from odtk.annotations import image_files
from odtk.errors import DataError, OutputError
from odtk.files import IMAGE_SUFFIXES

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


def find_pictures(places: Sequence[str | os.PathLike], not_in: str | os.PathLike | None = None) -> dict[Path, str]:
    """Every picture of `places` (files, and folders recursively), each with a unique name.

    A file is named by its file name or, if it was found in a folder, by its path below that folder. A repeated name
    gets `-2`, `-3` ... before its suffix. Folders are searched in sorted order without hidden files and without the
    folder `not_in`; a file found twice is listed once. Pictures that cannot be read (`.heic`) are listed, too, so that
    they are reported. Raises DataError if a place does not exist or is a URL, or if nothing is found.
    """
    found: dict[Path, str] = {}
    seen: set[Path] = set()
    names: set[str] = set()
    for written in places:
        place = Path(written)
        for path in _pictures_of(written, not_in):
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            wanted = path.relative_to(place).as_posix() if place.is_dir() else path.name
            found[path] = _free_name(wanted, names)
    if not found:
        raise DataError(
            f"No images in {', '.join(map(str, places))}. Looked for files ending in {', '.join(IMAGE_SUFFIXES)} "
            "(in upper or lower case, not hidden), also in subfolders."
        )
    return found


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
    try:
        with Image.open(path, formats=image_files.FORMATS) as image:
            return upright_rgb(image)
    except UnidentifiedImageError as error:
        kinds = ", ".join(image_files.FORMATS)
        raise DataError(f"{path} cannot be decoded: it is not one of {kinds}. Replace or remove it.") from error
    except Exception as error:  # Pillow's decoders raise almost anything for a broken file.
        reason = str(error).replace(repr(str(path)), "it").replace(repr(os.fspath(path)), "it")
        raise DataError(f"{path} cannot be decoded: {reason}. Expected a whole image; replace or remove it.") from error


def upright_rgb(image: Image.Image) -> Image.Image:
    """An open picture as `read_picture` returns it: 8-bit RGB, rotated by its EXIF orientation, on white."""
    return _to_rgb(ImageOps.exif_transpose(image))


def count_frames(path: str | os.PathLike) -> int:
    """The number of frames of an animation, or pages of a TIFF; 1 for anything else and for unreadable files."""
    try:
        with Image.open(path, formats=image_files.FORMATS) as image:
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
        atomic.write_text(temporary / _LIST_FILE, json.dumps(sorted(_files_below(temporary))))


def check_folder(folder: str | os.PathLike, sources: Iterable[Path] = (), overwrite: bool = False) -> bool:
    """Raises the errors of `picture_folder` early; returns whether `folder` has an earlier output to replace."""
    folder = Path(folder)
    _refuse_sources_in(folder, sources)
    earlier = _earlier_files(folder)
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
    return _free_name((kept or "image") + suffix, taken)


def _refuse_sources_in(folder: Path, sources: Iterable[Path]) -> None:
    for source in sources:
        if source.resolve().is_relative_to(folder.resolve()):
            raise OutputError(f"{source}, one of the images to read, is in {folder}. Choose another output folder.")


def _earlier_files(folder: Path) -> set[str] | None:
    """The files of an earlier output; None if `folder` is not one."""
    try:
        return set(json.loads((folder / _LIST_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _refuse_unlisted(folder: Path, earlier: set[str] | None, overwrite: bool) -> None:
    if earlier is None:
        raise OutputError(f"{folder} is not empty. Choose another folder, or empty it first.")
    others = sorted(_files_below(folder) - earlier - {_LIST_FILE})
    if others:
        raise OutputError(f"{folder} holds {others[0]}, which odtk did not write there. Choose another folder.")
    if not overwrite:
        text = f"{folder} has the images of an earlier run. Choose another folder, or overwrite it."
        raise OutputError(text, argument="overwrite")


def _files_below(folder: Path) -> set[str]:
    below = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    relative = (path.relative_to(folder) for path in below)
    return {path.as_posix() for path in relative if not any(map(unfinished.is_part, path.parts))}


def _pictures_of(written: str | os.PathLike, not_in: str | os.PathLike | None) -> list[Path]:
    place = Path(written)
    if "://" in os.fspath(written):
        raise DataError(
            f"{os.fspath(written)} is a URL, but only local files and folders are read. Save its images here first "
            "(for a stream or a video: ffmpeg -i URL frame_%04d.jpg), and give their folder."
        )
    if place.is_dir():
        return _pictures_below(place, Path(not_in).resolve() if not_in else None)
    if not place.exists():
        raise DataError(f"{place} does not exist. Give images, or folders with images.")
    return [place]


def _pictures_below(folder: Path, not_in: Path | None) -> list[Path]:
    pictures: list[Path] = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != "." and (Path(root) / name).resolve() != not_in)
        pictures += [Path(root) / name for name in sorted(files) if _is_picture(name)]
    return pictures


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def _free_name(wanted: str, taken: set[str]) -> str:
    # Compared in lower case: in some file systems a.jpg and A.JPG are the same file.
    stem, suffix = os.path.splitext(wanted)
    name, number = wanted, 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    taken.add(name.lower())
    return name


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits of gray: Pillow's own conversion would clip all above 255 to white.
        gray = np.asarray(image).astype(np.int64)
        image = Image.fromarray((gray >> 8 if gray.max() > 255 else gray).astype(np.uint8))
    elif image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")
