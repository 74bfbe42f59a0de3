"""Sets fields in a config's text: comments and layout are kept, and the result is checked by parsing it.

`PATH=VALUE` sets a field, an empty VALUE removes it (or an element from its list). A whole list is `[1.0, 2.0, 0.5]`, a
block is written in text format, `adam_optimizer { ... }`. Missing parents are added, and a member of a oneof replaces
the one that was set.
"""

from dataclasses import replace
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from odtk.errors import ConfigError
from odtk.pipeline import fields
from odtk.pipeline.fields import Step
from odtk.pipeline.layout import Layout
from odtk.pipeline.reading import parse
from odtk.pipeline.values import CLEAR, new_message, print_value, read_value
from odtk.prototext import schema, syntax


def set_fields(text: str, assignments: list[tuple[str, str]], filename: str) -> str:
    """The text with fields set, one after the other: pairs of a dotted path (see `fields`) and a value as typed.

    A field that already has the value keeps its notation. Raises ConfigError for a path that is not in the schema
    (with the nearest names), for a value of the wrong type (with the expected one), and for a text that does not parse.
    """
    message = parse(text, filename)
    for path, value_text in assignments:
        for steps, value in _elementwise(message, path, value_text):
            before = _copy(message)
            assign(message, steps, value)
            if message != before:
                text = _edit(text, steps, value)
    if parse(text, filename) != message:
        names = ", ".join(path for path, _ in assignments)
        raise ConfigError(f"{filename}: {names} cannot be set in this text. Edit it by hand; this is a bug in odtk.")
    return text


def locate(text: str, path: str) -> int | None:
    """The line (from 1) of a field, list element or map entry in a config's text; None if it is not set."""
    message = parse(text, "the config")
    entry: syntax.Entry
    value: Any = syntax.read_tree(text)
    steps = fields.settle(fields.read_path(path, message), message, path)
    while steps:
        step, *steps = steps
        found = _find(
            text, value, replace(step, index=0) if step.is_whole_list and not schema.is_map(step.field) else step
        )
        if found is None:
            return None
        (entry, value), steps = found, _below(step, steps)
    return syntax.line_of(text, value.start if entry.is_list else entry.start)


def _elementwise(message: Message, path: str, value_text: str) -> list[tuple[list[Step], object]]:
    """An assignment as resolved steps and values; one to a whole list becomes one to each of its elements."""
    steps = fields.read_path(path, message)
    value = read_value(steps[-1], value_text, path)
    *parents, last = fields.settle(steps, message, path)
    if not last.is_whole_list:
        return [([*parents, last], value)]
    old = fields.get_field(message, ".".join(map(str, [*parents, last]))) if _exists(message, parents) else []
    if schema.is_map(last.field):  # read_value only allows to clear a whole map
        return [([*parents, replace(last, index=key)], CLEAR) for key in old]
    new = value or []
    surplus = [(index, CLEAR) for index in reversed(range(len(new), len(old)))]
    return [([*parents, replace(last, index=i)], element) for i, element in [*enumerate(new), *surplus]]


def _exists(message: Message, steps: list[Step]) -> bool:
    here: Message | None = message
    for step in steps:
        here = fields.child(here, step) if here is not None else None
    return here is not None


def assign(message: Message, steps: list[Step], value) -> None:
    """Sets a resolved path on a message: the expected meaning of the edited text."""
    if value is CLEAR and not _exists(message, steps[:-1]):
        return
    for step in steps[:-1]:
        below = fields.child(message, step)
        message = below if below is not None else _create(message, step)
    field, index = steps[-1].field, steps[-1].index
    if schema.is_map(field):
        _assign_map_entry(getattr(message, field.name), index, value)
    elif schema.is_repeated(field):
        _assign_element(message, field.name, index, value)
    else:
        message.ClearField(field.name)
        if isinstance(value, Message):
            getattr(message, field.name).CopyFrom(value)
            getattr(message, field.name).SetInParent()
        elif value is not CLEAR:
            setattr(message, field.name, value)


def _create(message: Message, step: Step) -> Message:
    owner = getattr(message, step.field.name)
    if schema.is_map(step.field):
        return owner[step.index]
    if schema.is_repeated(step.field):
        return owner.add()
    owner.SetInParent()
    return owner


def _assign_map_entry(entries, key, value) -> None:
    entries.pop(key, None)
    if isinstance(value, Message):
        entries[key].CopyFrom(value)
    elif value is not CLEAR:
        entries[key] = value


def _assign_element(message: Message, name: str, index: int, value) -> None:
    elements = [_copy(element) for element in getattr(message, name)]
    elements[index : index + 1] = [] if value is CLEAR else [value]
    message.ClearField(name)
    getattr(message, name).extend(elements)


def _copy(element):
    if not isinstance(element, Message):
        return element
    copy = type(element)()
    copy.CopyFrom(element)
    return copy


