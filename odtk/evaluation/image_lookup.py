"""Which images of a file of detections are which of the groundtruth: by their names, or else by their ids."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from odtk.annotations.coco_json import plain
from odtk.errors import DataError
from odtk.evaluation.coco_results import FoundFile, FoundImage
from odtk.prototext.schema import some

_NAMED = 4


class ImageLookup:
    """Finds an image's detections, and knows what was never looked for.

    Where every entry has a file name, that counts and not the id, as tools that know files alone number them in any
    order. Names meet whole, else without folders, else without suffix, else as numbers (000000000139.jpg is 139).
    """

    def __init__(self, found: FoundFile):
        self._found, self._by_name = found, all(image.file_name for image in found.images)
        self._spelled: dict[tuple[int, str], FoundImage | None] = {}
        for image in found.images:
            own = image.file_name if self._by_name else str(image.image_id)
            assert own is not None
            for spelling in _spellings(own):
                known = self._spelled.setdefault(spelling, image)
                self._spelled[spelling] = image if known is image else None  # of several images: of none
        self._users: dict[str, str] = {}  # name of an image of the file to that of the groundtruth
        self._without: list[str] = []

    def take(self, names: Sequence[str], image_id: int | str | None = None) -> FoundImage | None:
        """The detections of an image of the groundtruth, which has these names, or None; to be called once for each.

        Its `image_id` counts where the file has no names. Raises DataError if another image has the same detections.
        """
        by_id = image_id is not None and not self._by_name
        spelled = _spellings(str(plain(image_id))) if by_id else (one for name in names for one in _spellings(name))
        image = next((found for one in sorted(spelled) if (found := self._spelled.get(one))), None)
        if image is None:
            self._without.append(names[0])
            return None
        before = self._users.setdefault(image.name, names[0])
        if before != names[0]:
            raise DataError(
                f"{self._found.path}: {image.name} may be {before} or {names[0]} of the groundtruth. Write the names "
                "of the images in full, with their folders."
            )
        return image

    def finish(self, groundtruth: str) -> list[str]:
        """What did not meet, as sentences. Raises DataError if nothing did; `groundtruth` is what it is called."""
        path, images = self._found.path, self._found.images
        strange = [image.name for image in images if image.name not in self._users]
        if images and not self._users:
            kind = "file names" if self._by_name else "ids"
            raise DataError(
                f"None of the {len(images)} images of {path} ({some(strange, _NAMED)}) is in {groundtruth} "
                f"({some(self._without, _NAMED)}): their {kind} never meet. Evaluate it on the images that it is of; "
                "or give its entries the image_id of the groundtruth, or the image's file_name."
            )
        return list(self._notes(strange, groundtruth))

    def _notes(self, strange: Sequence[str], groundtruth: str) -> Iterator[str]:
        path, count = self._found.path, len(self._found.images)
        if strange:
            yield (
                f"{len(strange)} of the {count} images of {path} are not in {groundtruth}, and their detections are "
                f"left out: {some(list(strange), _NAMED)}."
            )
        if self._without:
            without = len(self._without)
            yield (
                f"{without} of the {without + len(self._users)} images of {groundtruth} have no detection in {path}: "
                f"{some(self._without, _NAMED)}."
            )


def _spellings(name: str) -> Iterator[tuple[int, str]]:
    """The ways to write a name, the most exact first."""
    bare = posixpath.basename(name.replace("\\", "/"))
    stem = posixpath.splitext(bare)[0]
    yield from enumerate((name, bare, stem))
    if stem.isascii() and stem.isdigit():
        yield 3, str(int(stem))
