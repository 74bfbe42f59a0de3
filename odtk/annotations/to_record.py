"""Converts what a format's reader found to an annotated image: upright, readable, boxes normalized and inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odtk import files
from odtk.annotations import deep_samples, image_files
from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject, Problem, UnusableImage
from odtk.annotations.box_normalization import Placed, Yxyx, place
from odtk.annotations.dataset import ImageAnnotation, MarkedObject
from odtk.annotations.frames import Frame, Rules, file_of, frame_of
from odtk.annotations.image_files import ImageInfo
from odtk.errors import DataError

if TYPE_CHECKING:
    import numpy as np

SCALED = "image uses only part of its bits"


@dataclass(frozen=True)
class Examined:
    """The planned contents of an image's record; small, so that a million fit in memory."""

    class_names: tuple[str, ...] = ()  # of the objects, one each
    repaired: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    left_out_objects: int = 0  # by the rules
    shrunk: bool = False


@dataclass(frozen=True)
class Prepared:
    """An image ready for a record, with the repairs to its bytes and boxes, and the issues found."""

    image: AnnotatedImage
    repaired: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Located:
    """An image's size in pixels as its record has it, and its objects with boxes normalized by it."""

    width: int
    height: int
    turned: bool  # rotated by the EXIF orientation
    objects: tuple[tuple[MarkedObject, Yxyx], ...]
    areas: tuple[float | None, ...] = ()  # of the objects, in its pixels; None if unknown
    exchanged: tuple[Problem, ...] = ()  # boxes whose corners were put in order
    problems: tuple[Problem, ...] = ()


def read_image(annotation: ImageAnnotation) -> bytes:
    """The bytes of an annotation's image; UnusableImage if it cannot be read."""
    try:
        return files.read_bytes(annotation.image_path)
    except OSError as error:
        text = f"its image {annotation.image_path} cannot be opened: {error.strerror}."
        raise UnusableImage(file_of(annotation), None, "no image", text) from error


def see(annotation: ImageAnnotation) -> ImageInfo:
    """The facts about a fully decoded image; raises UnusableImage if it cannot be decoded."""
    return image_files.decode_info(read_image(annotation), annotation.image_path)


def examine(annotation: ImageAnnotation, seen: ImageInfo, rules: Rules | None = None) -> Examined:
    """The planned record of an image that was decoded before, and its issues, without decoding pixels again.

    Raises UnusableImage where it cannot become a record.
    """
    rules = rules or Rules()
    frame = frame_of(annotation, seen, rules)
    placed = place(annotation, frame, rules)
    if rules.masks:
        for entry, box in placed.objects:
            _mask(annotation, entry, box, frame)  # checked here, not when half of the records are written
    return Examined(
        class_names=tuple(entry.class_name for entry, _ in placed.objects),
        repaired=_repaired(annotation, seen, frame, placed),
        problems=(*_problems(annotation, seen, frame, placed, rules), *_there_twice(annotation, placed)),
        left_out_objects=placed.left_out,
        shrunk=frame.shrunk,
    )


def prepare(
    annotation: ImageAnnotation,
    class_ids: Mapping[str, int],
    rules: Rules | None = None,
    seen: ImageInfo | None = None,
) -> Prepared:
    """The annotated image; `class_ids` has the id of every class name in the data.

    `seen` is the result of `see`: with it, bytes that a record can hold as they are are not decoded again. Raises
    UnusableImage if the image cannot become a record.
    """
    rules = rules or Rules()
    encoded = read_image(annotation)
    seen = seen or image_files.decode_info(encoded, annotation.image_path)
    frame = frame_of(annotation, seen, rules)
    placed = place(annotation, frame, rules)
    kept_format = None if frame.turned or frame.shrunk else seen.record_format
    image = AnnotatedImage(
        encoded=encoded if kept_format else _encode_again(annotation, encoded, frame, rules),
        filename=annotation.filename,
        height=frame.height,
        width=frame.width,
        objects=tuple(
            _annotated(entry, box, annotation, frame, class_ids, rules.masks) for entry, box in placed.objects
        ),
        source_id=annotation.source_id,
        format=kept_format or "jpeg",
    )
    problems = *_problems(annotation, seen, frame, placed, rules), *_there_twice(annotation, placed)
    return Prepared(image, _repaired(annotation, seen, frame, placed), problems)