def _edit(text: str, steps: list[Step], value) -> str:
    owner: syntax.Entry | None = None
    node: Any = syntax.read_tree(text)  # a scalar has nothing below it, and the path ends there
    while True:
        step, *rest = steps
        found = _find(text, node, step)
        if found is None:
            return text if value is CLEAR else _insert(text, owner, node, steps, value)
        if value is CLEAR and not rest:
            return _remove(text, *found)
        rest = _below(step, rest)
        if not rest:
            return _replace(text, *found, step, value)
        (owner, node), steps = found, rest


def _below(step: Step, rest: list[Step]) -> list[Step]:
    """The steps after this one in the text, where a map's entry is a message with `key` and `value`."""
    if not schema.is_map(step.field) or step.index is None:
        return rest
    return [Step(step.field.message_type.fields_by_name["value"]), *rest]


def _find(text: str, node: syntax.Message, step: Step) -> tuple[syntax.Entry, syntax.Scalar | syntax.Message] | None:
    """The entry and the value of a resolved step, None if the text has none."""
    values = [(entry, value) for entry in node.named(step.field.name) for value in entry.values]
    if schema.is_map(step.field) and step.index is not None:
        values = [found for found in values if _key(text, step, found[1]) == step.index][-1:]
    index = step.index if schema.is_repeated(step.field) and not schema.is_map(step.field) else 0
    return values[index] if index < len(values) else None


def _key(text: str, step: Step, value: syntax.Scalar | syntax.Message):
    holder = new_message(step.field.containing_type)
    text_format.Parse(f"{step.field.name} {text[value.start : value.end]}", holder)
    return next(iter(getattr(holder, step.field.name)))


def _remove(text: str, entry: syntax.Entry, value: syntax.Scalar | syntax.Message) -> str:
    if entry.is_list:
        return Layout(text).remove_element(entry, entry.values.index(value))
    return Layout(text).remove_entry(entry)


def _replace(text: str, entry: syntax.Entry, old: Any, step: Step, value) -> str:
    if isinstance(value, Message):
        return Layout(text).replace_message(entry, old, _lines(value))
    return Layout(text).replace_scalar(old, print_value(step.field, value))


def _insert(text: str, owner: syntax.Entry | None, node: syntax.Message, steps: list[Step], value) -> str:
    """Adds a missing field, with the rest of the path below it."""
    field, layout = steps[0].field, Layout(text)
    holder = new_message(field.containing_type)
    is_element = schema.is_repeated(field) and not schema.is_map(field)
    assign(holder, [replace(steps[0], index=0) if is_element else steps[0], *steps[1:]], value)
    rival = _rival(node, field)
    if rival:
        return _replace_rival(text, rival, field, holder)
    siblings = node.named(field.name)
    if siblings and siblings[-1].is_list:
        one_line = text_format.MessageToString(holder, as_utf8=True, as_one_line=True)
        return layout.append_element(siblings[-1], one_line[len(field.name) :].lstrip(": "))
    return layout.insert(owner, node, _lines(holder), after=next(reversed(siblings or node.entries), None))


def _rival(node: syntax.Message, field: FieldDescriptor) -> syntax.Entry | None:
    """The member of the same oneof that is in the text and must be replaced by `field`."""
    members = {member.name for member in field.containing_oneof.fields} if field.containing_oneof else set()
    return next((entry for entry in node.entries if entry.name in members - {field.name}), None)


def _replace_rival(text: str, rival: syntax.Entry, field: FieldDescriptor, holder: Message) -> str:
    """Puts the field of `holder` in the place of `rival`; what both have alike keeps its text and its comments."""
    old, new = _member(text, rival, field), getattr(holder, field.name)
    kept = _alike(old, new) if isinstance(old, Message) and isinstance(new, Message) else set()
    if not kept or "\n" not in text[rival.start : rival.end]:
        return Layout(text).replace_entry(rival, _lines(holder))
    for name in kept:
        new.ClearField(name)
    node: Any = rival.values[0]
    last = max(index for index, entry in enumerate(node.entries) if entry.name in kept)
    # From the end on, so that the places before hold.
    for index, entry in reversed([*enumerate(node.entries)]):
        if index == last and new.ListFields():
            text = Layout(text).insert(rival, node, _lines(new), after=entry)
        elif entry.name not in kept:
            text = Layout(text).remove_entry(entry)
    return text[: rival.start] + field.name + text[rival.start + len(rival.name) :]


def _member(text: str, entry: syntax.Entry, field: FieldDescriptor):
    """The value of a member of the oneof that `field` is of, as it is in the text."""
    holder = new_message(field.containing_type)
    text_format.Parse(text[entry.start : entry.end], holder)
    return getattr(holder, entry.name)


def _alike(old: Message, new: Message) -> set[str]:
    """The names of the fields that two messages, of any types, both have with the same value."""
    given = {field.name: value for field, value in new.ListFields()}
    return {field.name for field, value in old.ListFields() if field.name in given and given[field.name] == value}


def _lines(message: Message) -> list[str]:
    return text_format.MessageToString(message, as_utf8=True).splitlines()
