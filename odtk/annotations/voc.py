"""Pascal VOC: one xml per image, in JPEGImages/ and Annotations/, side by side, or in folders per split.

An xml belongs to the image of the same name in the same folder, ignoring folders named after their contents
(`Annotations`, `images`), or else to the image in its <filename>. Coordinates are used as they are written: VOC counts
pixels from 1, which TFOD ignores, and so does odtk.

If ImageSets/Main (or annotations/, in the Pet layout) has lists, they define the dataset, and a listed image without
xml is bad data. Otherwise an image without xml is not annotated, and so is not a negative.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from odtk.annotations import data_folder, path_matching, voc_lists, voc_xml
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.dataset import OUTLINE, ImageAnnotation, Listed, MarkedObject
from odtk.annotations.listed_dataset import NO_IMAGE, ListedDataset, SkippedImage, find_image, in_order, left_out
from odtk.annotations.value_parsing import all_finite, short
from odtk.errors import DataError

LOOKED_FOR = "*.xml files with the root <annotation>, as in Annotations/ next to JPEGImages/ (voc)"

_SNIFFED_FILES, _SNIFFED_BYTES = 20, 4096


@dataclass(frozen=True)
class _Entry:
    xml: str
    image: str
    filename: str
    source_id: str
    problems: tuple[Problem, ...] = ()


class VocDataset(ListedDataset):
    """Pascal VOC's xml; see `odtk.annotations.dataset.Dataset`."""

    def _read(self, entry: _Entry) -> ImageAnnotation:
        annotation = _parse(self.folder, entry.xml)
        return ImageAnnotation(
            image_path=data_folder.checked_path(self.folder, entry.image),
            filename=entry.filename,
            objects=tuple(_marked(self.path(entry.xml), found) for found in annotation.objects),
            stated_size=(annotation.width, annotation.height) if annotation.width else None,
            annotation_path=self.path(entry.xml),
            size_line=annotation.size_line,
            source_id=entry.source_id,
            problems=(
                *entry.problems,
                *_filename_problems(self.path(entry.xml), annotation, entry.image),
                *annotation.problems,
            ),
        )


def sign(files: DataFolder) -> str | None:
    """Why a folder looks like VOC; None if it does not."""
    for path in files.with_suffix(".xml")[:_SNIFFED_FILES]:
        # Not <annotations>, which is CVAT's own.
        if re.search(r"<annotation[\s/>]", data_folder.text_start(files.path, path, _SNIFFED_BYTES)):
            return f"{path} has an <annotation>"
    return None


def open_voc(files: DataFolder) -> VocDataset:
    """The VOC dataset in a folder."""
    if not files.with_suffix(".xml"):
        raise DataError(f"{files.path} has no {LOOKED_FOR}. Give the folder that holds them and the images.")
    pairs, unpaired = _pair(files)
    lists, problems = voc_lists.read_lists(files)
    names = path_matching.record_names(pairs)
    splits = path_matching.folder_splits([*pairs, *unpaired])
    listed = []
    for image, xml in pairs.items():
        if (found := lists.find(files, xml, image)) is None:
            text = f"it is in no list in {lists.folders}."
            listed.append(
                Listed(image, splits.get(image), SkippedImage(files.at(image), None, "in no list", text, False))
            )
        else:
            split, oddities = found
            entry = _Entry(xml, image, *names[image], oddities)
            listed.append(Listed(image, split if lists else splits.get(image), entry))
    for path, skipped in unpaired.items():
        # Images without xml are reported below if they are listed, and ignored otherwise.
        if not lists or (skipped.is_bad and lists.find(files, path) is not None):
            listed.append(Listed(path, splits.get(path), skipped))
    listed += lists.missing(files, [*pairs, *pairs.values(), *(path for path in unpaired if _is_xml(path))])
    return VocDataset("voc", files.path, in_order(listed), problems=tuple(problems))


