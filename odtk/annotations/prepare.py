"""What a format's reader found, made an annotated image: pixels upright and readable, boxes normalised and inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odtk import files
from odtk.annotations import image_files
from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject, Problem, UnusableImage
from odtk.annotations.image_files import SeenFile
from odtk.annotations.listing import ImageAnnotation, MarkedObject
from odtk.annotations.placing import Frame, Rules, file_of, frame_of, place
from odtk.errors import DataError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Examined:
    """What is known of an image once it has been decoded; small, so that a million fit in memory."""

    seen: SeenFile
    class_names: tuple[str, ...] = ()  # of the objects that are kept, one each
    repaired: Problem | None = None
    problems: tuple[Problem, ...] = ()
    dropped_objects: int = 0  # void boxes
    left_out_objects: int = 0  # by the rules


@dataclass(frozen=True)
class Prepared:
    """An image ready for a record: what was done to its bytes, what was odd, and how many void boxes were dropped."""

    image: AnnotatedImage
    repaired: Problem | None = None
    problems: tuple[Problem, ...] = ()
    dropped_objects: int = 0


@dataclass(frozen=True)
class Located:
    """An image's size in pixels as its record has it, and its objects with boxes normalised by it; no void ones."""

    width: int
    height: int
    turned: bool  # by the EXIF orientation
    objects: tuple[tuple[MarkedObject, tuple[float, float, float, float]], ...]  # boxes: yxyx
    problems: tuple[Problem, ...] = ()


def examine(annotation: ImageAnnotation, rules: Rules | None = None) -> Examined:
    """Decodes the image in full and says what its record will hold, and what is odd about it.

    Raises UnusableImage where it cannot become a record.
    """
    rules = rules or Rules()
    seen = image_files.look(_read_bytes(annotation), annotation.image_path)
    frame = frame_of(annotation, seen, rules)
    placed = place(annotation, frame, rules)
    if rules.masks:
        for entry, box in placed.objects:
            _mask(annotation, entry, box, frame)  # now, and not when half of the records are written
    return Examined(
        seen=seen,
        class_names=tuple(entry.class_name for entry, _ in placed.objects),
        repaired=_repaired(annotation, seen, frame),
        problems=(*annotation.problems, *frame.problems, *placed.problems),
        dropped_objects=placed.dropped,
        left_out_objects=placed.left_out,
    )


def prepare(
    annotation: ImageAnnotation,
    class_ids: Mapping[str, int],
    rules: Rules | None = None,
    seen: SeenFile | None = None,
) -> Prepared:
    """The annotated image; `class_ids` has the id of every class name in the data.

    `seen` is what `examine` saw: given it, bytes that a record takes as they are are not decoded again. Raises
    UnusableImage where the image cannot become a record.
    """
    rules = rules or Rules()
    encoded = _read_bytes(annotation)
    seen = seen or image_files.look(encoded, annotation.image_path)
    frame = frame_of(annotation, seen, rules)
    placed = place(annotation, frame, rules)
    is_kept = seen.record_format is not None and not frame.turned
    image = AnnotatedImage(
        encoded=encoded if is_kept else image_files.to_jpeg(encoded, annotation.image_path, frame.turned),
        filename=annotation.filename,
        height=frame.height,
        width=frame.width,
        objects=tuple(
            _annotated(entry, box, annotation, frame, class_ids, rules.masks) for entry, box in placed.objects
        ),
        source_id=annotation.source_id,
        format=seen.record_format if is_kept else "jpeg",
    )
    problems = (*annotation.problems, *frame.problems, *placed.problems)
    return Prepared(image, _repaired(annotation, seen, frame), problems, placed.dropped)


def locate(annotation: ImageAnnotation, seen: SeenFile, rules: Rules | None = None) -> Located:
    """The boxes as `prepare` would write them, and what is odd, of an image that was seen; no pixel is touched.

    Raises UnusableImage where the boxes cannot be meant.
    """
    rules = rules or Rules()
    frame = frame_of(annotation, seen, rules)
    placed = place(annotation, frame, rules)
    problems = (*annotation.problems, *frame.problems, *placed.problems)
    return Located(frame.width, frame.height, frame.turned, tuple(placed.objects), problems)


def _read_bytes(annotation: ImageAnnotation) -> bytes:
    try:
        return files.read_bytes(annotation.image_path)
    except OSError as error:
        text = f"its image {annotation.image_path} cannot be opened: {error.strerror}."
        raise UnusableImage(file_of(annotation), None, "no image", text) from error


def _repaired(annotation: ImageAnnotation, seen: SeenFile, frame: Frame) -> Problem | None:
    if frame.turned:
        kind = "EXIF orientation applied"
        text = f"turned as its EXIF orientation {seen.orientation} says, and made an RGB JPEG."
    elif seen.record_format is None:
        kind = f"{seen.kind} made an RGB JPEG"
        text = f"{kind}."
    else:
        return None
    return Problem(annotation.image_path, None, kind, text)


def _annotated(
    entry: MarkedObject,
    box: tuple[float, ...],
    annotation: ImageAnnotation,
    frame: Frame,
    class_ids: Mapping[str, int],
    masks: bool,
) -> AnnotatedObject:
    x_scale, y_scale = frame.scale
    return AnnotatedObject(
        box=box,
        class_id=class_ids[entry.class_name],
        class_name=entry.class_name,
        difficult=entry.difficult,
        truncated=entry.truncated,
        pose=entry.pose,
        mask=_mask(annotation, entry, box, frame) if masks else None,
        is_crowd=entry.is_crowd,
        area=None if entry.area is None else entry.area * x_scale * y_scale,
    )


def _mask(annotation: ImageAnnotation, entry: MarkedObject, box: tuple[float, ...], frame: Frame) -> np.ndarray:
    """The object's mask, uint8 [height, width]; all of its box where the annotation has no outline of it."""
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
    try:
        mask = coco_masks.decode_mask(entry.segmentation, height, width)
    except DataError as error:
        raise UnusableImage(file_of(annotation), entry.line, "mask cannot be read", str(error)) from error
    size = frame.width, frame.height
    return mask if size == frame.box_size else np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
