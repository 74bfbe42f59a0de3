"""Paths of images and annotations: which belong together, which split they are in, and their names in records."""

from __future__ import annotations

import functools
import itertools
import posixpath
import re
import unicodedata
from collections.abc import Collection

# Folders named after the kind of their contents: not part of an image's name.
_STRUCTURE = {"jpegimages", "images", "image", "imgs", "img"}
_STRUCTURE |= {"annotations", "annotation", "xmls", "xml", "labels", "label"}
# Words that add nothing to the word for a split next to them (`train_data`, `TestSet`).
_NEUTRAL = _STRUCTURE | {"data", "dataset", "set", "files", "pictures", "pics", "photos", "jpeg", "jpg", "png", "txt"}
_SPLITS = {
    "train": "train",
    "trains": "train",
    "training": "train",
    "val": "val",
    "vals": "val",
    "valid": "val",
    "validation": "val",
    "validate": "val",
    "dev": "val",
    "eval": "val",
    "test": "test",
    "tests": "test",
    "testing": "test",
}
_JOINED = re.compile(f"({'|'.join(sorted(_SPLITS, key=len, reverse=True))})({'|'.join(_NEUTRAL)})")  # trainset
_WORD = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[^\W_A-Z]+")  # JPEGImages: JPEG, Images; val2017 is one


def folded(path: str) -> str:
    """A path for comparison: without case and the Unicode form of accents."""
    return path.casefold() if path.isascii() else unicodedata.normalize("NFC", path).casefold()


def same_name(one: str, other: str) -> bool:
    """Whether two names differ only in case and the Unicode form of accents."""
    return folded(one) == folded(other)


def leads_out(written: str) -> bool:
    """Whether a path in an annotation is absolute or contains `..`, in Unix or Windows notation."""
    path = written.replace("\\", "/")
    return path.startswith("/") or re.match("[A-Za-z]:", path) is not None or ".." in path.split("/")


def words(name: str) -> list[str]:
    """The words of a name, separated by spaces, punctuation or capitals."""
    return _WORD.findall(name)


def split_word(word: str) -> str | None:
    """ "train", "val" or "test" if a word means that (`valid`, `train2017`, `trainset`), else None."""
    bare = word.lower().rstrip("0123456789")
    joined = _JOINED.fullmatch(bare)
    return _SPLITS.get(joined[1] if joined else bare)


def split_in_name(path: str) -> str | None:
    """The only split in the words of a file's bare name (`instances_val2017.json`), else None."""
    found = _splits_in(posixpath.basename(path).rsplit(".", 1)[0])
    return found.pop() if len(found) == 1 else None


def _splits_in(name: str) -> set[str]:
    return {split for word in words(name) if (split := split_word(word))}


@functools.lru_cache(4096)
def folder_split(folder: str) -> str | None:
    """The split that a folder is named after, if by nothing else (`train_images`, not `training_dogs`)."""
    found = _splits_in(folder)
    return found.pop() if len(found) == 1 and not _rest(folder) else None


def _rest(folder: str) -> tuple[str, ...]:
    """The words of a folder's name other than the split."""
    others = (word.lower() for word in words(folder) if not split_word(word))
    return tuple(word for word in others if word not in _NEUTRAL and not word.isdigit())


def split_of_folders(path: str) -> str | None:
    """The split that the nearest folder of a file names (`valid/_annotations.coco.json`), else None."""
    found = (folder_split(folder) for folder in reversed(path.split("/")[:-1]))
    return next((split for split in found if split), None)


def plain_path(path: str) -> str:
    """A path without folders named after their contents (`images`, `Annotations`; `train_images` becomes `train`)."""
    *folders, name = path.split("/")
    return "/".join([*filter(None, map(_plain_folder, folders)), name])


@functools.lru_cache(4096)
def _plain_folder(folder: str) -> str:
    if folder.lower() in _STRUCTURE:
        return ""
    if not _splits_in(folder):
        return folder
    bare = [joined[1] if (joined := _JOINED.fullmatch(word)) else word for word in words(folder)]
    kept = [word for word in bare if word.lower() not in _NEUTRAL]
    return folder if kept == words(folder) else "_".join(kept)


def place_of(path: str) -> str:
    """The common key of an image and its annotation: the path without suffix and such folders, for comparison."""
    return folded(posixpath.splitext(plain_path(path))[0])


def search_roots(path: str) -> tuple[str, ...]:
    """Where the images of an annotation file may be: near it, in `images`, in folders of the split in its name."""
    stem, above = posixpath.splitext(posixpath.basename(path))[0], posixpath.dirname(path)
    splits = [word for word in words(stem) if split_word(word)]
    splits += [split for word in splits if (split := split_word(word))]
    inner = [place for word in splits for place in (word, f"images/{word}", f"{word}/images")]
    inner += ["", "images", "JPEGImages"]
    places = (posixpath.join(root, place) for root in (above, posixpath.dirname(above), "") for place in inner)
    return tuple(dict.fromkeys(place.rstrip("/") for place in places))


def folder_splits(images: Collection[str]) -> dict[str, str]:
    """The splits by image that the images' folders name; empty if a sibling folder has another kind of name.

    The folders are those below the common folder of all images. `pets_train` and `pets_test` also name splits: the rest
    of the names is the same.
    """
    tops = _tops(images)[1]
    found = {top: _splits_in(top) for top in set(tops.values())}
    if any(len(splits) != 1 for splits in found.values()):
        return {}
    splits = {top: names.pop() for top, names in found.items()}
    rests = {_rest(top) for top in splits}
    if rests != {()} and (len(rests) > 1 or len(set(splits.values())) < 2):
        return {}
    return {path: splits[top] for path, top in tops.items()}


def tops_of_no_split(images: Collection[str]) -> tuple[list[str], list[str]]:
    """Folders that are named after splits but not used as splits, and their siblings that are not."""
    tops = sorted(set(_tops(images)[1].values()))
    named = [top for top in tops if _splits_in(top)]
    return (named, [top for top in tops if not folder_split(top)]) if named and not folder_splits(images) else ([], [])


def _tops(images: Collection[str]) -> tuple[int, dict[str, str]]:
    """The depth of the folders that may name splits, and the folder at that depth by image."""
    parts = {path: plain_path(path).split("/") for path in images}
    columns = zip(*(found[:-1] for found in parts.values()), strict=False)
    shared = [column[0] for column in itertools.takewhile(lambda column: len(set(column)) == 1, columns)]
    depth = next((depth for depth, folder in enumerate(shared) if folder_split(folder)), len(shared))
    return depth, {path: found[depth] for path, found in parts.items() if len(found) > depth + 1}


def record_names(images: Collection[str]) -> dict[str, tuple[str, str]]:
    """The names of images in records, by path: the filename, and the source_id, which is unique.

    The source_id is the path without folders named after their contents, unless two would be the same; the filename
    also lacks the folder that names a split.
    """
    names = {path: plain_path(path) for path in images}
    if len(set(names.values())) < len(names):
        names = {path: path for path in images}
    tops, splits = _tops(images)[1], folder_splits(images)
    return {path: (_without(name, tops[path]) if path in splits else name, name) for path, name in names.items()}


def _without(path: str, plain_folder: str) -> str:
    parts = path.split("/")
    del parts[next(place for place, folder in enumerate(parts) if _plain_folder(folder) == plain_folder)]
    return "/".join(parts)
