"""Questions to the schema: the fields of a message, the values a field takes, and where a misplaced name belongs."""

import difflib
import functools
from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

_NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def is_repeated(field: FieldDescriptor) -> bool:
    """Whether the field is a list (or a map)."""
    if hasattr(field, "is_repeated"):  # protobuf 6.31 and later, where `label` is deprecated
        return field.is_repeated
    return field.label == FieldDescriptor.LABEL_REPEATED


def is_message(field: FieldDescriptor) -> bool:
    """Whether the field (or each of its elements) is a message."""
    return field.message_type is not None


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map."""
    return is_message(field) and field.message_type.GetOptions().map_entry


def is_number(field: FieldDescriptor) -> bool:
    """Whether the field takes whole or floating-point numbers."""
    return whole_number_range(field) is not None or is_float(field)


def is_float(field: FieldDescriptor) -> bool:
    """Whether the field takes floating-point numbers."""
    return field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)


def is_bool(field: FieldDescriptor) -> bool:
    """Whether the field takes true or false."""
    return field.cpp_type == FieldDescriptor.CPPTYPE_BOOL


def is_enum(field: FieldDescriptor) -> bool:
    """Whether the field takes one of a few names."""
    return field.enum_type is not None


def is_string(field: FieldDescriptor) -> bool:
    """Whether the field takes a string."""
    return field.cpp_type == FieldDescriptor.CPPTYPE_STRING


def whole_number_range(field: FieldDescriptor) -> tuple[int, int] | None:
    """The smallest and the largest number that an integer field takes, None for other fields."""
    return _NUMBERS.get(field.cpp_type)


def enum_names(field: FieldDescriptor) -> list[str]:
    """The names that an enum field takes, none for other fields."""
    return [value.name for value in field.enum_type.values] if is_enum(field) else []


def accepts(field: FieldDescriptor, text: str) -> bool:
    """Whether an unquoted `text` is a value of the field's kind."""
    if is_enum(field) or is_bool(field):
        return text in (enum_names(field) or ["true", "false"])
    try:
        return is_number(field) and (float(text) is not None if is_float(field) else int(text) is not None)
    except ValueError:
        return False


def expectation(field: FieldDescriptor) -> str:
    """A description of what one value of the field must be."""
    if is_message(field):
        return f"a block of {field.message_type.name} fields in braces, {field.name} {{ ... }}"
    if is_enum(field):
        return "one of " + ", ".join(enum_names(field))
    if is_bool(field):
        return "true or false"
    if is_float(field):
        return "a number"
    if is_string(field):
        return "a string in straight double quotes"
    return "a whole number" + (" of 0 or more" if _NUMBERS[field.cpp_type][0] == 0 else "")


def field_names(descriptor: Descriptor) -> list[str]:
    """The names of a message's fields, in the schema's order."""
    return [field.name for field in descriptor.fields]


def nearest(name: str, names: list[str]) -> list[str]:
    """Up to three of `names` that `name` may be a misspelling or the beginning of, best first."""
    by_key = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), by_key, n=3, cutoff=0.7)
    begun = [key for key in by_key if len(name) > 2 and key.startswith(name.lower())]
    return [by_key[key] for key in (close or begun[:3])]


def suggestion(name: str, descriptor: Descriptor, places: list[str]) -> str:
    """A suggestion for a name that is not a field of `descriptor`; `places` are paths of fields with that name."""
    names = field_names(descriptor)
    close = nearest(name, names)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    if places:
        return f"It belongs elsewhere: {some(places)}."
    return f"{descriptor.name} has {some(names, 12)}." if names else f"{descriptor.name} has no fields."


def places_of(name: str, root: Descriptor) -> list[str]:
    """The dotted paths from `root` of fields with this name, the shallowest first."""
    return [path for path, field in every_field(root) if field.name == name]


def some(names: list[str], limit: int = 3) -> str:
    """The first `limit` of the names, and how many more there are."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


@functools.cache
def every_field(root: Descriptor) -> tuple[tuple[str, FieldDescriptor], ...]:
    """Every field below `root` with its dotted path, the shallowest first."""
    return tuple(_breadth_first(root))


def _breadth_first(root: Descriptor) -> Iterator[tuple[str, FieldDescriptor]]:
    """Does not enter a message type again inside itself."""
    queue = [("", root, frozenset([root.full_name]))]
    while queue:
        prefix, descriptor, above = queue.pop(0)
        for field in descriptor.fields:
            yield prefix + field.name, field
            if is_message(field) and field.message_type.full_name not in above:
                queue.append((f"{prefix}{field.name}.", field.message_type, above | {field.message_type.full_name}))
