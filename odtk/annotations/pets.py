"""The Oxford-IIIT Pet layout: images, xml of the faces, trimaps of the bodies; the class is in the file name.

The files are read as by TFOD's create_pet_tf_record, but problems are reported instead of ignored.
"""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtk import files
from odtk import label_map as label_maps
from odtk.annotations import image_files, voc_xml
from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject, Problem, UnusableImage
from odtk.annotations.box_normalization import (
    EMPTY,
    INVERTED,
    OUTSIDE,
    check_box,
    corners_in_words,
    in_order,
    is_empty,
    is_inverted,
    normalize,
    put_in_order,
)
from odtk.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from odtk.label_map import LabelMap

LAYOUT = (
    "images/*.jpg, annotations/trainval.txt, annotations/xmls/*.xml and, for full bodies, annotations/trimaps/*.png"
)

_CLASS_IN_FILENAME = re.compile(r"([A-Za-z_]+)(_[0-9]+\.jpg)", re.IGNORECASE)
_SPECIES = ("cat", "dog")
_SAMPLED = 100  # xml files that are read to detect what a folder holds
_BACKGROUND = 2  # in a trimap; 1 is the pet, 3 its uncertain outline
_BAD_TRIMAP = "trimap cannot be read"
_NO_BODY = "the trimap marks no pet, or only a line of it, so its box is empty."


@dataclass(frozen=True)
class PetImage:
    """A usable listed image, with the repairs that were made and the issues that were found."""

    image: AnnotatedImage
    image_path: Path
    repaired: str | None  # what was done to the image file
    exchanged: tuple[Problem, ...]  # boxes whose corners were swapped back
    problems: tuple[Problem, ...]
    fingerprint: int  # see odtk.annotations.duplicates


def check_layout(folder: Path, full_body: bool = False) -> None:
    """Raises DataError if parts of the Pet layout are missing in `folder`."""
    needed = ["images", "annotations/trainval.txt", "annotations/xmls"] + ["annotations/trimaps"] * full_body
    missing = [part for part in needed if not (folder / part).exists()]
    if missing:
        raise DataError(
            f"{folder} is not in the Oxford-IIIT Pet layout: {' and '.join(missing)} missing. DATA_DIR is the folder "
            f"that holds {LAYOUT} (unpack images.tar.gz and annotations.tar.gz side by side)."
        )


def read_names(folder: Path) -> list[str]:
    """The first column of annotations/trainval.txt. A blank line is an empty name, as TFOD's split counts it."""
    path = folder / "annotations" / "trainval.txt"
    try:
        lines = files.read_bounded(path).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}. It needs one image name per line, without .jpg.") from error
    names = [(line.split() or [""])[0] for line in lines]
    if not any(names):
        raise DataError(f"{path} lists no image. It needs one image name per line, without .jpg.")
    return names


def _listed(folder: Path) -> list[str]:
    """`read_names`, or an empty list."""
    try:
        return read_names(folder)
    except DataError:
        return []


def has_layout(folder: Path) -> bool:
    """Whether a folder has the parts of the Pet layout, regardless of their contents."""
    try:
        check_layout(folder)
    except DataError:
        return False
    return True


