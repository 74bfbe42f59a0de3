"""COCO's JSON: images, annotations and categories, in one file or in one per split.

Boxes become yxyx and are not shifted. Category ids may have gaps; only their order matters. A file that is listed
several times is one image, with all its annotations.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from odtk.annotations import data_folder, path_matching, value_parsing
from odtk.annotations.annotated_image import Problem
from odtk.annotations.coco_annotations import CocoAnnotation, read_annotation
from odtk.annotations.coco_files import LOOKED_FOR, candidates, load_all
from odtk.annotations.coco_json import Category, Document, plain
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.dataset import ImageAnnotation, Listed
from odtk.annotations.listed_dataset import ListedDataset, SkippedImage, find_image, in_order
from odtk.annotations.numbering import shifted
from odtk.annotations.value_parsing import short
from odtk.errors import DataError

Categories = dict[int | str, Category]
"""Categories by id."""

__all__ = ["LOOKED_FOR", "CocoDataset", "open_coco", "sign"]


@dataclass(frozen=True)
class _Entry:
    image: str
    json: str
    filename: str
    source_id: str
    size: tuple[int, int] | None
    annotations: tuple[CocoAnnotation, ...]


@dataclass(frozen=True)
class _Mention:
    """An image as one file lists it."""

    document: Document
    content: dict
    annotations: tuple[CocoAnnotation, ...]

    @property
    def size(self) -> tuple[int, int] | None:
        """The stated width and height, None if there are none."""
        return value_parsing.size(self.content.get("width"), self.content.get("height"))


class CocoDataset(ListedDataset):
    """COCO's JSON; see `odtk.annotations.dataset.Dataset`."""

    def _read(self, entry: _Entry) -> ImageAnnotation:
        path = self.path(entry.json)
        place = f"{path}: image {entry.image}"
        return ImageAnnotation(
            image_path=data_folder.checked_path(self.folder, entry.image),
            filename=entry.filename,
            objects=tuple(annotation.marked(path, entry.image) for annotation in entry.annotations),
            stated_size=entry.size,
            annotation_path=path,
            place=place,
            source_id=entry.source_id,
            problems=tuple({found.text: found for each in entry.annotations for found in each.odd(place)}.values()),
        )


def sign(files: DataFolder) -> str | None:
    """Why a folder looks like COCO; None if it does not."""
    found, _ = candidates(files)
    return f"{found[0]} has COCO's images and annotations" if found else None


def open_coco(files: DataFolder, keep_segmentations: bool = False) -> CocoDataset:
    """The COCO dataset in a folder. Segmentations need much memory, and are only kept if asked for."""
    documents, problems = load_all(files, keep_segmentations)
    categories, odd = _merged_categories(files, documents)
    class_names = _class_names(documents, categories)
    _refuse_shifted(files, documents, categories)
    mentions: dict[str, list[_Mention]] = {}
    listed = []
    for document in documents:
        counts = [len(found) for found in document.annotations.values()]
        listed += _place(files, document, categories, mentions)
        listed += _orphans(files, document, math.ceil(sum(counts) / max(1, len(counts))))
    names = path_matching.record_names(mentions.keys())
    listed += [_listed(files, image, found, names[image]) for image, found in mentions.items()]
    problems += [*odd, *_listed_again(files, mentions)]
    return CocoDataset("coco", files.path, in_order(listed), class_names, tuple(problems))


def _merged_categories(files: DataFolder, documents: Sequence[Document]) -> tuple[Categories, list[Problem]]:
    """The categories of all files by id, and the issues with their ids.

    Files may number the same names differently. Raises DataError if an id has different names in files that do not
    share their names.
    """
    merged: Categories = {}
    problems: dict[str, Problem] = {}
    for document in documents:
        for number, category in document.categories.items():
            name, before = category.name, merged.setdefault(number, category).name
            if name == before or document.path in problems:
                continue
            said = f"the category {number} is {short(name)} in {document.path}, and {short(before)} in another file"
            if not _are_numbered_otherwise(document, documents):
                raise DataError(f"{said}. Use the same category ids in all files of a dataset.")
            text = f"{said}: each file is read with its own ids, and categories of the same name are one class."
            problems[document.path] = Problem(files.at(document.path), None, "categories numbered differently", text)
    return dict(sorted(merged.items(), key=lambda item: (isinstance(item[0], str), item[0]))), [*problems.values()]


def _are_numbered_otherwise(document: Document, documents: Sequence[Document]) -> bool:
    """Whether a file differs from the others only in its category ids: one has all names of the other."""
    names = [{category.name for category in one.categories.values()} for one in (document, *documents)]
    return all(names) and all(names[0] <= other or names[0] >= other for other in names[1:])


def _class_names(documents: Sequence[Document], categories: Categories) -> tuple[str, ...]:
    """The classes by category id. Categories of the same name are one class; a group heading is not a class."""
    heading = _has_heading(documents, categories)
    names = [category.name for number, category in categories.items() if number != 0 or not heading]
    names += [category.name for document in documents for number, category in document.categories.items() if number]
    return tuple(dict.fromkeys(names))


