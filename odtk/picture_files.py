"""Pictures on disk: found in folders, read as upright RGB, written under their own names."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from odtk import atomic
from odtk.errors import DataError, OutputError

# Suffix to the Pillow format that is written under it.
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".gif": "GIF", ".webp": "WEBP"}

# What is read, whatever the suffix says; MPO, the JPEG of many phones, opens as a JPEG.
_READ_FORMATS = tuple(dict.fromkeys(FORMATS.values()))
_QUALITY = {"JPEG": {"quality": 92}, "WEBP": {"quality": 92}}


def find_pictures(places: Sequence[str | os.PathLike], not_in: str | os.PathLike | None = None) -> dict[Path, str]:
    """Every picture of `places` (files, and folders with all below them), with a name that no other one has.

    The name of a file is its own; of a file found in a folder, its path below that folder. A name already taken gets
    `-2`, `-3` ... before its suffix. Folders are searched in sorted order without hidden files and without the
    folder `not_in`; a file met twice counts once. Raises DataError where a place is absent or nothing is found.
    """
    found: dict[Path, str] = {}
    seen: set[Path] = set()
    names: set[str] = set()
    for place in map(Path, places):
        for path in _pictures_of(place, not_in):
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            wanted = path.relative_to(place).as_posix() if place.is_dir() else path.name
            found[path] = _free_name(wanted, names)
    if not found:
        raise DataError(
            f"No images in {', '.join(map(str, places))}. Looked for files ending in {', '.join(FORMATS)} "
            "(in any case, hidden ones left out), in sub-folders too."
        )
    return found


def read_picture(path: str | os.PathLike) -> Image.Image:
    """The picture as 8-bit RGB, turned upright as its EXIF orientation says, the way viewers show it.

    Transparency is dropped, the first frame of an animation is taken. Raises DataError where it cannot be decoded in
    full.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise DataError(f"{path} does not end in {', '.join(FORMATS)}. Convert it to one of these.")
    try:
        with Image.open(path, formats=_READ_FORMATS) as image:
            return _to_rgb(ImageOps.exif_transpose(image))
    except Exception as error:  # Pillow's decoders raise almost anything on a broken file.
        reason = str(error).replace(repr(str(path)), "it").replace(repr(os.fspath(path)), "it")
        raise DataError(f"{path} cannot be decoded: {reason}. Expected a whole image; replace or remove it.") from error


def write_picture(image: Image.Image, path: str | os.PathLike) -> None:
    """Writes `image` to `path`, whole or not at all, in the format of its suffix."""
    kind = FORMATS[Path(path).suffix.lower()]
    with atomic.atomic_file(path) as temporary:
        image.save(temporary, format=kind, **_QUALITY.get(kind, {}))


def refuse_overwriting(sources: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Raises OutputError where one of `outputs` would replace one of `sources`."""
    originals = {path.resolve() for path in sources}
    for path in outputs:
        if path.resolve() in originals:
            raise OutputError(f"{path} is one of the images to read and would be overwritten. Name another folder.")


def _pictures_of(place: Path, not_in: str | os.PathLike | None) -> list[Path]:
    if place.is_dir():
        return _pictures_below(place, Path(not_in).resolve() if not_in else None)
    if not place.exists():
        raise DataError(f"{place} does not exist. Name images, or folders that hold them.")
    return [place]


def _pictures_below(folder: Path, not_in: Path | None) -> list[Path]:
    pictures: list[Path] = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != "." and (Path(root) / name).resolve() != not_in)
        pictures += [Path(root) / name for name in sorted(files) if _is_picture(name)]
    return pictures


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in FORMATS


def _free_name(wanted: str, taken: set[str]) -> str:
    # Compared in lower case: some file systems take a.jpg and A.JPG for one.
    stem, suffix = os.path.splitext(wanted)
    name, number = wanted, 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    taken.add(name.lower())
    return name


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits of grey: Pillow's own conversion would clip all above 255 to white.
        grey = np.asarray(image).astype(np.int64)
        image = Image.fromarray((grey >> 8 if grey.max() > 255 else grey).astype(np.uint8))
    return image.convert("RGB")