def locate(annotation: ImageAnnotation, seen: ImageInfo, rules: Rules | None = None) -> Located:
    """The boxes as `prepare` would write them, and the issues, for an image that was decoded before.

    Raises UnusableImage where it cannot become a record.
    """
    rules = rules or Rules()
    frame = frame_of(annotation, seen, rules)
    placed = place(annotation, frame, rules)
    problems = _problems(annotation, seen, frame, placed, rules)
    areas = tuple(_area(entry, frame) for entry, _ in placed.objects)
    objects, exchanged = tuple(placed.objects), tuple(placed.exchanged)
    return Located(frame.width, frame.height, frame.turned, objects, areas, exchanged, problems)


def _encode_again(annotation: ImageAnnotation, encoded: bytes, frame: Frame, rules: Rules) -> bytes:
    size = (frame.width, frame.height) if frame.shrunk else None
    return image_files.to_jpeg(encoded, annotation.image_path, frame.turned, rules.conventions.bits, size)


def _repaired(annotation: ImageAnnotation, seen: ImageInfo, frame: Frame, placed: Placed) -> tuple[Problem, ...]:
    """The repairs: first to the pixels, then to the boxes."""
    if frame.turned:
        kind = "EXIF orientation applied"
        text = f"rotated by its EXIF orientation {seen.orientation}, and made an RGB JPEG."
    elif seen.record_format is None:
        kind = f"{seen.kind} made an RGB JPEG"
        text = f"{kind}{' (only its first image)' if kind.startswith(image_files.SEVERAL) else ''}."
    else:
        return tuple(placed.exchanged)
    return Problem(annotation.image_path, None, kind, text), *placed.exchanged


def _problems(
    annotation: ImageAnnotation, seen: ImageInfo, frame: Frame, placed: Placed, rules: Rules
) -> tuple[Problem, ...]:
    found = (*annotation.problems, *frame.problems, *placed.problems)
    bits = deep_samples.common_bits(seen.bits, rules.conventions.bits)
    if not seen.bits or bits == 16:
        return found
    text = (
        f"its samples use only {bits} bits of the file's range, and are scaled to them so that it is not dark or black."
    )
    if bits == 8:
        text = "its samples use only 8 bits, and are kept as they are."
    return *found, Problem(annotation.image_path, None, SCALED, text)


def _there_twice(annotation: ImageAnnotation, placed: Placed) -> Iterator[Problem]:
    """A problem with the first box of an image that occurs twice with the same class."""
    seen: set[tuple] = set()
    again = []
    for entry, box in placed.objects:
        same = entry.class_name, entry.is_crowd, box
        if same in seen:
            again.append(entry)
        seen.add(same)
    if again:
        count = "1 box is" if len(again) == 1 else f"{len(again)} boxes are"
        text = f"{count} repeated, with the same corners and class (first {again[0].shown}); all are written."
        yield Problem(file_of(annotation), again[0].line, "box there twice", f"{text} Remove the copies.")


def _annotated(
    entry: MarkedObject,
    box: Yxyx,
    annotation: ImageAnnotation,
    frame: Frame,
    class_ids: Mapping[str, int],
    masks: bool,
) -> AnnotatedObject:
    return AnnotatedObject(
        box=box,
        class_id=class_ids[entry.class_name],
        class_name=entry.class_name,
        difficult=entry.difficult,
        truncated=entry.truncated,
        pose=entry.pose,
        mask=_mask(annotation, entry, box, frame) if masks else None,
        is_crowd=entry.is_crowd,
        area=_area(entry, frame),
    )


def _area(entry: MarkedObject, frame: Frame) -> float | None:
    # If boxes are normalized, the unit of their areas is unknown.
    x_scale, y_scale = frame.scale
    return None if entry.area is None or frame.normalized else entry.area * x_scale * y_scale


def _mask(annotation: ImageAnnotation, entry: MarkedObject, box: Yxyx, frame: Frame) -> np.ndarray:
    """The object's mask, uint8 [height, width]; its whole box if the annotation has no outline."""
    import numpy as np
    from PIL import Image

    from odtk.annotations import coco_masks

    if not entry.segmentation:
        mask = np.zeros((frame.height, frame.width), np.uint8)
        ymin, xmin, ymax, xmax = (
            (np.array(box) * [frame.height, frame.width, frame.height, frame.width]).round().astype(int)
        )
        mask[ymin:ymax, xmin:xmax] = 1
        return mask
    width, height = frame.box_size
    if frame.normalized:
        text = "its boxes are normalized, but it is unknown whether its outlines are. Write them in pixels."
        raise UnusableImage(file_of(annotation), entry.line, "mask cannot be read", text)
    try:
        mask = coco_masks.decode_mask(entry.segmentation, height, width)
    except DataError as error:
        raise UnusableImage(file_of(annotation), entry.line, "mask cannot be read", str(error)) from error
    size = frame.width, frame.height
    return mask if size == frame.box_size else np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
