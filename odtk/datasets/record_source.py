"""Images from record files, one at a time: found by offset, interpreted as by training's decoder."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from PIL import Image

from odtk.annotations import image_files
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.datasets.sources import NO_ID, BoxProblem, ImageSummary, Pixels, digest, mark, open_picture
from odtk.protos.example_pb2 import Example
from odtk.records import shards
from odtk.records.features import BOX_SIDES, CLASS_LABEL, CLASS_TEXT, IMAGE_NAMES

# The formats of tf.io.decode_image; Pillow reads more.
_TENSORFLOW_FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP")

# Boxes that end at most this far beyond the edge are rounding errors.
_ROUNDING = 1e-3
_PIXELS = 2.0  # larger coordinates are not normalized

_LYING = 5  # the first EXIF orientation that swaps width and height


@dataclass(frozen=True)
class RecordSource:
    """The valid records of some files, by file and offset."""

    split: str
    files: Sequence[str]
    file_of: np.ndarray = field(compare=False)  # int32 [records]
    offsets: np.ndarray = field(compare=False)  # int64 [records], of the records
    sizes: np.ndarray = field(compare=False)  # int64 [records], of their data

    def __len__(self) -> int:
        return len(self.offsets)

    def summarize(self, index: int, decode: bool) -> ImageSummary:
        """See Source."""
        file, offset = self.place(index)
        name = ""
        try:
            features = _Features(self.data(index), file)
            name = features.name
            groundtruth = _groundtruth(features)
            encoded = features.image()
            seen = (image_files.decode_info if decode else image_files.header_info)(encoded, file)
            problems = (*_image_problems(features, encoded, seen), *_box_problems(groundtruth, file))
        except UnusableImage as error:
            return ImageSummary(name, file, offset, unusable=error.problem, is_bad=True)
        return ImageSummary(
            name=name,
            file=file,
            offset=offset,
            width=seen.width,
            height=seen.height,
            decoded=decode,
            fingerprint=seen.fingerprint,
            digest=digest(encoded),
            orientation=seen.orientation,
            problems=problems,
            **groundtruth,
        )

    def picture(self, index: int) -> Image.Image:
        """See Source; not rotated, as training does not rotate it."""
        file, _ = self.place(index)
        return open_picture(_Features(self.data(index), file).image(), file)

    def found_at(self, index: int) -> tuple[str, Pixels]:
        """See Source."""
        file, offset = self.place(index)
        return _Features(self.data(index), file).name, Pixels(file, offset, int(self.sizes[index]))

    def place(self, index: int) -> tuple[str, int]:
        """The file of a record, and its offset there."""
        return self.files[self.file_of[index]], int(self.offsets[index])

    def data(self, index: int) -> bytes:
        """The serialized Example."""
        return _data(*self.place(index), int(self.sizes[index]))


def image_at(file: str, offset: int, size: int) -> bytes:
    """The encoded image of a record; raises UnusableImage if none is there (any more)."""
    return _Features(_data(file, offset, size), file).image()


def _data(file: str, offset: int, size: int) -> bytes:
    with open(file, "rb") as opened:
        opened.seek(offset + shards.HEADER_SIZE)
        return opened.read(size)


def read_records(
    split: str, files: Sequence[str | Path], advance: Callable[[], None] = lambda: None
) -> tuple[RecordSource, list[ImageSummary]]:
    """Reads every byte of the files: returns the valid records, and the damaged places with what they seem to contain.

    `advance` is called after each file.
    """
    places, damages = array("q"), []
    for number, file in enumerate(map(str, files)):
        for found in shards.walk_records(file):
            if isinstance(found, shards.Damage):
                damages.append(_damaged(found, file))
            else:
                places.extend((number, found.offset, len(found.data)))
        advance()
    columns = np.array(places).reshape(-1, 3)
    source = RecordSource(split, tuple(map(str, files)), columns[:, 0].astype(np.int32), columns[:, 1], columns[:, 2])
    return source, damages


def _damaged(damage: shards.Damage, file: str) -> ImageSummary:
    name = ""
    if damage.data is not None:
        try:
            name = _Features(damage.data, file).name
        except UnusableImage:
            name = ""
    text = f"the record {damage.what}; reading continues at byte {damage.end}."
    return ImageSummary(name, file, damage.offset, unusable=Problem(file, None, "damaged record", text), is_bad=True)


class _Features:
    """An Example's features by name; raises UnusableImage if the bytes are not an Example."""

    def __init__(self, data: bytes, file: str):
        self.file = file
        try:
            self._values: Mapping = Example.FromString(data).features.feature
        except DecodeError as error:
            raise UnusableImage(file, None, "not an Example", f"the record is not an Example: {error}.") from error

    def get(self, name: str, kind: str) -> Sequence:
        """The values of a feature, empty if it is absent; raises UnusableImage if it has another type."""
        if name not in self._values:
            return ()
        found = self._values[name].WhichOneof("kind")
        if found not in (None, kind):
            text = f"{name} is a {found}, where training reads a {kind}."
            raise UnusableImage(self.file, None, "feature of another kind", text)
        return getattr(self._values[name], kind).value

    @property
    def name(self) -> str:
        """The image's name in the record."""
        for key in IMAGE_NAMES:
            values = self.get(key, "bytes_list")
            if values and values[0]:
                return values[0].decode(errors="replace")
        return ""

    def image(self) -> bytes:
        """The image's bytes."""
        values = self.get("image/encoded", "bytes_list")
        if not values or not values[0]:
            raise UnusableImage(self.file, None, "no image in the record", "image/encoded is empty or missing.")
        return values[0]


