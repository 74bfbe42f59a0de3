"""COCO's JSON: images, annotations and categories, in one file or in one per split.

Boxes become yxyx and are not shifted. Category ids have holes; what counts is the order of the ids.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from odtk.annotations import data_folder, path_words, written_values
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.listed_dataset import LeftOut, ListedDataset, find_image, in_order
from odtk.annotations.listing import ImageAnnotation, Listed, MarkedObject
from odtk.annotations.written_values import cut, finite, is_name, short
from odtk.errors import DataError

LOOKED_FOR = "*.json with images, annotations and categories, such as annotations/instances_train.json (coco)"

_SNIFFED_BYTES = 1 << 16
_NO_INSTANCES = ("captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_")
_UNWANTED = ("keypoints", "caption", "segments_info")
_BAD = "annotation cannot be read"


@dataclass(frozen=True)
class _Entry:
    image: str
    json: str
    filename: str
    source_id: str
    size: tuple[int, int] | None
    annotations: tuple[
        tuple, ...
    ]  # id, category's name (None: unknown), category's id, bbox, iscrowd, area, segmentation
    problems: tuple[Problem, ...] = ()


@dataclass
class _Document:
    """A JSON file of the data set, its annotations grouped by image."""

    path: str  # in the folder
    split: str | None
    images: list[dict]
    categories: dict[int, dict]
    annotations: dict[object, list[dict]]
    problems: list[Problem] = field(default_factory=list)


class CocoDataset(ListedDataset):
    """COCO's JSON; see `odtk.annotations.listing.Dataset`."""

    def _read(self, entry: _Entry) -> ImageAnnotation:
        path = self.path(entry.json)
        return ImageAnnotation(
            image_path=data_folder.checked_path(self.folder, entry.image),
            filename=entry.filename,
            objects=tuple(_marked(path, entry.image, *annotation) for annotation in entry.annotations),
            stated_size=entry.size,
            annotation_path=path,
            source_id=entry.source_id,
            problems=entry.problems,
        )


def sign(files: DataFolder) -> str | None:
    """What makes a folder look like COCO, if anything does."""
    found = _candidates(files)
    return f"{found[0]} has COCO's images and annotations" if found else None


def open_coco(files: DataFolder, keep_segmentations: bool = False) -> CocoDataset:
    """The COCO data set in a folder. Segmentations take much memory, and are left out unless asked for."""
    documents = [_load(files, path, keep_segmentations) for path in _candidates(files)]
    if not documents:
        raise DataError(f"{files.path} has no {LOOKED_FOR}. Name the folder that holds it and the images.")
    documents.sort(key=lambda document: ("train", "val", "test", None).index(document.split))
    categories = _merged_categories(documents)
    placed = [_place(files, document) for document in documents]
    names = path_words.record_names({image for found in placed for image, _ in found if isinstance(image, str)})
    listed, first = [], {}
    for document, found in zip(documents, placed, strict=True):
        listed += _list(files, document, found, names, first)
    problems = tuple(problem for document in documents for problem in document.problems)
    return CocoDataset("coco", files.path, in_order(listed), categories, problems)


def _candidates(files: DataFolder) -> list[str]:
    """The JSON files that begin like COCO's; instances_*.json and no others where there are such."""
    found = [path for path in files.with_suffix(".json") if _begins_like_coco(files, path)]
    for wanted in ("instances_", None):
        named = [path for path in found if wanted and posixpath.basename(path).startswith(wanted)]
        if named:
            return named
    return [path for path in found if not posixpath.basename(path).startswith(_NO_INSTANCES)]


def _begins_like_coco(files: DataFolder, path: str) -> bool:
    start = data_folder.text_start(files.path, path, _SNIFFED_BYTES)
    return start.lstrip().startswith("{") and re.search(r'"(images|annotations)"\s*:\s*\[', start) is not None


def _load(files: DataFolder, path: str, keep_segmentations: bool) -> _Document:
    where = files.at(path)
    unwanted = _UNWANTED if keep_segmentations else (*_UNWANTED, "segmentation")

    def trimmed(found: dict) -> dict:  # at once, so that the whole is never in memory
        for key in unwanted:
            found.pop(key, None)
        return found

    try:
        content = json.loads(data_folder.read_text(files.path, path), object_hook=trimmed)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}:{error.lineno}: it is no JSON: {error.msg}. Write the file again.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: it is no JSON that can be read: {cut(str(error))}.") from error
    parts = {name: _objects(where, content, name) for name in ("images", "annotations", "categories")}
    split = path_words.split_in_name(path) or path_words.split_of_folders(path)
    document = _Document(path, split, parts["images"], _by_id(where, parts["categories"]), defaultdict(list))
    _check_images(where, document.images)
    _group(where, document, parts["annotations"])
    return document


def _objects(where: str, content: object, name: str) -> list[dict]:
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise DataError(f'{where} has no list "{name}" of objects, which COCO\'s JSON needs.')
    return found