def why_not_pets(folder: Path, label_map_path: str | None = None) -> str | None:
    """Why a folder in the Pet layout holds something else, as a phrase; None if it holds pets.

    With pets, file names begin with one of the 37 breeds or a class of the user's label map, and the xml has `cat`,
    `dog` or the same class. People who follow TFOD's tutorial put their own data in this layout, with file names from a
    camera and with the classes in the xml.
    """
    breeds, own = label_maps.read("pet_label_map"), label_maps.read(label_map_path) if label_map_path else None
    names, where = [name for name in _listed(folder) if name], "annotations/trainval.txt"
    xmls = {path.stem: path for path in sorted((folder / "annotations" / "xmls").glob("*.xml")) if path.is_file()}
    if xmls and xmls.keys().isdisjoint(names):  # Oxford's own list, left behind
        names, where = list(xmls), "annotations/xmls"
    classes = {name: class_of(f"{name}.jpg") or "" for name in names}
    maps = [found for found in (breeds, own) if found]
    unknown = [name for name in names if not any(found.id_of(classes[name]) for found in maps)]
    if 2 * len(unknown) > len(names):
        return f"{len(unknown)} of {len(names)} names in {where}, such as {unknown[0]}, do not begin with a breed"
    annotated = [name for name in names if name in xmls]
    for name in annotated[:: max(1, len(annotated) // _SAMPLED)]:
        for found in _class_names(xmls[name]):
            # A class that the user's own map lacks is not wanted.
            is_class = found.lower() not in (*_SPECIES, classes[name].lower()) and (own is None or own.id_of(found))
            if classes[name] and is_class:
                return f"annotations/xmls/{name}.xml has the class {found!r}, its file name {classes[name]!r}"
    return None


def _class_names(path: Path) -> set[str]:
    try:
        return {found.name for found in voc_xml.parse(files.read_bounded(path), path, complete=False).objects} - {""}
    except (OSError, UnusableImage):
        return set()


def class_of(filename: str) -> str | None:
    """The class that a file name begins with (`Egyptian_Mau_12.jpg`: Egyptian_Mau), None if there is none."""
    match = _CLASS_IN_FILENAME.match(filename)
    return match.group(1) if match else None


def read(folder: Path, name: str, label_map: LabelMap, full_body: bool = False, strict_tfod: bool = False) -> PetImage:
    """Reads the files of one name in trainval.txt, and fully decodes the image.

    Boxes come from the xml (faces) or, with `full_body`, from the trimap, which then also provides the masks.
    `strict_tfod` leaves out what TFOD leaves out, keeps its bytes, and keeps objects with empty or inverted boxes.
    Raises UnusableImage if there is nothing to write.
    """
    if Path(name).name != name:
        text = f"it lists {name!r}, not the bare name of an image."
        raise UnusableImage(folder / "annotations" / "trainval.txt", None, "path leads out of the dataset", text)
    xml_path = folder / "annotations" / "xmls" / f"{name}.xml"
    annotation = _read_xml(xml_path)
    class_name, class_id = _class(xml_path, annotation, label_map)
    image_path = folder / "images" / annotation.filename
    encoded = _read_bytes(image_path, xml_path, annotation)
    decoded = _decode(image_path, encoded, strict_tfod)
    exchanged = []
    if not (strict_tfod or full_body):
        annotation, exchanged = _with_usable_boxes(xml_path, annotation)
    problems = [
        *_filename_problems(xml_path, annotation, name),
        *annotation.problems,
        *_size_problems(xml_path, annotation, decoded),
        *_box_problems(xml_path, annotation),
    ]
    objects = [_object(annotation, entry, class_name, class_id) for entry in annotation.objects]
    if full_body:
        trimap_path = folder / "annotations" / "trimaps" / f"{name}.png"
        foreground = _read_foreground(trimap_path)
        problems += _trimap_problems(trimap_path, foreground, decoded)
        objects = [_with_body(entry, annotation, foreground) for entry in objects]
        if strict_tfod and objects and not foreground.any():
            raise UnusableImage(trimap_path, None, "empty trimap, as in TFOD", "it marks no pet.", is_bad=False)
        if not strict_tfod and any(is_empty(entry.box) for entry in objects):
            raise UnusableImage(trimap_path, None, EMPTY, _NO_BODY)
    return PetImage(
        image=AnnotatedImage(
            decoded.repaired or encoded, annotation.filename, annotation.height, annotation.width, tuple(objects)
        ),
        repaired=f"{decoded.kind} made an RGB JPEG" if decoded.repaired else None,
        image_path=image_path,
        exchanged=tuple(exchanged),
        problems=tuple(problems),
        fingerprint=decoded.fingerprint,
    )


def _read_xml(path: Path) -> voc_xml.VocAnnotation:
    annotation = voc_xml.read(path)
    if Path(annotation.filename).name != annotation.filename:
        text = f"<filename> is {annotation.filename!r}, not the bare name of a file."
        raise UnusableImage(path, annotation.filename_line, "xml cannot be read", text)
    return annotation


def _class(path: Path, annotation: voc_xml.VocAnnotation, label_map: LabelMap) -> tuple[str, int]:
    name = class_of(annotation.filename)
    if name is None:
        text = f"the file name {annotation.filename!r} is not CLASS_NUMBER.jpg, so its class is unknown."
        raise UnusableImage(path, annotation.filename_line, "no class in the file name", text)
    class_id = label_map.id_of(name)
    if class_id is None:
        text = f"the file name {annotation.filename!r} has the class {name}, which is not in the label map."
        raise UnusableImage(path, annotation.filename_line, "class not in the label map", text)
    return name, class_id


def _read_bytes(path: Path, xml_path: Path, annotation: voc_xml.VocAnnotation) -> bytes:
    try:
        return files.read_bytes(path)
    except OSError as error:
        text = f"its image {path} cannot be opened: {error.strerror}."
        raise UnusableImage(xml_path, annotation.filename_line, "no image", text) from error


def _decode(path: Path, encoded: bytes, strict_tfod: bool) -> image_files.DecodedFile:
    decoded = image_files.decode(encoded, path, repair=not strict_tfod)
    if strict_tfod and not decoded.kind.endswith("JPEG"):
        raise UnusableImage(path, None, "not a JPEG, as in TFOD", f"the image is a {decoded.kind}.", is_bad=False)
    return decoded


def _object(
    annotation: voc_xml.VocAnnotation, entry: voc_xml.VocObject, class_name: str, class_id: int
) -> AnnotatedObject:
    box = _normalize(entry.box, annotation)
    return AnnotatedObject(box, class_id, class_name, entry.difficult, entry.truncated, entry.pose)


def _with_body(entry: AnnotatedObject, annotation: voc_xml.VocAnnotation, foreground: np.ndarray) -> AnnotatedObject:
    box = _normalize(_bounds(foreground), annotation)
    return dataclasses.replace(entry, box=box, mask=foreground.astype("uint8"))


def _normalize(
    yxyx: tuple[float, float, float, float], annotation: voc_xml.VocAnnotation
) -> tuple[float, float, float, float]:
    return normalize(yxyx, (annotation.width, annotation.height))


def _bounds(foreground: Any) -> tuple[float, float, float, float]:  # an array: NumPy is loaded where one is made
    """First and last row and column with a pixel of the pet, as yxyx; zeros if there is none."""
    if not foreground.any():
        return 0.0, 0.0, 0.0, 0.0
    rows, columns = foreground.any(axis=1).nonzero()[0], foreground.any(axis=0).nonzero()[0]
    return float(rows[0]), float(columns[0]), float(rows[-1]), float(columns[-1])


def _with_usable_boxes(path: Path, annotation: voc_xml.VocAnnotation) -> tuple[voc_xml.VocAnnotation, list[Problem]]:
    """Puts swapped corners in order, and reports them; UnusableImage if a box is empty or completely outside."""
    objects, problems = [], []
    for entry in annotation.objects:
        where, box = (str(path), entry.line), entry.box
        said = f"the box at {corners_in_words(box)} in {annotation.width}x{annotation.height}"
        if is_inverted(box):
            problems.append(put_in_order(_normalize(box, annotation), said, where)[1])
            box = in_order(box)
        check_box(_normalize(box, annotation), said, where)
        objects.append(dataclasses.replace(entry, box=box))
    return dataclasses.replace(annotation, objects=tuple(objects)), problems


def _read_foreground(path: Path) -> np.ndarray:
    import numpy as np
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(files.read_bytes(path)), formats=image_files.FORMATS)
        image_files.check_size(image, path)
        trimap = np.asarray(image)
    except UnusableImage:
        raise
    except FileNotFoundError as error:
        raise UnusableImage(path, None, "no trimap", "the trimap is missing.") from error
    except Exception as error:  # Pillow raises all kinds of errors on damaged files, even struct.error
        raise UnusableImage(path, None, _BAD_TRIMAP, f"the trimap cannot be decoded: {error}.") from error
    if image.format != "PNG" or trimap.ndim != 2:
        text = f"the trimap is a {image.format} of mode {image.mode}; a PNG with the values 1, 2 and 3 is expected."
        raise UnusableImage(path, None, _BAD_TRIMAP, text)
    return trimap != _BACKGROUND


def _filename_problems(path: Path, annotation: voc_xml.VocAnnotation, name: str) -> Iterator[Problem]:
    if annotation.filename != f"{name}.jpg":
        text = f"<filename> is {annotation.filename}, not {name}.jpg; that image is used."
        yield Problem(str(path), annotation.filename_line, "filename is not the xml's own", text)


def _size_problems(
    path: Path, annotation: voc_xml.VocAnnotation, decoded: image_files.DecodedFile
) -> Iterator[Problem]:
    stated, actual = (annotation.width, annotation.height), (decoded.width, decoded.height)
    if stated != actual:
        text = "<size> is {}x{}, the image is {}x{}; boxes are normalized by <size>.".format(*stated, *actual)
        yield Problem(str(path), annotation.size_line, "size disagrees with the image", text)


def _box_problems(path: Path, annotation: voc_xml.VocAnnotation) -> Iterator[Problem]:
    for entry in annotation.objects:
        ymin, xmin, ymax, xmax = entry.box
        if is_inverted(entry.box):
            kind, what = INVERTED, "is inverted"
        elif is_empty(entry.box):
            kind, what = EMPTY, "has no area"
        elif ymin < 0 or xmin < 0 or ymax > annotation.height or xmax > annotation.width:
            kind, what = OUTSIDE, "reaches outside"
        else:
            continue
        text = f"the box at {corners_in_words(entry.box)} in {annotation.width}x{annotation.height} {what}."
        yield Problem(str(path), entry.line, kind, text)


def _trimap_problems(path: Path, foreground: np.ndarray, decoded: image_files.DecodedFile) -> Iterator[Problem]:
    height, width = foreground.shape
    if (width, height) != (decoded.width, decoded.height):
        text = f"the trimap is {width}x{height}, the image is {decoded.width}x{decoded.height}."
        yield Problem(str(path), None, "trimap's size disagrees with the image", text)
    if is_empty(_bounds(foreground)):
        yield Problem(str(path), None, EMPTY, _NO_BODY)
