"""pipeline.config: reads, queries, edits and writes it, both as text and as a message."""

from odtk.pipeline.editing import locate, set_fields
from odtk.pipeline.fields import field_names, get_field, is_set, walk
from odtk.pipeline.reading import find, format, parse, read, read_text, write

__all__ = [
    "field_names",
    "find",
    "format",
    "get_field",
    "is_set",
    "locate",
    "parse",
    "read",
    "read_text",
    "set_fields",
    "walk",
    "write",
]