def _by_id(where: str, categories: list[dict]) -> dict[int, dict]:
    found = {}
    for category in categories:
        number, name = category.get("id"), category.get("name")
        if type(number) is not int or not is_name(name):
            text = f"the category {short(category)} needs a whole number as id and a name."
            raise DataError(f"{where}: {text}")
        if number in found:
            raise DataError(f"{where}: two categories have the id {short(number)}: {short(name)} is the second one.")
        found[number] = category
    return dict(sorted(found.items()))


def _check_images(where: str, images: list[dict]) -> None:
    seen = {}
    for image in images:
        number, name = image.get("id"), image.get("file_name")
        if not _is_id(number) or not isinstance(name, str) or not name:
            raise DataError(f"{where}: the image {short(image)} needs an id and a file_name.")
        if number in seen:
            text = (
                f"{short(seen[number])} and {short(name)} both have the id {short(number)}. Each image needs its own."
            )
            raise DataError(f"{where}: {text}")
        seen[number] = name


def _is_id(value: object) -> bool:
    return type(value) in (int, str)


def _group(where: str, document: _Document, annotations: list[dict]) -> None:
    known = {image["id"] for image in document.images}
    for annotation in annotations:
        image = annotation.get("image_id")
        if _is_id(image) and image in known:
            document.annotations[image].append(annotation)
        else:
            text = f"annotation {short(annotation.get('id'))} is of the image {short(image)}, which is not in the list."
            document.problems.append(Problem(where, None, "annotation of an unknown image", text))


def _merged_categories(documents: Sequence[_Document]) -> tuple[str, ...]:
    """The classes by category id. Categories of one name are one class; a mere heading is none.

    Some exports begin with a category 0 that only groups the others: it has no annotation, and others call it their
    supercategory.
    """
    merged = {}
    for document in documents:
        for number, category in document.categories.items():
            name, before = category["name"].strip(), merged.setdefault(number, category)["name"].strip()
            if name != before:
                text = (
                    f"the category {number} is {short(name)} in {document.path}, and {short(before)} in another file."
                )
                raise DataError(f"{text} Number the categories alike in all files of a data set.")
    used = {short(one.get("category_id")) for d in documents for found in d.annotations.values() for one in found}
    groups = {category.get("supercategory") for category in merged.values() if _is_id(category.get("supercategory"))}
    heading = merged.get(0, {}).get("name") in groups and "0" not in used and len(merged) > 1
    return tuple(dict.fromkeys(c["name"].strip() for number, c in sorted(merged.items()) if number or not heading))


def _place(files: DataFolder, document: _Document) -> list[tuple[str | LeftOut, dict]]:
    """Where each image of a document is."""
    roots = path_words.search_roots(document.path)
    where = files.at(document.path), None
    said = "image {} is the file"
    return [
        (find_image(files, image["file_name"], roots, where, said.format(short(image["id"]))), image)
        for image in document.images
    ]


def _list(
    files: DataFolder, document: _Document, placed: list, names: dict[str, tuple[str, str]], first: dict[str, str]
) -> Iterator[Listed]:
    """The images of a document; `first` has the JSON that each image was met in first, of all documents."""
    for image, content in placed:
        if isinstance(image, str) and image in first:
            text = f"image {short(content['id'])} is the file {image}, which {first[image]} lists already."
            image = LeftOut(files.at(document.path), None, "image listed twice", text)
        if isinstance(image, LeftOut):
            yield Listed(f"{document.path}#{short(content['id'])}", document.split, image)
            continue
        first[image] = document.path
        found = tuple(_kept(document, annotation) for annotation in document.annotations.pop(content["id"], ()))
        size = written_values.size(content.get("width"), content.get("height"))
        yield Listed(image, document.split, _Entry(image, document.path, *names[image], size, found))


def _kept(document: _Document, annotation: dict) -> tuple:
    """What is needed of an annotation, and no dict of it: a million of them stay in memory."""
    category = annotation.get("category_id")
    known = document.categories.get(category) if _is_id(category) else None
    keys = ("category_id", "bbox", "iscrowd", "area", "segmentation")
    return annotation.get("id"), known and known["name"].strip(), *map(annotation.get, keys)


def _marked(
    path: str, image: str, number: object, name: str | None, category: object, bbox: object, *more
) -> MarkedObject:
    iscrowd, area, segmentation = more
    which = f"annotation {short(number)}, of {image},"
    if name is None:
        text = f"{which} has the category {short(category)}, which is not in the list."
        raise UnusableImage(path, None, "annotation of an unknown category", text)
    numbers = [finite(value) for value in bbox] if isinstance(bbox, list) else []
    if len(numbers) != 4 or None in numbers:
        text = f"{which} has the bbox {short(bbox)}; the four numbers x, y, width and height are expected."
        raise UnusableImage(path, None, _BAD, text)
    x, y, width, height = numbers
    return MarkedObject(
        name, (y, x, y + height, x + width), is_crowd=iscrowd in (1, True), area=finite(area), segmentation=segmentation
    )
