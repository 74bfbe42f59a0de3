"""Dotted paths: `train_config.optimizer.momentum_optimizer.momentum_optimizer_value`, looked up and listed.

List elements have an index, `data_augmentation_options[0].random_crop_image.min_area` ([-1] is the last one), which may
be omitted if there is only one element. In an assignment `[+]`, or the index after the last one, adds an element. Map
entries have a key, `super_categories[cat]`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from odtk.errors import ConfigError
from odtk.protos import pipeline_pb2
from odtk.prototext import schema

APPEND = "+"

_STEP = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\[\s*([^\]]*?)\s*\]\s*)?(\.|$)")


@dataclass(frozen=True)
class Step:
    """A field of a path; `index` is None, an element's index, APPEND, or a map's key (a number, a text or a bool)."""

    field: FieldDescriptor
    index: Any = None

    @property
    def is_whole_list(self) -> bool:
        """Whether the step is for a list or a map itself, not for an element."""
        return schema.is_repeated(self.field) and self.index is None

    @property
    def message_type(self) -> Descriptor | None:
        """The type of the message of this step, None for scalars."""
        field = self.field.message_type.fields_by_name["value"] if schema.is_map(self.field) else self.field
        return field.message_type

    def __str__(self) -> str:
        return self.field.name if self.index is None else f"{self.field.name}[{self.index}]"


def read_path(path: str, message: Message) -> list[Step]:
    """The steps of a dotted path from `message`; ConfigError, with the nearest fields, if one does not exist."""
    steps, descriptor, at = [], message.DESCRIPTOR, 0
    while True:
        match = _STEP.match(path, at)
        if not match:
            raise ConfigError(f"{path!r} is not a path of fields. Write it as train_config.batch_size or a.b[0].c.")
        name, index, more = match.groups()
        if descriptor is None:
            raise ConfigError(f"{path}: {steps[-1]} takes {schema.expectation(steps[-1].field)} and has no fields.")
        field = descriptor.fields_by_name.get(name)
        if field is None:
            raise ConfigError(_unknown(path, name, steps, descriptor, message))
        steps.append(Step(field, _read_index(path, field, index)))
        descriptor, at = steps[-1].message_type, match.end()
        if not more:
            return steps


def _unknown(path: str, name: str, steps: list[Step], descriptor: Descriptor, message: Message) -> str:
    prefix = "".join(f"{step}." for step in steps)
    close = schema.nearest(name, schema.field_names(descriptor))
    if close:
        return f"{path}: there is no field {prefix}{name}. Did you mean {' or '.join(prefix + n for n in close)}?"
    here = [found for found, _ in walk(message) if re.fullmatch(rf".*\b{name}(\[\d+\])?", found)]
    places = here or schema.places_of(name, message.DESCRIPTOR)
    where = ".".join(str(step) for step in steps) or "The config"
    return f"{path}: {where} has no field {name}. {schema.suggestion(name, descriptor, places)}"


def _read_index(path: str, field: FieldDescriptor, index: str | None) -> int | str | bool | None:
    if index is None:
        return None
    if not schema.is_repeated(field):
        raise ConfigError(f"{path}: {field.name} is not a list; write it without [{index}].")
    if schema.is_map(field):
        return _read_key(path, field, index)
    if index == APPEND:
        return APPEND
    if not re.fullmatch(r"-?\d+", index):
        raise ConfigError(f"{path}: [{index}] is not an index. Write [0] for the first element, [+] to add one.")
    return int(index)


def _read_key(path: str, field: FieldDescriptor, index: str) -> int | str:
    key = field.message_type.fields_by_name["key"]
    if schema.is_string(key):
        return index.strip("\"'")
    try:
        return int(index)
    except ValueError:
        raise ConfigError(f"{path}: the keys of {field.name} are whole numbers, not {index}.") from None


def settle(steps: list[Step], message: Message, path: str) -> list[Step]:
    """The steps with every index resolved for `message`: from 0 to the length of the list, which means a new element.

    The last step keeps no index if it is for a whole list.
    """
    settled: list[Step] = []
    here: Message | None = message
    for step in steps:
        is_whole_list = step is steps[-1] and step.index is None
        if schema.is_repeated(step.field) and not schema.is_map(step.field) and not is_whole_list:
            count = len(getattr(here, step.field.name)) if here is not None else 0
            step = replace(step, index=_settle_index(step, count, path))
        settled.append(step)
        here = child(here, step) if here is not None else None
    return settled


def _settle_index(step: Step, count: int, path: str) -> int:
    if step.index == APPEND:
        return count
    if step.index is None:
        if count > 1:
            which = " or ".join(f"{step.field.name}[{i}]" for i in range(min(count, 3)))
            raise ConfigError(f"{path}: {step.field.name} has {count} elements. Choose one: {which}.")
        return 0
    index = step.index + count if step.index < 0 else step.index
    if not 0 <= index <= count:
        there = {0: "is empty", 1: "has one element, [0]"}.get(count, f"has {count} elements, [0] to [{count - 1}]")
        raise ConfigError(f"{path}: {step.field.name} {there}. Use [+] to add one.")
    return index


def child(message: Message, step: Step) -> Message | None:
    """The message of a resolved step, None if it is not set (or is a scalar or a whole list)."""
    if step.message_type is None or step.is_whole_list:
        return None
    if not schema.is_repeated(step.field):
        return getattr(message, step.field.name) if message.HasField(step.field.name) else None
    elements = getattr(message, step.field.name)
    if schema.is_map(step.field):
        return elements.get(step.index)
    return elements[step.index] if step.index < len(elements) else None


def field_names(path: str = "") -> list[str]:
    """The names of the fields below a dotted path of the pipeline schema ("" for the config itself)."""
    if not path:
        return schema.field_names(pipeline_pb2.TrainEvalPipelineConfig.DESCRIPTOR)
    descriptor = read_path(path, pipeline_pb2.TrainEvalPipelineConfig())[-1].message_type
    return schema.field_names(descriptor) if descriptor else []


def get_field(message: Message, path: str):
    """The value at a dotted path: the schema's default if it is not set, an enum's name, a list for a whole list.

    Raises ConfigError for a path that is not in the schema and for a list element that does not exist.
    """
    here, steps = message, settle(read_path(path, message), message, path)
    for step in steps[:-1]:
        below = child(here, step)
        here = below if below is not None else _absent(here, step, path)
    return _value(here, steps[-1], path)


def is_set(message: Message, path: str) -> bool:
    """Whether the field (or list element, or map entry) at a dotted path is set; a list is if it has elements."""
    here, steps = message, settle(read_path(path, message), message, path)
    for step in steps[:-1]:
        below = child(here, step)
        if below is None:
            return False
        here = below
    field, index = steps[-1].field, steps[-1].index
    if not schema.is_repeated(field):
        return here.HasField(field.name)
    elements = getattr(here, field.name)
    if index is None:
        return len(elements) > 0
    return index in elements if schema.is_map(field) else index < len(elements)


def _absent(message: Message, step: Step, path: str) -> Message:
    if schema.is_repeated(step.field):
        raise ConfigError(f"{path}: there is no element {step}.")
    return getattr(message, step.field.name)


def _value(message: Message, step: Step, path: str):
    value = getattr(message, step.field.name)
    if step.is_whole_list:
        return dict(value) if schema.is_map(step.field) else [named(step.field, element) for element in value]
    if not schema.is_repeated(step.field):
        return named(step.field, value)
    if (step.index not in value) if schema.is_map(step.field) else step.index >= len(value):
        raise ConfigError(f"{path}: there is no element {step}.")
    return named(step.field, value[step.index])


def named(field: FieldDescriptor, value):
    """A field's value, of an enum its name."""
    return field.enum_type.values_by_number[value].name if schema.is_enum(field) else value


def walk(message: Message, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every value that is set, as (dotted path, value), in the schema's order; enums by name.

    List elements have their index, map entries their key. An empty message counts as a value.
    """
    for field, value in message.ListFields():
        name = prefix + field.name
        if schema.is_map(field):
            pairs = [(f"{name}[{key}]", value[key]) for key in sorted(value)]
        elif schema.is_repeated(field):
            pairs = [(f"{name}[{i}]", element) for i, element in enumerate(value)]
        else:
            pairs = [(name, value)]
        for path, element in pairs:
            if isinstance(element, Message) and element.ListFields():
                yield from walk(element, f"{path}.")
            else:
                yield path, named(field, element)
