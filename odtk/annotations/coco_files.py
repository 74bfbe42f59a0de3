"""Finds the COCO files of a folder: those with annotations are read, and all others are reported."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from odtk.annotations import data_folder, foreign_formats
from odtk.annotations.annotated_image import Problem
from odtk.annotations.coco_json import Document, NoCocoError, load, split_of
from odtk.annotations.data_folder import DataFolder
from odtk.errors import DataError

LOOKED_FOR = "*.json with images, annotations and categories, such as annotations/instances_train.json (coco)"

_SNIFFED_BYTES = 1 << 16
_INSTANCES, _IMAGES_ALONE = "instances_", "image_info_"
_OTHER_TASKS = ("captions_", "person_keypoints_", "panoptic_", "stuff_")
_SPLITS = ("train", "val", "test", None)
_ASIDE = "file set aside"


def candidates(files: DataFolder) -> tuple[list[str], list[Problem]]:
    """The JSON files that look like COCO's, and which of them are not to be read.

    If there are files called instances_*.json, others are read only for another split. COCO's own files for other
    tasks, on the same images, are ignored.
    """
    like_coco = [path for path in files.with_suffix(".json") if _begins_like_coco(files, path)]
    found = [path for path in like_coco if not _name(path).startswith((*_OTHER_TASKS, _IMAGES_ALONE))]
    named = [path for path in found if _name(path).startswith(_INSTANCES)]
    covered = {split_of(path) for path in named}
    wanted = [path for path in found if not named or path in named or split_of(path) not in {None, *covered}]
    aside = []
    for path in like_coco:
        text = f"it is ignored because there are files called {_INSTANCES}*.json."
        if _name(path).startswith(_IMAGES_ALONE):
            text = "its name says that its images are not annotated; it is ignored."
        if path not in wanted and not _name(path).startswith(_OTHER_TASKS):
            aside.append(Problem(files.at(path), None, _ASIDE, text))
    return wanted, aside


def load_all(files: DataFolder, keep_segmentations: bool) -> tuple[list[Document], list[Problem]]:
    """The COCO files with annotations, those of the training split first, and issues with the others.

    Raises DataError if none of them is usable, or no file lists the categories.
    """
    wanted, aside = candidates(files)
    documents, refused = [], {}
    for path in wanted:
        try:
            document = load(files, path, keep_segmentations)
        except NoCocoError as error:
            refused[path] = str(error)
            continue
        if document.is_annotated:
            documents.append(document)
        else:
            text = f'has no list "annotations", so its images are not annotated ({len(document.images)}).'
            refused[path] = f"{files.at(path)} {text}"
    if not documents:
        if refused:
            raise DataError(next(iter(refused.values())))
        raise DataError(f"{files.path} has no {LOOKED_FOR}. Name the folder that holds it and the images.")
    if not any(document.categories for document in documents):
        raise DataError(f'{files.at(documents[0].path)} has no list "categories" of objects, which COCO\'s JSON needs.')
    documents.sort(key=lambda document: _SPLITS.index(document.split))
    for path, text in refused.items():
        aside.append(Problem(files.at(path), None, _ASIDE, f"it{text.removeprefix(files.at(path))}"))
    return documents, [*aside, *(found for document in documents for found in _empty(files, document, documents))]


def _begins_like_coco(files: DataFolder, path: str) -> bool:
    start = data_folder.text_start(files.path, path, _SNIFFED_BYTES)
    looks_like_it = start.lstrip().startswith("{") and re.search(r'"(images|annotations)"\s*:\s*\[', start) is not None
    return looks_like_it and foreign_formats.of_json(start) is None


def _empty(files: DataFolder, document: Document, documents: Sequence[Document]) -> Iterator[Problem]:
    """Reports a file with images but no annotations, next to others that have some."""
    if document.images and not document.annotations and any(other.annotations for other in documents):
        text = f"it has {len(document.images)} images but no annotations, so they are read as images without objects."
        yield Problem(
            files.at(document.path), None, "file without annotations", f"{text} If they are not annotated, remove it."
        )


def _name(path: str) -> str:
    return posixpath.basename(path)
