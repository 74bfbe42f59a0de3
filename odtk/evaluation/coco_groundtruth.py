"""COCO's groundtruth JSON, with the numbers as they stand there, so that the metrics are pycocotools'."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from odtk import files
from odtk.annotations import coco_json, image_files, path_matching
from odtk.annotations.coco_annotations import read_annotation
from odtk.annotations.coco_json import Document
from odtk.annotations.value_parsing import short, size
from odtk.errors import DataError
from odtk.evaluation.groundtruth import Groundtruth
from odtk.evaluation.results import ImageResult, Results, image_result
from odtk.prototext.schema import some

_NAMED = 4


def read_groundtruth(path: str | os.PathLike) -> Groundtruth:
    """The groundtruth in a COCO JSON, which needs no pictures; these are looked for around it when they are read.

    Boxes and areas are not changed, so a box may reach over the edge. Raises DataError if the file is not COCO's.
    """
    where = os.fspath(path)
    try:
        document = coco_json.parse(where, os.path.basename(where), files.read_text(where))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{where} cannot be read as COCO's groundtruth: {error}.", argument="groundtruth") from error
    if not document.images or not document.categories:
        missing = "image" if not document.images else "category"
        raise DataError(f'{where} lists no {missing}; COCO\'s groundtruth needs "images" and "categories".')
    _check_names(where, document)
    numbers = _class_numbers(list(document.categories))
    by_name = {category.name: numbers[number] for number, category in document.categories.items()}
    images = [_image(where, document, position, numbers | by_name) for position in range(len(document.images))]
    names = {numbers[number]: category.name for number, category in document.categories.items()}
    return Groundtruth(
        name=where,
        results=Results(images, names, None if files.is_remote(where) else _pixel_reader(where, images)),
        image_ids=[image["id"] for image in document.images],
        class_ids=numbers,
        notes=list(_notes(where, document)),
    )


def _check_names(where: str, document: Document) -> None:
    """Raises DataError if two images have one file name, by which all else knows them."""
    first: dict[str, dict] = {}
    for image in document.images:
        other = first.setdefault(image["file_name"], image)
        if other is not image:
            raise DataError(
                f"{where} lists the image {image['file_name']} twice, with the ids {short(other['id'])} and "
                f"{short(image['id'])}. List each image once; name images of the same name with their folders.",
                argument="groundtruth",
            )


def _class_numbers(ids: Sequence[int | str]) -> dict[int | str, int]:
    """The ids of the file to ids from 1: the same where they are that already."""
    if all(isinstance(number, int) and number > 0 for number in ids):
        return {number: int(number) for number in ids}
    return {number: place for place, number in enumerate(ids, 1)}


def _image(where: str, document: Document, position: int, numbers: dict) -> ImageResult:
    content = document.images[position]
    name, stated = content["file_name"], size(content.get("width"), content.get("height"))
    if stated is None:
        text = f"{short(content.get('width'))} x {short(content.get('height'))}"
        raise DataError(
            f"{where}: the image {name} has the size {text}; a width and a height in pixels are expected. Write them "
            "there; or give the folder that has this file and the pictures, whose sizes are then read.",
            argument="groundtruth",
        )
    found = [read_annotation(one, document.categories) for one in document.annotations.get(position, ())]
    objects = [one.marked(where, name) for one in found]
    return image_result(
        name,
        stated[::-1],
        [one.box for one in objects],
        [numbers.get(coco_json.plain(one.category_id), numbers[one.class_name]) for one in found],
        [],
        [],
        [],
        areas=[one.area or 0.0 for one in objects],
        crowds=[one.is_crowd for one in objects],
    )


def _notes(where: str, document: Document) -> Iterator[str]:
    if document.orphans:
        shown = [short(one.get("image_id")) for one in document.orphans]
        yield (
            f"{len(shown)} annotations of {where} are for images that it does not list, and are left out: image_id "
            f"{some(list(dict.fromkeys(shown)), _NAMED)}."
        )


def _pixel_reader(where: str, images: Sequence[ImageResult]) -> Callable[[int], np.ndarray] | None:
    """Reads pictures; None if the first one is nowhere around the file."""
    above, own = os.path.split(os.path.dirname(os.path.abspath(where)))
    roots = path_matching.search_roots(f"{own}/{os.path.basename(where)}")
    places = [os.path.join(above, root) for root in roots]

    def read(index: int) -> np.ndarray:
        image = images[index]
        path = _find(image.source_id, places)
        if path is None:
            raise DataError(f"{where}: there is no picture {image.source_id} in {some(places, _NAMED)}.")
        return _pixels(path, image.size)

    return read if _find(images[0].source_id, places) else None


def _find(name: str, places: Sequence[str]) -> str | None:
    paths = (os.path.join(place, name) for place in places)
    return next((path for path in paths if os.path.isfile(path)), None)


def _pixels(path: str, expected: tuple[int, int]) -> np.ndarray:
    """The picture, rotated by its EXIF orientation if it has the size of the annotations only so."""
    encoded = files.read_bytes(path)
    for turned in (False, True):
        picture = image_files.to_picture(encoded, path, turned).convert("RGB")
        if picture.size[::-1] == expected:
            return np.asarray(picture)
    raise DataError(
        f"{path} has {picture.width} x {picture.height} pixels, but its annotations are for {expected[1]} x "
        f"{expected[0]}. Give the pictures that were annotated."
    )
