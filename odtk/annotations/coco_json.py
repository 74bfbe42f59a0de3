"""One of COCO's JSON files, as different tools write it: ids as numbers or as text, lists that may be absent.

Annotations are matched to their images here: ids match if they are written the same, or else if the match is unique,
such as 7 for "7" or "007".
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from odtk.annotations import data_folder, path_matching
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.numbering import shifted
from odtk.annotations.value_parsing import cut, finite, is_name, short
from odtk.errors import DataError

_UNWANTED = ("keypoints", "caption", "segments_info")
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.0*)?", re.ASCII)


class NoCocoError(DataError):
    """A JSON file that is not COCO's."""


@dataclass
class Document:
    """A JSON file of the dataset, its annotations grouped by the position of their image in `images`."""

    path: str  # in the folder
    split: str | None
    images: list[dict]
    categories: dict[int | str, Category]  # by id, in the order of the ids
    is_annotated: bool
    annotations: dict[int, list[dict]] = field(default_factory=lambda: defaultdict(list))
    orphans: list[dict] = field(default_factory=list)  # annotations of images that are not in the list


@dataclass(frozen=True)
class Category:
    """A class as a file lists it; `group` is its supercategory, None if that is not a name."""

    name: str
    group: str | None


def load(files: DataFolder, path: str, keep_segmentations: bool) -> Document:
    """Reads a file.

    Raises NoCocoError if it lacks one of COCO's lists (annotations may be absent or null), and DataError if it is not
    valid JSON, or an image or a category has no id or the same id as another.
    """
    return parse(files.at(path), path, data_folder.read_text(files.path, path), keep_segmentations)


def parse(where: str, path: str, text: str, keep_segmentations: bool = False) -> Document:
    """The text of a file, which is called `where` in messages; see `load`."""
    content = _parse(where, text, keep_segmentations)
    images = _objects(where, content, "images")
    annotations = None if content.get("annotations") is None else _objects(where, content, "annotations")
    categories = [] if content.get("categories") is None else _objects(where, content, "categories")
    document = Document(path, split_of(path), images, _categories(where, categories), annotations is not None)
    _check_images(where, images)
    _group(where, document, annotations or ())
    return document


def split_of(path: str) -> str | None:
    """The split that is named by a file's name or folder."""
    return path_matching.split_in_name(path) or path_matching.split_of_folders(path)


def plain(value: object) -> int | str | None:
    """An id as a number, also if it is written as text, or else as a text; None if it is not an id."""
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str) or not value.strip():
        return None
    text = value.strip()
    return int(float(text) if "." in text else text) if _NUMBER.fullmatch(text) else text


def _parse(where: str, text: str, keep_segmentations: bool) -> Any:
    def trimmed(found: dict) -> dict:  # while parsing, so that the whole file is never in memory
        for key in _UNWANTED:
            found.pop(key, None)
        # The outline is kept if there is no box, which is then made from it.
        if not keep_segmentations and found.get("bbox"):
            found.pop("segmentation", None)
        return found

    try:
        return json.loads(text, object_hook=trimmed)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}:{error.lineno}: it is not valid JSON: {error.msg}. Export the file again.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: the JSON cannot be read: {cut(str(error))}.") from error


def _objects(where: str, content: object, name: str) -> list[dict]:
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, list) or (found and not any(isinstance(one, dict) for one in found)):
        raise NoCocoError(f'{where} has no list "{name}" of objects, which COCO\'s JSON needs.')
    for place, one in enumerate(found):
        if not isinstance(one, dict):
            raise DataError(f'{where}: "{name}" has {short(one)} at index {place}, where an object is expected.')
    return found


def _categories(where: str, listed: list[dict]) -> dict[int | str, Category]:
    found: dict[int | str, Category] = {}
    for category in listed:
        number, name = plain(category.get("id")), _name(category.get("name"))
        if number is None or name is None:
            raise DataError(
                f"{where}: the category {short(category)} needs an id, a whole number or a text, and a name."
            )
        if number in found and found[number].name != name:
            raise DataError(f"{where}: two categories have the id {short(number)}; the second one is {short(name)}.")
        found[number] = Category(name, _name(category.get("supercategory")))
    return dict(sorted(found.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def _name(value: object) -> str | None:
    """A name, which some tools write as a number; None if it is not a name."""
    if type(value) in (int, float) and finite(value) is not None:
        return f"{value:g}" if isinstance(value, float) else str(value)
    return value.strip() if is_name(value) else None


def _check_images(where: str, images: list[dict]) -> None:
    seen: dict[object, str] = {}
    for image in images:
        number, name = image.get("id"), image.get("file_name")
        if plain(number) is None or not isinstance(name, str) or not name:
            raise DataError(f"{where}: the image {short(image)} needs an id and a file_name.")
        if seen.get(number, name) != name:
            text = (
                f"{short(seen[number])} and {short(name)} both have the id {short(number)}. Each image needs its own."
            )
            raise DataError(f"{where}: {text}")
        seen[number] = name


def _group(where: str, document: Document, annotations: Iterable[dict]) -> None:
    ids = [image["id"] for image in document.images]
    exact, meant = {number: position for position, number in enumerate(ids)}, defaultdict(list)
    called: dict[str, int | None] = {}  # by file name; None: of several images
    for position, image in enumerate(document.images):
        meant[plain(image["id"])].append(position)
        name = image["file_name"]
        for spelling in {name, posixpath.splitext(name)[0]}:
            called[spelling] = position if called.setdefault(spelling, position) == position else None
    for annotation in annotations:
        number = annotation.get("image_id")
        key = plain(number)
        found = exact.get(number) if key is not None else None
        if found is None and len(meant.get(key, ())) == 1:
            found = meant[key][0]
        if found is None and isinstance(number, str):
            found = called.get(number)  # some scripts write the file name instead of the id
        if found is None:
            document.orphans.append(annotation)
        else:
            document.annotations[found].append(annotation)
    if document.orphans and not document.annotations:
        raise DataError(f"{where}: {_all_orphaned(document)}")
    used = {plain(annotation.get("image_id")) for annotation in annotations}
    if document.orphans and (text := shifted(meant, used)):
        raise DataError(f"{where}: its annotations seem to number the images {text}. Number both the same way.")


def _all_orphaned(document: Document) -> str:
    first, count = document.orphans[0], len(document.orphans)
    ids = ", ".join(short(image["id"]) for image in document.images[:3])
    listed = f"the images have the ids {ids}{' and so on' * (len(document.images) > 3)}" if ids else "it lists no image"
    return (
        f"none of its {count} annotations is for an image in its list: the first, annotation {short(first.get('id'))}, "
        f"has the image_id {short(first.get('image_id'))}, but {listed}. image_id must be the id of an image."
    )
