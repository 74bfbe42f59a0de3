"""Explains why a folder is in no known format: what looks like a data set in it, and what is missing."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator

from odtk.annotations import data_folder, path_matching
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.value_parsing import short
from odtk.annotations.yolo_texts import any_called_alike, has_labels
from odtk.files import IMAGE_SUFFIXES

_ANNOTATIONS = (".txt", ".xml", ".json")
_SNIFFED_FILES, _START_BYTES = 20, 4096


def hint(files: DataFolder) -> str:
    """The likely cause, in a sentence or two; empty if none is found."""
    return next(_hints(files), "")


def _hints(files: DataFolder) -> Iterator[str]:
    if strange := _strange_images(files):
        count, suffix, first = strange
        what = f"{count} files, as {first}, are" if count > 1 else f"{first} is"
        shown = f"with the suffix {suffix}" if suffix else "without a suffix"
        yield (
            f"{what} named like the annotations, but {shown}, which odtk does not read as images. Convert them to .jpg "
            "or .png, or rename them if they are in one of these formats."
        )
    for path in [path for path in files.with_suffix(".txt")[:_SNIFFED_FILES] if has_labels(files, path)]:
        if any_called_alike(files):
            what = "no data.yaml, classes.txt or obj.names names its classes. Add one"
        else:
            what = "no image has its name, or that of any other text here. Put images and texts together"
        yield f"{path} looks like a YOLO text, but {what}."
    for path in files.with_suffix(".csv", ".tsv"):
        line = _start(files, path).lstrip().split("\n", 1)[0].strip()
        yield (
            f"the first line of {path}, {short(line)}, has no columns for an image, a class and the sides of a box. "
            "Add a header such as filename,class,xmin,ymin,xmax,ymax."
        )
    for path in files.with_suffix(".json"):
        yield f'{path} has no object with COCO\'s lists "images", "annotations" and "categories".'
    records = [path for path in files.files if ".record" in path or path.endswith(".tfrecords")]
    if records:
        yield f"{records[0]} already holds records: train and evaluate can read them as they are (odtk configure)."
    if not any(path.lower().endswith(_ANNOTATIONS) for path in files.files):
        yield "it has images but no annotations." if files.images else "it has neither images nor annotations."


def _strange_images(files: DataFolder) -> tuple[int, str, str] | None:
    """Files named like the annotations, of the most frequent suffix that is not of images: how many, which one."""
    named = {_stem(path) for path in files.with_suffix(*_ANNOTATIONS)}
    known = {_stem(path) for path in files.images}
    strange = [
        path
        for path in files.files
        if not path.lower().endswith((*_ANNOTATIONS, *IMAGE_SUFFIXES)) and _stem(path) in named - known
    ]
    if not strange:
        return None
    counts = Counter(posixpath.splitext(path)[1] for path in strange)
    suffix, count = counts.most_common(1)[0]
    return count, suffix, next(path for path in strange if path.endswith(suffix))


def _start(files: DataFolder, path: str) -> str:
    return data_folder.text_start(files.path, path, _START_BYTES)


def _stem(path: str) -> str:
    return path_matching.folded(posixpath.splitext(posixpath.basename(path))[0])
