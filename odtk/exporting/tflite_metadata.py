"""TFLite's model metadata: what MediaPipe Tasks and Android's Task library know of a model besides its graph.

It is a flatbuffer of its own (root type ModelMetadata of tflite-support's metadata_schema.fbs, file identifier M001),
which lies in a buffer of the model that its `metadata` names TFLITE_METADATA. The tables below are of that schema: a
field's number is its place in the table there, and a union has two places, of its type and of its value.

See `tflite_metadata_reading` for the way back. No TensorFlow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import flatbuffers
import numpy as np
from flatbuffers import number_types

BUFFER_NAME = "TFLITE_METADATA"
VALUE_LABELS, NORMALIZATION = 3, 1
"""An AssociatedFileType, and a ProcessUnitOptions."""
LOCATION, CATEGORY, SCORE, COUNT = "location", "category", "score", "number of detections"
"""The names by which MediaPipe finds the outputs of a detector."""
OUTPUTS = (LOCATION, CATEGORY, SCORE, COUNT)
"""In their order in TFLite_Detection_PostProcess."""

_IDENTIFIER = b"M001"
_PARSER_VERSION = "1.2.0"  # of the schema: the first with TensorGroup
_DESCRIPTIONS = 1  # AssociatedFileType
_RGB = 1  # ColorSpaceType
_IMAGE, _BOXES, _FEATURE = 2, 3, 1  # ContentProperties
_BOUNDARIES = 1  # BoundingBoxType
_LEFT_TOP_RIGHT_BOTTOM = (1, 0, 3, 2)  # where each is in yxyx


@dataclass(frozen=True)
class DetectorFacts:
    """What the metadata say of a detector."""

    name: str
    description: str
    size: tuple[int, int]
    """(height, width) of the input, in pixels."""
    mean: Sequence[float]
    std: Sequence[float]
    """The input is (pixel - mean) / std; one value, or one per channel."""
    boxes: int
    """How many detections the outputs have room for."""
    label_file: str | None
    """The name of the associated file with a line per class; None if the classes have no names."""
    more_files: tuple[tuple[str, str], ...] = ()
    """(name, description) of other associated files."""
    takes_pixels: bool = False
    """The input is uint8."""


def encode_metadata(facts: DetectorFacts) -> bytes:
    """The flatbuffer."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(_written(builder, _model(facts)), _IDENTIFIER)
    return bytes(builder.Output())


def _model(facts: DetectorFacts) -> dict:
    subgraph = {
        2: [_input(facts)],
        3: _outputs(facts),
        8: [{0: "detection_result", 1: [LOCATION, CATEGORY, SCORE]}],
    }
    files = [_file(name, text, _DESCRIPTIONS) for name, text in facts.more_files]
    return {0: facts.name, 1: facts.description, 3: [subgraph], 6: files or None, 7: _PARSER_VERSION}


def _input(facts: DetectorFacts) -> dict:
    height, width = facts.size
    mean, std = (np.asarray(values, np.float32) for values in (facts.mean, facts.std))
    least, greatest = (np.zeros(1), np.full(1, 255.0)) if facts.takes_pixels else (-mean / std, (255.0 - mean) / std)
    return {
        0: "image",
        1: "An RGB image, resized to the size of this tensor.",
        3: _content(_IMAGE, {0: np.int8(_RGB), 1: {0: np.uint32(width), 1: np.uint32(height)}}),
        4: [{0: np.uint8(NORMALIZATION), 1: {0: mean, 1: std}}],
        5: {0: greatest.astype(np.float32), 1: least.astype(np.float32)},
    }


def _outputs(facts: DetectorFacts) -> list[dict]:
    corners = {0: np.array(_LEFT_TOP_RIGHT_BOTTOM, np.uint32), 1: np.int8(_BOUNDARIES)}
    labels = [_file(facts.label_file, "The classes by their numbers.", VALUE_LABELS)] if facts.label_file else None
    one = {0: np.ones(1, np.float32), 1: np.zeros(1, np.float32)}
    room = {0: np.full(1, facts.boxes, np.float32), 1: np.zeros(1, np.float32)}
    return [
        {0: LOCATION, 1: "The boxes: top, left, bottom, right.", 3: _content(_BOXES, corners, (2, 2))},
        {0: CATEGORY, 1: "The classes of the boxes, from 0.", 3: _content(_FEATURE, {}, (2, 2)), 6: labels},
        {0: SCORE, 1: "The scores of the boxes.", 3: _content(_FEATURE, {}, (2, 2)), 5: one},
        {0: COUNT, 1: "How many boxes were found.", 3: _content(_FEATURE, {}), 5: room},
    ]


def _content(kind: int, properties: dict, dimensions: tuple[int, int] | None = None) -> dict:
    """`dimensions`: first and last that hold one object; None for all."""
    held = None if dimensions is None else {0: np.int32(dimensions[0]), 1: np.int32(dimensions[1])}
    return {0: np.uint8(kind), 1: properties, 2: held}


def _file(name: str, description: str, kind: int) -> dict:
    return {0: name, 1: description, 2: np.int8(kind)}


_FLAGS = {
    "int8": number_types.Int8Flags,
    "uint8": number_types.Uint8Flags,
    "int32": number_types.Int32Flags,
    "uint32": number_types.Uint32Flags,
}


def _written(builder: flatbuffers.Builder, value) -> int:
    """The offset of a string, an array, a list of strings or tables, or a table: its values by field, None if unset."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, list):
        return _vector(builder, [_written(builder, each) for each in value])
    fields = {place: each for place, each in value.items() if each is not None}
    # What a table refers to is written before it.
    offsets = {place: _written(builder, each) for place, each in fields.items() if not isinstance(each, np.generic)}
    builder.StartObject(max(fields, default=-1) + 1)
    for place, each in fields.items():
        if place in offsets:
            builder.PrependUOffsetTRelativeSlot(place, offsets[place], 0)
        else:
            builder.PrependSlot(_FLAGS[each.dtype.name], place, each.item(), 0)
    return builder.EndObject()


def _vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()
