"""Protobuf text format beyond text_format: errors that a person can act on, and a tree of spans to edit by."""

from odtk.prototext.reading import parse, read_text

__all__ = ["parse", "read_text"]
