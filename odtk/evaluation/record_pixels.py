"""The pictures behind results, read from the records again: nothing of them is kept meanwhile."""

import sys
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from odtk import images
from odtk.annotations.image_files import MAX_PIXELS
from odtk.errors import DataError
from odtk.inputs.record_errors import OPERATION_ERRORS, cause, walk_file
from odtk.records.example import read_features
from odtk.records.shards import Record, walk


class RecordPixels:
    """Reads pictures by the file and the number of their record, in any file system."""

    def __init__(self, places: Sequence[tuple[str, int]]):
        self._places = places
        self._offsets: dict[str, list[int]] = {}

    def read(self, index: int) -> np.ndarray:
        """The pixels of the picture at a place, uint8 [height, width, 3] in its original size, as evaluation saw it.

        A file is read once as a whole, to find its records. Raises DataError if the record is no longer what it was.
        """
        file, number = self._places[index]
        try:
            encoded = read_features(self._data(file, number)).get("image/encoded") or [b""]
            return images.decode(encoded[0], MAX_PIXELS).numpy()
        except (DataError, OSError, *OPERATION_ERRORS) as error:
            reason = cause(error) if isinstance(error, OPERATION_ERRORS) else error
            raise DataError(
                f"{file}, record {number}: its picture cannot be read again: {reason}. Do not change the records while "
                "they are evaluated."
            ) from error

    def _data(self, file: str, number: int) -> bytes:
        if file not in self._offsets:
            self._offsets[file] = [found.offset for _, found in walk_file(file)]
        offset = self._offsets[file][number] if number < len(self._offsets[file]) else sys.maxsize
        with tf.io.gfile.GFile(file, "rb") if "://" in file else open(file, "rb") as opened:
            found = next(walk(opened, tf.io.gfile.stat(file).length, offset), None)
        if not isinstance(found, Record):
            raise DataError(f"the record {found.what if found else 'is no longer there'}")
        return found.data
