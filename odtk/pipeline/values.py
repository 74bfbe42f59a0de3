"""Parses values as people type them: `0.95`, `RELU_6`, `/data/train-*`, `[1, 2]` or `adam_optimizer {}`."""

import io
import re
import struct

from google.protobuf import message_factory, text_encoding, text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from odtk import prototext
from odtk.errors import ConfigError
from odtk.pipeline.fields import Step
from odtk.prototext import schema

CLEAR = None
"""The value that removes a field."""

_GREATEST_FLOAT = 3.4028234663852886e38
_BOOLS = {"true": True, "1": True, "false": False, "0": False}


def read_value(step: Step, text: str, path: str):
    """The typed value of `text` for the last step of a path; CLEAR for an empty text.

    A scalar, a Message, or for a whole list a list of them. Raises ConfigError with the values that the field takes.
    """
    text = text.strip()
    if not text:
        return CLEAR
    if schema.is_map(step.field):
        if step.index is None:
            raise ConfigError(f"{path}: {step.field.name} is a map. Set one entry: {path}[KEY]=VALUE.")
        return _read_one(step.field.message_type.fields_by_name["value"], text, path)
    return _read_list(step.field, text, path) if step.is_whole_list else _read_one(step.field, text, path)


def print_value(field: FieldDescriptor, value) -> str:
    """A scalar as the text format writes it."""
    out = io.StringIO()
    text_format.PrintFieldValue(field, value, out, as_utf8=True)
    return out.getvalue()


def new_message(descriptor: Descriptor) -> Message:
    """An empty message of a type."""
    return message_factory.GetMessageClass(descriptor)()


def _read_one(field: FieldDescriptor, text: str, path: str):
    if schema.is_message(field):
        return _read_message(field, text, path)
    if schema.is_string(field):
        return _read_string(text, path)
    for kind, read in ((schema.is_enum, _read_enum), (schema.is_bool, _read_bool), (schema.is_float, _read_float)):
        if kind(field):
            return read(field, text, path)
    return _read_whole_number(field, text, path)


def _read_list(field: FieldDescriptor, text: str, path: str) -> list:
    if not (text.startswith("[") and text.endswith("]")):
        several = not schema.is_message(field) and not schema.is_string(field)
        return [_read_one(field, part.strip(), path) for part in (text.split(",") if several else [text])]
    if schema.is_message(field):
        holder = new_message(field.containing_type)
        prototext.parse(f"{field.name}: {text}", holder, f"the value of {path}", ConfigError)
        return list(getattr(holder, field.name))
    parts = re.findall(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^,]+)\s*(?:,|$)""", text[1:-1])
    return [_read_one(field, part.strip(), path) for part in parts if part.strip()]


def _read_message(field: FieldDescriptor, text: str, path: str) -> Message:
    if not re.search(r"[{}:<>]", text):
        names = schema.some(schema.field_names(field.message_type), 6)
        raise ConfigError(
            f"{path}: {field.name} is a block with the fields {names}, not {text}. Set {path}.FIELD=VALUE, "
            f"or the whole block: {path}='FIELD {{ ... }}'."
        )
    holder = new_message(field.containing_type)
    body = text if re.fullmatch(r"\{.*\}", text, re.DOTALL) else f"{{{text}\n}}"
    prototext.parse(f"{field.name} {body}", holder, f"the value of {path}", ConfigError)
    value = getattr(holder, field.name)
    return value[0] if schema.is_repeated(field) else value


def _read_string(text: str, path: str) -> str:
    """A quoted text is read with its escapes; any other is used as it is, including backslashes."""
    if len(text) < 2 or text[0] not in "\"'" or text[-1] != text[0]:
        return text
    try:
        return bytes(text_encoding.CUnescape(text[1:-1])).decode("utf-8")
    except ValueError as reason:
        raise ConfigError(f"{path}: {text} is not a string ({reason}). Leave out the quotes.") from None


def _read_enum(field: FieldDescriptor, text: str, path: str) -> int:
    names = schema.enum_names(field)
    by_key = {name.lower(): name for name in names}
    name = by_key.get(text.strip("\"'").lower())
    if name is None:
        close = schema.nearest(text, names)
        raise _wrong(field, text, path, f" Did you mean {' or '.join(close)}?" if close else "")
    return field.enum_type.values_by_name[name].number


def _read_bool(field: FieldDescriptor, text: str, path: str) -> bool:
    if text.lower() not in _BOOLS:
        raise _wrong(field, text, path)
    return _BOOLS[text.lower()]


def _read_float(field: FieldDescriptor, text: str, path: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _wrong(field, text, path) from None
    is_wide = field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE
    if value != value or (not is_wide and _GREATEST_FLOAT < abs(value) < float("inf")):
        raise _wrong(field, text, path)
    # text_format only finds the shortest notation of a float32 for a value that is a float32.
    return value if is_wide else struct.unpack("f", struct.pack("f", value))[0]


def _read_whole_number(field: FieldDescriptor, text: str, path: str) -> int:
    least, greatest = schema.whole_number_range(field) or (0, 0)
    if not re.fullmatch(r"[+-]?\d+", text):
        raise _wrong(field, text, path)
    if not least <= int(text) <= greatest:
        raise ConfigError(f"{path}: {field.name} takes a whole number from {least} to {greatest}, not {text}.")
    return int(text)


def _wrong(field: FieldDescriptor, text: str, path: str, hint: str = "") -> ConfigError:
    return ConfigError(f"{path}: {field.name} takes {schema.expectation(field)}, not {text}.{hint}")
