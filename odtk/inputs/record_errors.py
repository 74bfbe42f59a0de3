"""Finds the record behind an error: TensorFlow's reading errors name neither file nor example."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from odtk.errors import DataError
from odtk.records.example import read_features
from odtk.records.shards import Damage, Record, read_records, walk

# Errors of reading and decoding, but not those of a model (out of memory, cancelled).
_READING_ERRORS = (
    tf.errors.InvalidArgumentError,
    tf.errors.DataLossError,
    tf.errors.NotFoundError,
    UnicodeDecodeError,
)

# An operation's error, and the one that TensorFlow raises if its message quotes bytes that are not UTF-8.
OPERATION_ERRORS = (tf.errors.OpError, UnicodeDecodeError)


@contextlib.contextmanager
def naming_the_record(find_fault: Callable[[Exception], DataError | None]) -> Iterator[None]:
    """Wraps a loop over a dataset: an error of its records is raised as a DataError with file, record and cause.

    `find_fault` (`odtk.inputs.build.build_fault_finder`) reads all records again, only after such an error, which it is
    given. If it finds nothing, the error is not caused by the data and is raised unchanged.
    """
    try:
        yield
    except _READING_ERRORS as error:
        fault = find_fault(error)
        if fault is None:
            raise
        raise fault from error


def first_fault(files: Sequence[str], decode: Callable) -> DataError | None:
    """What is wrong with the first record that cannot be read, or for which `decode` (odtk.inputs.decode) fails."""
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
    except OPERATION_ERRORS as error:
        name = image_name(data)
        raise DataError(
            f"{place}{f' (image {name})' if name else ''} cannot be used: {cause(error)}. Write the shard again "
            "without it."
        ) from error


def cause(error: tf.errors.OpError | UnicodeDecodeError) -> str:
    """An operation's message about its input, without the names of nodes and operations that TensorFlow adds."""
    message = error.object.decode(errors="replace") if isinstance(error, UnicodeDecodeError) else error.message
    message = re.sub(r"\{\{.*?\}\}|\[Op:\w+\].*", "", message).strip()
    lines = re.sub(r"^assertion failed: \[(.*)\]$", r"\1", message, flags=re.MULTILINE).splitlines()
    return _printable(lines[0].rstrip(". ")) if lines else type(error).__name__


def image_name(data: bytes) -> str | None:
    """The image's name in a serialized Example; None if it has no name, or is not an Example."""
    try:
        features = read_features(data)
    except DataError:
        return None
    names = [features.get(f"image/{key}") or [b""] for key in ("source_id", "filename", "key/sha256")]
    # Whatever the bytes of a damaged record contain, its message stays on one line.
    texts = (name.decode(errors="replace") for name, *_ in names if name and isinstance(name, bytes))
    return next(map(_printable, texts), None)


def walk_file(name: str, first: int = 0, offset: int = 0) -> Iterator[tuple[int, Record | Damage]]:
    """Numbers and records of a file, on any file system, from the record `first` at `offset` on."""
    with tf.io.gfile.GFile(name, "rb") if "://" in name else open(name, "rb") as file:
        yield from enumerate(walk(file, tf.io.gfile.stat(name).length, offset), first)


def names_of_records(files: Sequence[str], places: Sequence[tuple[int, int]]) -> list[str]:
    """`image (file, record number)` of records by the numbers of file and record, in the order of the files."""
    names = []
    for number in sorted({number for number, _ in places}):
        wanted = {record for file, record in places if file == number}
        names += _names_in_file(files[number], wanted)
    return names


def _names_in_file(file: str, wanted: set[int]) -> Iterator[str]:
    try:
        for record, found in walk_file(file):
            if record in wanted:
                image = image_name(found.data) if isinstance(found, Record) else None
                yield f"{image or 'an image'} ({file}, record {record})"
            if record >= max(wanted):
                return
    except (OSError, tf.errors.OpError):
        # This is for an error message, and must not fail itself.
        yield f"{file}, which can no longer be read"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