def _groundtruth(features: _Features) -> dict[str, Any]:
    sides = [tuple(features.get(side, "float_list")) for side in BOX_SIDES]
    texts = tuple(name.decode(errors="replace") for name in features.get(CLASS_TEXT, "bytes_list"))
    labels = tuple(features.get(CLASS_LABEL, "int64_list"))
    count = len(sides[0])
    # As in the decoder: ids are used if a record has no names.
    lengths = [*map(len, sides), len(texts or labels)]
    if set(lengths) != {count}:
        text = "its lists differ in length: {} ymin, {} xmin, {} ymax, {} xmax, {} classes.".format(*lengths)
        raise UnusableImage(features.file, None, "lists differ in length", text)
    flags = {name: features.get(f"image/object/{key}", "int64_list") for key, name in _FLAGS.items()}
    flags = {name: values for name, values in flags.items() if len(values) == count}
    return {
        "boxes": tuple(zip(*sides, strict=True)),
        "class_names": texts or ("",) * count,
        "class_ids": labels if len(labels) == count else (NO_ID,) * count,
        "lines": (None,) * count,
        "marks": tuple(mark(**{key: bool(value[row]) for key, value in flags.items()}) for row in range(count)),
    }


_FLAGS = {"difficult": "difficult", "is_crowd": "crowd", "group_of": "group"}


def _image_problems(features: _Features, encoded: bytes, seen: image_files.ImageInfo) -> Iterator[Problem]:
    def problem(kind: str, text: str) -> Problem:
        return Problem(features.file, None, kind, text)

    if not seen.kind.endswith(_TENSORFLOW_FORMATS):
        yield problem("image that TensorFlow cannot decode", f"the image is a {seen.kind}; records take JPEG and PNG.")
    stated = tuple((features.get(f"image/{side}", "int64_list") or [0])[0] for side in ("width", "height"))
    size = (seen.width, seen.height)
    if seen.orientation != image_files.UPRIGHT:
        swapped = seen.orientation >= _LYING and stated == seen.upright_size != size
        kind = "boxes of the turned image" if swapped else "EXIF orientation"
        said = ", but the record has the size, and so probably the boxes, of the rotated image" if swapped else ""
        yield problem(kind, f"EXIF orientation {seen.orientation}: training sees it as stored, not rotated{said}.")
    elif all(stated) and stated != size:
        yield problem(
            "size disagrees with the image", "the record says {}x{}, the image is {}x{}.".format(*stated, *size)
        )
    stated_hash = features.get("image/key/sha256", "bytes_list")
    if stated_hash and stated_hash[0] and stated_hash[0] != hashlib.sha256(encoded).hexdigest().encode():
        yield problem("image/key/sha256 disagrees", "image/key/sha256 is not that of image/encoded.")


def _box_problems(groundtruth: dict[str, tuple], file: str) -> Iterator[BoxProblem]:
    for row, (box, name) in enumerate(zip(groundtruth["boxes"], groundtruth["class_names"], strict=True)):
        ymin, xmin, ymax, xmax = box
        if any(map(math.isnan, box)):
            kind = "NaN in a box"
        elif max(box) > _PIXELS:
            kind = "box in pixels"
        elif ymin > ymax or xmin > xmax:
            kind = "inverted box"
        elif ymin == ymax or xmin == xmax:
            kind = "empty box"
        elif min(box) < -_ROUNDING or max(box) > 1 + _ROUNDING:
            kind = "box outside the image"
        else:
            continue
        name = name or f"class {groundtruth['class_ids'][row]}"
        text = f"{name}: ymin {ymin:.6g}, xmin {xmin:.6g}, ymax {ymax:.6g}, xmax {xmax:.6g}."
        yield BoxProblem(file, None, kind, text, box=row)
