"""Reads the metadata of a .tflite file, whoever wrote it: see `tflite_metadata` for the schema. No TensorFlow."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from flatbuffers import encode, number_types, packer
from flatbuffers.table import Table

from odtk.exporting.tflite_metadata import BUFFER_NAME, NORMALIZATION, VALUE_LABELS

_DAMAGE = (IndexError, KeyError, TypeError, ValueError, struct.error)


@dataclass(frozen=True)
class FoundMetadata:
    """What a model's metadata say."""

    name: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """The input is (pixel - mean) / std, of one value or one per channel; empty where the metadata do not say it."""
    outputs: tuple[str, ...] = ()
    """The names of the outputs, in the model's order."""
    label_file: str | None = None
    """The associated file with the names of the classes."""


def read_metadata(model: bytes) -> FoundMetadata | None:
    """The metadata in the bytes of a .tflite file, None if there are none; ValueError if they are damaged."""
    try:
        found = _find_buffer(model)
        return None if found is None else _decode(_root(found))
    except _DAMAGE as error:
        raise ValueError(f"its tables are damaged ({error})") from error


def _find_buffer(model: bytes) -> bytes | None:
    root = _root(model)
    buffers = {_string(entry, 0): _number(entry, 1, number_types.Uint32Flags) for entry in _tables(root, 6)}
    if BUFFER_NAME not in buffers:
        return None
    buffer = list(_tables(root, 4))[buffers[BUFFER_NAME]]
    start, count = _vector(buffer, 0)
    return bytes(buffer.Bytes[start : start + count])


def _decode(root: Table) -> FoundMetadata:
    subgraph = next(_tables(root, 3))
    inputs, outputs = (list(_tables(subgraph, field)) for field in (2, 3))
    options = next((_table(unit, 1) for unit in _tables(inputs[0], 4) if _kind(unit, 0) == NORMALIZATION), None)
    files = [file for tensor in outputs for file in _tables(tensor, 6)]
    return FoundMetadata(
        name=_string(root, 0),
        mean=() if options is None else _floats(options, 0),
        std=() if options is None else _floats(options, 1),
        outputs=tuple(_string(tensor, 0) for tensor in outputs),
        label_file=next((_string(file, 0) for file in files if _kind(file, 2) == VALUE_LABELS), None),
    )


def _root(buffer: bytes) -> Table:
    return Table(buffer, encode.Get(packer.uoffset, buffer, 0))


def _offset(table: Table, field: int) -> int:
    """Where a field is, from the table's own place; 0 if it is not set."""
    return table.Offset(4 + 2 * field)


def _number(table: Table, field: int, kind: type) -> int:
    offset = _offset(table, field)
    return table.Get(kind, table.Pos + offset) if offset else 0


def _kind(table: Table, field: int) -> int:
    """The value of an enum, or the type of a union."""
    return _number(table, field, number_types.Uint8Flags)


def _string(table: Table, field: int) -> str:
    offset = _offset(table, field)
    return table.String(table.Pos + offset).decode(errors="replace") if offset else ""


def _table(table: Table, field: int) -> Table:
    return Table(table.Bytes, table.Indirect(table.Pos + _offset(table, field)))


def _vector(table: Table, field: int) -> tuple[int, int]:
    """(place of the first element, number of elements)."""
    offset = _offset(table, field)
    return (table.Vector(offset), table.VectorLen(offset)) if offset else (0, 0)


def _tables(table: Table, field: int) -> Iterator[Table]:
    start, count = _vector(table, field)
    for index in range(count):
        yield Table(table.Bytes, table.Indirect(start + 4 * index))


def _floats(table: Table, field: int) -> tuple[float, ...]:
    start, count = _vector(table, field)
    return tuple(np.frombuffer(table.Bytes, "<f4", count, start).tolist())
