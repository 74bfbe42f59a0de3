"""Pictures of an index with their boxes drawn, as JPEGs that are kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from odtk.atomic import write_bytes
from odtk.datasets.image_index import ImageIndex, IndexedBox, IndexedImage

SIDES = (256, 1600)
"""Pixels of the longer side of a picture in the gallery, and of one that stands alone."""
_THUMBNAIL_LINE = 2  # pixels; pages show thumbnails smaller than they are
_LEAST = 640  # pixels of the longer side: labels on smaller ones would hide the objects

_MOST_KEPT, _BETWEEN_CLEANING = 6_000, 256
_QUALITY = 85
_drawing = threading.BoundedSemaphore(2)  # each has the pixels of a whole image in memory
_written = 0


def thumbnail(folder: Path, index_path: Path, number: int, side: int, locate: Callable[[str], Path]) -> bytes:
    """The JPEG of an image of an index, `side` (one of SIDES) pixels at most; `folder` keeps what was drawn.

    `locate` gives the path that may be read for one of the index. Raises DataError or UnusableImage if the index or the
    image cannot be read.
    """
    name = f"{index_path}:{index_path.stat().st_mtime_ns}:{number}:{side}"
    kept = folder / f"{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:32]}.jpg"
    try:
        return kept.read_bytes()
    except OSError:
        pass
    with ImageIndex(index_path) as index:
        image, boxes = index.image(number), index.boxes(number)
    with _drawing:
        drawn = _drawn(image, boxes, side, locate(image.file))
    folder.mkdir(exist_ok=True)
    write_bytes(kept, drawn)
    _clean(folder)
    return drawn


def _drawn(image: IndexedImage, boxes: Sequence[IndexedBox], side: int, path: Path) -> bytes:
    import io

    from PIL.Image import Resampling

    from odtk.annotations import image_files
    from odtk.report.drawing import class_color, draw_boxes

    picture = image_files.to_picture(_encoded(image, path), image.name, image.turned, image.bits).convert("RGB")
    longer = max(picture.size)
    scale = min(side, max(longer, _LEAST)) / longer
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    picture = picture.resize(size, Resampling.LANCZOS, reducing_gap=2.0)
    names, marks = [box.name for box in boxes], [box.mark for box in boxes]
    colors = [class_color(box.color) for box in boxes]
    width = _THUMBNAIL_LINE if side == SIDES[0] else 0
    drawn = draw_boxes(picture, [box.yxyx for box in boxes], colors, names, marks, width)
    with io.BytesIO() as file:
        drawn.save(file, "JPEG", quality=_QUALITY)
        return file.getvalue()


def _encoded(image: IndexedImage, path: Path) -> bytes:
    from odtk.annotations.annotated_image import UnusableImage
    from odtk.datasets import record_source

    try:
        if not path.is_file():
            raise ValueError("it is no file, or not there any more")
        if image.offset is None:
            return path.read_bytes()
        return record_source.image_at(str(path), image.offset, image.size)
    except (OSError, ValueError) as error:
        raise UnusableImage(str(path), None, "no such file", f"the image cannot be read: {error}.") from error


def _clean(folder: Path) -> None:
    """Removes the oldest pictures, now and then."""
    global _written
    _written += 1
    if _written % _BETWEEN_CLEANING == 0:
        with contextlib.suppress(OSError):  # another thread removes them, too
            found = sorted(folder.glob("*.jpg"), key=lambda path: path.stat().st_mtime)
            for path in found[:-_MOST_KEPT]:
                path.unlink(missing_ok=True)
