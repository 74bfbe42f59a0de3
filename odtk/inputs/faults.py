"""Which record it was: TensorFlow's reading errors name neither file nor example, so they are looked up afterwards."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from odtk.errors import DataError
from odtk.example import read_features
from odtk.shards import read_records

# What reading and decoding raise; a model's own (out of memory, cancelled) are not among them.
_READING_ERRORS = (tf.errors.InvalidArgumentError, tf.errors.DataLossError, tf.errors.NotFoundError)


@contextlib.contextmanager
def naming_the_record(find_fault: Callable[[], DataError | None]) -> Iterator[None]:
    """Around a loop over a dataset: an error of its records is raised as a DataError with file, record and cause.

    `find_fault` (`odtk.inputs.build.build_fault_finder`) reads all records once more, only after such an error. Where
    it finds nothing, the error is not the data's and passes unchanged.
    """
    try:
        yield
    except _READING_ERRORS as error:
        fault = find_fault()
        if fault is None:
            raise
        raise fault from error


def first_fault(files: Sequence[str], decode: Callable) -> DataError | None:
    """What is wrong with the first record that cannot be read, or that `decode` (odtk.inputs.decode) refuses."""
    for file in files:
        try:
            for index, data in enumerate(read_records(file)):
                _try(decode, data, f"{file}, record {index}")
        except DataError as fault:
            return fault
    return None


def _try(decode: Callable, data: bytes, place: str) -> None:
    try:
        decode(tf.constant(data))
    except tf.errors.OpError as error:
        # TensorFlow wraps its message in names of nodes and operations.
        cause = re.sub(r"\{\{.*?\}\}|\[Op:\w+\].*", "", error.message).strip().splitlines()[0].rstrip(". ")
        raise DataError(
            f"{place}{_name(data)} cannot be used: {cause}. Write the shard again without it; "
            "odtk make-tfrecords leaves out images that cannot be decoded."
        ) from error


def _name(data: bytes) -> str:
    try:
        features = read_features(data)
    except DataError:
        return ""
    names = [features.get(f"image/{key}") or [b""] for key in ("source_id", "filename", "key/sha256")]
    return next((f" (image {name.decode(errors='replace')})" for name, *_ in names if name), "")