def _pair(files: DataFolder) -> tuple[dict[str, str], dict[str, SkippedImage]]:
    """Maps image to xml, and reports those without a partner, by path."""
    xmls, pairs, unpaired = files.with_suffix(".xml"), {}, {}
    # In the same folder first, then in sibling folders; the rest is matched by <filename>.
    for key in (lambda path: posixpath.splitext(path)[0], path_matching.place_of):
        xmls, candidates = _pair_by(key, files.images, xmls, pairs)
    for xml in xmls:
        image = _named_image(files, xml, candidates[xml])
        if isinstance(image, str) and image in pairs:
            image = SkippedImage(files.at(xml), None, "two xml for an image", f"{pairs[image]} is also for {image}.")
        if isinstance(image, str):
            pairs[image] = xml
        else:
            unpaired[xml] = image
    for image in files.images:
        if image not in pairs:
            text = "it has no xml. An image without objects also needs one, without <object>."
            unpaired[image] = SkippedImage(files.at(image), None, "image without xml", text, is_bad=False)
    return pairs, unpaired


def _pair_by(key, images: list[str], xmls: list[str], pairs: dict[str, str]) -> tuple[list[str], dict[str, list[str]]]:
    """Adds to `pairs` each xml with the same `key` as exactly one image; returns the others with their candidates."""
    by_key = defaultdict(list)
    for image in images:
        if image not in pairs:
            by_key[key(image)].append(image)
    candidates = {}
    for xml in xmls:
        found = [image for image in by_key.get(key(xml), ()) if image not in pairs]
        if len(found) == 1:
            pairs[found[0]] = xml
        else:
            candidates[xml] = found
    return list(candidates), candidates


def _named_image(files: DataFolder, xml: str, candidates: list[str]) -> str | SkippedImage:
    """The image in an xml's <filename>; of several images with the xml's name, that one or the first."""
    try:
        annotation = _parse(files.path, xml)
    except UnusableImage as error:
        # Other programs keep their own xml next to the data; one with the name of an image must be its annotation.
        is_another = error.problem.kind == voc_xml.OTHER_ROOT and not candidates
        return replace(left_out(error), is_bad=False) if is_another else left_out(error)
    if candidates:
        name = posixpath.basename(annotation.filename.replace("\\", "/"))
        same = [image for image in candidates if path_matching.same_name(posixpath.basename(image), name)]
        return (same or candidates)[0]
    where = files.at(xml), annotation.filename_line
    if not annotation.filename:
        return SkippedImage(*where, NO_IMAGE, "no image has the name of this xml, and it has no <filename>.")
    above = posixpath.dirname(posixpath.dirname(xml))
    roots = (posixpath.dirname(xml), *(posixpath.join(above, name) for name in ("JPEGImages", "images")), above)
    return find_image(files, annotation.filename, roots, where, "no image has the name of this xml, and <filename> is")


def _parse(folder: str, xml: str) -> voc_xml.VocAnnotation:
    return voc_xml.parse(data_folder.read_bytes(folder, xml), Path(folder, xml), complete=False)


def _is_xml(path: str) -> bool:
    return path.lower().endswith(".xml")


def _marked(path: str, found: voc_xml.VocObject) -> MarkedObject:
    if not found.name:
        raise UnusableImage(path, found.line, "object without a class", "the <object> of this <bndbox> has no <name>.")
    if not all_finite(found.box):
        raise UnusableImage(path, found.line, "xml cannot be read", f"the box {short(found.box)} is not finite.")
    return MarkedObject(
        found.name,
        found.box,
        found.line,
        found.difficult,
        found.truncated,
        found.pose,
        written=OUTLINE if found.hull else "xyxy",
    )


def _filename_problems(path: str, annotation: voc_xml.VocAnnotation, image: str) -> Iterator[Problem]:
    stated, own = posixpath.basename(annotation.filename.replace("\\", "/")), posixpath.basename(image)
    if stated and not path_matching.same_name(stated, own):
        what = (
            "lacks the suffix" if path_matching.same_name(stated, posixpath.splitext(own)[0]) else "names another file"
        )
        text = f"<filename> is {short(stated)}, which {what}; {own} is used."
        yield Problem(path, annotation.filename_line, "filename is not the image's", text)
