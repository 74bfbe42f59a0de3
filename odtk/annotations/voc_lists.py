"""Lists of images in Pascal VOC data sets: train.txt, val.txt, test.txt and trainval.txt define the splits.

They are in ImageSets/Main or, for data in the Pet layout, in annotations/, next to xmls/.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from odtk.annotations import data_folder, path_matching
from odtk.annotations.annotated_image import Problem
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.dataset import Listed
from odtk.annotations.listed_dataset import SkippedImage
from odtk.annotations.value_parsing import short
from odtk.files import IMAGE_SUFFIXES

_LISTS = ("train", "val", "test", "trainval")
_IMAGE_SETS, _PETS = "ImageSets/Main/", "annotations/"


@dataclass
class _Folder:
    """The lists of one folder: the paths in them, each with the names of the lists."""

    root: str  # of the listed images and xml
    kind: str  # _IMAGE_SETS or _PETS
    places: dict[str, str]  # paths by the names that lists may use
    named: dict[str, list[str]] = field(default_factory=dict)

    def place_of(self, line: str) -> str:
        """The path that a line names; one of `places` if it is there."""
        # Some lists add 1, -1 or 0 to each name, and those of pets three numbers, but a name may also end that way.
        numbers = r"(\s+\d+){3}$" if self.kind == _PETS else r"\s+(-?1|0)$"
        spellings = line, re.sub(numbers, "", line), *line.split()[: self.kind == _PETS]
        exact = (spelling for spelling in spellings if spelling in self.places)
        ends = (end for spelling in spellings for end in _ends(spelling) if end in self.places)
        if (found := next(exact, None) or next(ends, None)) is not None:
            return self.places[found]
        return self.root + _without_suffix(spellings[-1 if self.kind == _PETS else 0].lstrip("/"))


class ImageLists:
    """The lists of a data set, from several folders if it has several years; false if there are none."""

    def __init__(self, folders: list[_Folder]):
        self._folders = folders

    def __bool__(self) -> bool:
        return bool(self._folders)

    @property
    def folders(self) -> str:
        """The folders of the lists, for messages."""
        return " or ".join(dict.fromkeys(folder.kind for folder in self._folders))

    def find(self, files: DataFolder, *paths: str) -> tuple[str | None, tuple[Problem, ...]] | None:
        """The split of an image, by any of its paths, and issues with it; None if it is in no list."""
        if not self:
            return None, ()
        for folder in self._folders:
            for place in (_place(folder.root, path) for path in paths if path.startswith(folder.root)):
                if place in folder.named:
                    return _split_of(folder, place, files.at(paths[-1]))
        return None

    def missing(self, files: DataFolder, paths: list[str]) -> Iterator[Listed]:
        """Listed paths that are not in `paths`."""
        for folder in self._folders:
            known = {_place(folder.root, path) for path in paths if path.startswith(folder.root)}
            for place, names in folder.named.items():
                if place not in known:
                    xml = ("annotations/xmls/" if folder.kind == _PETS else "Annotations/") + place[len(folder.root) :]
                    text = f"it is listed in {folder.kind}{names[0]}.txt, but there is no {xml}.xml."
                    split, _ = _split_of(folder, place, place)
                    # In Oxford's own pets, the images in test.txt have none.
                    is_bad = folder.kind != _PETS or place not in folder.places.values()
                    yield Listed(place, split, SkippedImage(files.at(place), None, "no xml", text, is_bad))


def read_lists(files: DataFolder) -> tuple[ImageLists, list[Problem]]:
    """The lists in a data set's folder, and issues with them.

    Only train, val, test and trainval are lists of the data set; cat_train.txt and the like list images with a cat. A
    list in the Pet layout that matches no file is a leftover of Oxford's own data, and is ignored.
    """
    found: dict[str, _Folder] = {}
    problems = []
    for path in files.with_suffix(*(f"/{name}.txt" for name in _LISTS)):
        where, name = posixpath.split(path)
        kind = _kind(files, where)
        if kind is None:
            continue
        root = f"{where}/".removesuffix(kind)
        folder = found.get(where) or _Folder(root, kind, _places(files, root))
        lines = [line.strip() for line in data_folder.read_text(files.path, path).splitlines() if line.strip()]
        places = [folder.place_of(line) for line in lines]
        if kind == _PETS and not set(places) & set(folder.places.values()):
            first = f" (first {short(lines[0])})" if lines else ""
            text = f"it lists no file that is here{first}, and is ignored."
            problems.append(Problem(files.at(path), None, "list ignored", text))
            continue
        found[where] = folder
        for place in places:
            folder.named.setdefault(place, []).append(name.lower().removesuffix(".txt"))
    return ImageLists(list(found.values())), problems


def _kind(files: DataFolder, folder: str) -> str | None:
    if f"{folder}/".endswith(_IMAGE_SETS):
        return _IMAGE_SETS
    is_pets = posixpath.basename(folder) == "annotations" and any(
        path.startswith(f"{folder}/xmls/") for path in files.with_suffix(".xml")
    )
    return _PETS if is_pets else None


def _places(files: DataFolder, root: str) -> dict[str, str]:
    """The paths below a folder by the names that lists may use: with the suffix or without."""
    places = {}
    for path in (*files.images, *files.with_suffix(".xml")):
        if path.startswith(root):
            place = _place(root, path)
            places |= {place[len(root) :]: place, path_matching.plain_path(path[len(root) :]): place}
    return places


def _place(root: str, path: str) -> str:
    return root + posixpath.splitext(path_matching.plain_path(path[len(root) :]))[0]


def _ends(path: str) -> Iterator[str]:
    """The ends of a path, as of another machine, without folders named after their contents; the longest first."""
    parts = path.replace("\\", "/").split("/")
    for start in range(len(parts)):
        end = path_matching.plain_path("/".join(parts[start:]))
        yield from (end, _without_suffix(end))


def _without_suffix(path: str) -> str:
    stem, suffix = posixpath.splitext(path)
    return stem if suffix.lower() in IMAGE_SUFFIXES else path


def _split_of(folder: _Folder, place: str, file: str) -> tuple[str | None, tuple[Problem, ...]]:
    """The split of a listed path, by the lists that have it; train before val before test."""
    found = folder.named[place]
    splits = [name for name in _LISTS if name in found and name != "trainval"]
    if not splits:
        # As in VOC2007, where trainval is for training and test for testing; alone, trainval is still to be split.
        return None if all(names == ["trainval"] for names in folder.named.values()) else "train", ()
    if len(splits) == 1:
        return splits[0], ()
    text = f"{' and '.join(f'{name}.txt' for name in splits)} in {folder.kind} list it; it is used for {splits[0]}."
    return splits[0], (Problem(file, None, "in several splits", text),)