def _has_heading(documents: Sequence[Document], categories: Categories) -> bool:
    """Whether category 0 is only the group of the others, as in some exports: it has no annotations itself."""
    found = (one for document in documents for each in document.annotations.values() for one in each)
    is_used = 0 in {plain(one.get("category_id")) for one in found}
    groups = {category.group for category in categories.values()}
    return 0 in categories and categories[0].name in groups and not is_used and len(categories) > 1


def _refuse_shifted(files: DataFolder, documents: Sequence[Document], categories: Categories) -> None:
    """Raises DataError if the category ids in a file's annotations are shifted by one from its list."""
    headings = {0} if _has_heading(documents, categories) else set()
    for document in documents:
        used = {plain(one.get("category_id")) for found in document.annotations.values() for one in found}
        if text := shifted({*(document.categories or categories)} - headings, used):
            said = f"its annotations seem to number the categories {text}. Number both the same way."
            raise DataError(f"{files.at(document.path)}: {said}")


def _place(
    files: DataFolder, document: Document, categories: Categories, mentions: dict[str, list[_Mention]]
) -> Iterator[Listed]:
    """Adds the images of a document to `mentions`, by path; yields those that are missing."""
    roots, categories = path_matching.search_roots(document.path), document.categories or categories
    where = files.at(document.path), None
    for position, content in enumerate(document.images):
        said = f"image {short(content['id'])} is the file"
        image = find_image(files, content["file_name"], roots, where, said)
        if isinstance(image, SkippedImage):
            yield Listed(f"{document.path}#{short(content['id'])}", document.split, image)
        else:
            kept = tuple(read_annotation(each, categories) for each in document.annotations.pop(position, ()))
            mentions.setdefault(image, []).append(_Mention(document, content, kept))


def _orphans(files: DataFolder, document: Document, per_image: int) -> Iterator[Listed]:
    """Placeholders for images that only annotations refer to: bad data, as if the files were missing.

    If many annotations refer to the same unlisted image, every `per_image` of them count as one image.
    """
    by_image = defaultdict(list)
    for annotation in document.orphans:
        by_image[short(annotation.get("image_id"))].append(short(annotation.get("id")))
    for image, numbers in by_image.items():
        for part in (numbers[start : start + per_image] for start in range(0, len(numbers), per_image)):
            named = ", ".join(part[:4]) + (f" and {len(part) - 4} more" if len(part) > 4 else "")
            which = f"annotation {named} is" if len(part) == 1 else f"annotations {named} are"
            text = f"{which} for the image {image}, which is not in the list of images."
            entry = SkippedImage(files.at(document.path), None, "annotations of an unknown image", text)
            yield Listed(f"{document.path}#{image}", document.split, entry)


def _listed(files: DataFolder, image: str, found: list[_Mention], names: tuple[str, str]) -> Listed:
    """An image with the annotations of all its mentions; a box that is repeated in a later mention counts once."""
    first = found[0].document
    sizes = {mention.size for mention in found if mention.size is not None}
    if len(sizes) > 1:
        said = " and ".join("{}x{}".format(*size) for size in sorted(sizes))
        text = (
            f"the file {image} is listed {len(found)} times, with different sizes ({said}), so the scale of its boxes "
            "is unknown. Correct the sizes."
        )
        return Listed(image, first.split, SkippedImage(files.at(first.path), None, "image of several sizes", text))
    annotations = list(found[0].annotations)
    for mention in found[1:]:
        known = {annotation.box_key for annotation in annotations}
        annotations += [annotation for annotation in mention.annotations if annotation.box_key not in known]
    if not annotations and any(mention.document.orphans for mention in found):
        # It may have no objects, or its annotations may be among those without an image: the two look the same.
        text = f"it has no annotation, but may be the image of the annotations in {first.path} whose image is unknown."
        left = SkippedImage(files.at(image), None, "image that may have lost its annotations", text, is_bad=False)
        return Listed(image, first.split, left)
    entry = _Entry(image, first.path, *names, next(iter(sizes), None), tuple(annotations))
    return Listed(image, first.split, entry)


def _listed_again(files: DataFolder, mentions: dict[str, list[_Mention]]) -> list[Problem]:
    """One problem for each pair of files that list the same images, or for a file that lists an image twice."""
    cases = defaultdict(list)
    for image, (first, *others) in mentions.items():
        for mention in others:
            cases[mention.document.path, first.document.path].append((mention.content["id"], image))
    problems = []
    for (path, before), found in cases.items():
        number, image = found[0]
        also = f" ({len(found) - 1} more like this)" if len(found) > 1 else ""
        text = f"image {short(number)} is the file {image}, which is also listed in {before}{also}: it is read as one "
        problems.append(Problem(files.at(path), None, "image listed twice", f"{text}image with all its annotations."))
    return problems
