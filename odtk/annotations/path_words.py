"""What paths of images and annotations say: which belong together, which split they are of, what records call them."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Collection

# Folders that say what is in them, and nothing of the image: no part of its name.
_STRUCTURE = {"jpegimages", "images", "image", "imgs", "img"}
_STRUCTURE |= {"annotations", "annotation", "xmls", "xml", "labels", "label"}
_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def folded(path: str) -> str:
    """A path for comparing: case and the Unicode form of accents do not matter."""
    return path.casefold() if path.isascii() else unicodedata.normalize("NFC", path).casefold()


def same_name(one: str, other: str) -> bool:
    """Whether two names differ in nothing but case and the Unicode form of accents."""
    return folded(one) == folded(other)


def leads_out(written: str) -> bool:
    """Whether a path in an annotation is absolute or climbs, be it written the Unix or the Windows way."""
    path = written.replace("\\", "/")
    return path.startswith("/") or re.match("[A-Za-z]:", path) is not None or ".." in path.split("/")


def split_word(word: str) -> str | None:
    """ "train", "val" or "test" where a word means that (`valid`, `train2017`), else None."""
    return _SPLITS.get(word.lower().rstrip("0123456789"))


def split_in_name(path: str) -> str | None:
    """The one split that the words of a file's bare name speak of (`instances_val2017.json`), else None."""
    stem = posixpath.basename(path).rsplit(".", 1)[0]
    found = {split_word(word) for word in re.split(r"[\W_]+", stem)} - {None}
    return found.pop() if len(found) == 1 else None


def split_of_folders(path: str) -> str | None:
    """The split that the folder nearest to a file speaks of (`valid/_annotations.coco.json`), else None."""
    words = (split_word(folder) for folder in reversed(path.split("/")[:-1]))
    return next((word for word in words if word), None)


def plain_path(path: str) -> str:
    """A path without the folders that only say what is in them (`images`, `Annotations`)."""
    *folders, name = path.split("/")
    return "/".join([*(folder for folder in folders if folder.lower() not in _STRUCTURE), name])


def place_of(path: str) -> str:
    """What an image and its annotation have in common: the path without suffix and such folders, for comparing."""
    return folded(posixpath.splitext(plain_path(path))[0])


def search_roots(path: str) -> tuple[str, ...]:
    """Where the images of an annotation file may be: near it, in `images`, in folders of the split in its name."""
    stem, above = posixpath.splitext(posixpath.basename(path))[0], posixpath.dirname(path)
    words = [word for word in re.split(r"[\W_]+", stem) if split_word(word)]
    words += [split_word(word) for word in words]
    inner = [place for word in words for place in (word, f"images/{word}", f"{word}/images")]
    inner += ["", "images", "JPEGImages"]
    places = (posixpath.join(root, place) for root in (above, posixpath.dirname(above), "") for place in inner)
    return tuple(dict.fromkeys(place.rstrip("/") for place in places))


def folder_splits(images: Collection[str]) -> dict[str, str]:
    """The splits that images' folders name, by image; none at all where a neighbouring folder names something else."""
    tops = {path: plain_path(path).split("/")[0] for path in images if "/" in plain_path(path)}
    splits = {top: split_word(top) for top in set(tops.values())}
    return {} if None in splits.values() else {path: splits[top] for path, top in tops.items()}


def record_names(images: Collection[str]) -> dict[str, tuple[str, str]]:
    """What records call images, by path: the filename, and the source_id, which is unique.

    The source_id is the path without the folders that only say what is in them, unless two then were the same; the
    filename lacks the folder that names a split, too.
    """
    names = {path: plain_path(path) for path in images}
    if len(set(names.values())) < len(names):
        names = {path: path for path in images}
    splits = folder_splits(images)
    return {path: (name.split("/", 1)[-1] if path in splits else name, name) for path, name in names.items()}
