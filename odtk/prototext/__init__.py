"""Protobuf text format beyond text_format: error messages with the likely cause, and a tree of spans for editing."""

from odtk.prototext.reading import parse, read_text

__all__ = ["parse", "read_text"]
