"""YOLO: a text of `class cx cy w h` lines per image, normalized, class ids from 0; data.yaml has classes and splits.

An image without a text has no objects. Lines with more numbers are outlines, whose bounding box is used, or, if
data.yaml has a kpt_shape, boxes followed by keypoints; lines of predictions are refused (`yolo_columns`). Darknet's
classes.txt or obj.names can replace data.yaml.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from odtk.annotations import data_folder, path_matching, yolo_columns, yolo_texts
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.dataset import ORDERS, OUTLINE, ImageAnnotation, Listed, MarkedObject
from odtk.annotations.listed_dataset import ListedDataset, SkippedImage, in_order
from odtk.annotations.numbering import shifted
from odtk.annotations.value_parsing import finite, short
from odtk.annotations.yolo_columns import BOX, EXPECTED, Columns
from odtk.annotations.yolo_config import Config, find_config, read_config
from odtk.annotations.yolo_texts import Paired
from odtk.errors import DataError

LOOKED_FOR = "data.yaml with names, or classes.txt or obj.names, and a *.txt for each image (yolo)"

_BAD = "line cannot be read"

# Up to this far beyond 0..1 is an annotator's slip at the edge; more means another unit.
_SLIP = 0.01


@dataclass(frozen=True)
class _Entry:
    image: str
    label: str | None
    filename: str
    source_id: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class YoloDataset(ListedDataset):
    """YOLO's texts; `names` is by class id. See `odtk.annotations.dataset.Dataset`."""

    names: Mapping[int, str] = field(default_factory=dict)
    columns: Columns = field(default_factory=Columns)

    def _read(self, entry: _Entry) -> ImageAnnotation:
        objects, problems = [], list(entry.problems)
        if entry.label is not None:
            path = self.path(entry.label)
            lines = data_folder.read_text(self.folder, entry.label).splitlines()
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    objects.append(self._object(path, number, line, problems))
        return ImageAnnotation(
            image_path=data_folder.checked_path(self.folder, entry.image),
            filename=entry.filename,
            objects=tuple(objects),
            normalized=True,
            annotation_path=entry.label and self.path(entry.label),
            source_id=entry.source_id,
            problems=tuple(problems),
        )

    def _object(self, path: str, number: int, line: str, problems: list[Problem]) -> MarkedObject:
        written, *numbers = (finite(word) for word in yolo_columns.words_of(line))
        word = yolo_columns.words_of(line)[0]
        class_name = word if written is None and word in self.names.values() else None
        if written is not None and written == int(written):
            class_name = self.names.get(int(written))
        if class_name is None:
            text = f"the class {short(word)} is not among {min(self.names)}..{max(self.names)}, the ids with a name."
            raise UnusableImage(path, number, "class id without a name", text)
        values = [value for value in numbers if value is not None]
        if len(values) < len(numbers):
            raise _bad_line(path, number, line, "not only numbers")
        try:
            is_box = self.columns.is_box(values)
        except ValueError as error:
            what = f"the line {short(line)} has {1 + len(values)} column{'s' * bool(values)}; {error}."
            raise UnusableImage(path, number, _BAD, what) from error
        values = values[:BOX] if is_box else values
        outside = max(0.0, *(max(-value, value - 1) for value in values))
        if outside > _SLIP:
            raise _bad_line(path, number, line, "outside 0..1, so not normalized")
        if outside > 0:
            text = f"the line {short(line)} has a value slightly outside 0..1."
            problems.append(Problem(path, number, "value outside 0..1", text))
        if is_box:
            return MarkedObject(class_name, ORDERS["cxcywh"](*values), line=number, written="cxcywh")
        return MarkedObject(class_name, _bounds(values), line=number, written=OUTLINE)


def _bad_line(path: str, number: int, line: str, what: str) -> UnusableImage:
    return UnusableImage(path, number, _BAD, f"the line {short(line)} is {what}; {EXPECTED}.")


def _bounds(outline: list[float]) -> tuple[float, float, float, float]:
    xs, ys = outline[::2], outline[1::2]
    return min(ys), min(xs), max(ys), max(xs)


def sign(files: DataFolder) -> str | None:
    """Why a folder looks like YOLO; None if it does not."""
    if not yolo_texts.any_called_alike(files):
        return None
    try:
        found = find_config(files)
    except DataError as error:
        return str(error)  # there are several; the error is raised when the dataset is opened
    return found and f"{found} has class names, and images have a *.txt"


def open_yolo(files: DataFolder) -> YoloDataset:
    """The YOLO dataset in a folder."""
    config = read_config(files)
    images = dict.fromkeys(image for found in config.splits.values() for image, _ in found if isinstance(image, str))
    paired = yolo_texts.pair(files, images)
    texts = list(filter(None, paired.texts.values()))
    if not texts:
        raise DataError(_no_texts(files, config, images, paired))
    values, shape = config.keypoint_values, config.kpt_shape
    lines = list(yolo_texts.sample(files, texts))
    if text := shifted(config.names, {int(line[0]) for line in lines if line[0] >= 0 and line[0].is_integer()}):
        raise DataError(
            f"{files.at(config.path)}: the texts seem to number the classes {text}. Number both the same way."
        )
    columns = yolo_columns.survey([line[1:] for line in lines], values, shape)
    listed = in_order(_list(files, config, paired))
    names = tuple(dict.fromkeys(config.names.values()))
    return YoloDataset("yolo", files.path, listed, names, tuple(config.problems), config.names, columns)


def _no_texts(files: DataFolder, config: Config, images: Collection[str], paired: Paired) -> str:
    left_out = [*paired.left_out.values(), *(one for found in config.splits.values() for one, _ in found)]
    first = next((f" The first: {one.text}" for one in left_out if isinstance(one, SkippedImage)), "")
    if not images:
        return f"{files.at(config.path)}: none of the images of its splits is in {files.path}.{first}"
    return (
        f"None of the {len(images)} images of {files.at(config.path)} has a text of the same name, next to it or in "
        f"labels/ if the image is in images/. Only images without objects need no text.{first}"
    )


def _list(files: DataFolder, config: Config, paired: Paired) -> Iterator[Listed]:
    names, splits = path_matching.record_names(paired.texts), _splits_of(config)
    for image, label in paired.texts.items():
        split, *others = splits[image]
        problems: tuple[Problem, ...] = ()
        if others:
            named = " and ".join(filter(None, splits[image]))
            text = f"it is in both {named} of {config.path}; it is used for {split}."
            problems = (Problem(files.at(image), None, "in several splits", text),)
        yield Listed(image, split, _Entry(image, label, *names[image], problems))
    for path, why in paired.left_out.items():
        yield Listed(path, splits[path][0] if path in splits else path_matching.split_of_folders(path), why)
    for split, found in config.splits.items():
        for entry, written in found:
            if isinstance(entry, SkippedImage):
                yield Listed(written, split, entry)
    for image in files.images:
        if image not in splits:
            text = f"it is in no split of {config.path}."
            yield Listed(image, None, SkippedImage(files.at(image), None, "in no split", text, is_bad=False))


def _splits_of(config: Config) -> dict[str, list[str | None]]:
    """The splits that each image is in; splits with exactly the same images are ignored."""
    members = {split: {image for image, _ in found if isinstance(image, str)} for split, found in config.splits.items()}
    if len(members) > 1 and all(images == members[next(iter(members))] for images in members.values()):
        members = {None: members[next(iter(members))]}
    splits = {}
    for split, images in members.items():
        for image in images:
            splits.setdefault(image, []).append(split)
    return splits
