"""Changes objects of a Pascal VOC xml where they stand in the file: comments, order and layout stay as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

from odtk.annotations import text_encoding
from odtk.annotations.edits import Edit, cannot, refuse_outline, replaced

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]*encoding\s*=\s*["']([\w.-]+)""")
_NEW = (
    "<object>{2}<name>{name}</name>{2}<pose>Unspecified</pose>{2}<truncated>0</truncated>{2}<difficult>0</difficult>"
    "{2}<bndbox>{3}<xmin>{0[0]}</xmin>{3}<ymin>{0[1]}</ymin>{3}<xmax>{0[2]}</xmax>{3}<ymax>{0[3]}</ymax>"
    "{2}</bndbox>{1}</object>"
)


@dataclass
class _Element:
    """Where an element is in the bytes: from `start` to `end`, its contents from `inner` to `outer`."""

    tag: str
    start: int
    inner: int = 0
    outer: int = 0
    end: int = 0
    children: list[_Element] = field(default_factory=list)

    def child(self, tag: str) -> _Element | None:
        return next((each for each in self.children if each.tag == tag), None)


def edited(data: bytes, path: str, edits: Sequence[Edit]) -> bytes:
    """The bytes of an xml with its objects changed; raises UnusableImage for what cannot be written."""
    encoding, mark = _encoding(data, path)
    text = data[mark:].decode(encoding).encode()
    root = _parsed(text, path)
    objects = [each for each in root.children if each.tag == "object" and _inner(text, each, "deleted") != "1"]
    spans: list[tuple[int, int, bytes]] = []
    for edit in edits:
        refuse_outline(edit, path)
        if edit.index is None:
            continue
        if edit.is_discarded:
            spans.append((_with_space_before(text, objects[edit.index].start), objects[edit.index].end, b""))
        else:
            spans += _changed(text, path, objects[edit.index], edit)
    if new := [edit for edit in edits if edit.index is None]:
        spans.append(_added(text, root, new))
    return data[:mark] + replaced(text, spans).decode().encode(encoding, "xmlcharrefreplace")


def _encoding(data: bytes, path: str) -> tuple[str, int]:
    encoding, mark = text_encoding.encoding_of(data)
    declared = _DECLARED.match(data[mark:])
    if encoding == "utf-8" and not mark and declared:
        encoding = declared[1].decode()
    try:
        data[mark:].decode(encoding)
    except (LookupError, UnicodeDecodeError):
        raise cannot(path, None, f"the xml is not in its encoding, {encoding}. Save it as UTF-8.") from None
    return encoding, mark


def _parsed(text: bytes, path: str) -> _Element:
    parser = expat.ParserCreate("utf-8")
    top = _Element("", 0)
    open_elements = [top]

    def begin(tag: str, attributes: dict) -> None:
        start = parser.CurrentByteIndex
        found = _Element(tag, start, inner=_end_of_tag(text, start))
        open_elements[-1].children.append(found)
        open_elements.append(found)

    def finish(tag: str) -> None:
        found = open_elements.pop()
        place = parser.CurrentByteIndex
        if text[place : place + 2] == b"</":
            found.outer, found.end = place, _end_of_tag(text, place)
        else:  # <deleted/>
            found.outer = found.end = found.inner

    parser.StartElementHandler, parser.EndElementHandler = begin, finish
    try:
        parser.Parse(text.lstrip() if not text[:1].strip() else text, True)
    except expat.ExpatError as error:
        raise cannot(path, error.lineno, f"the xml is not well-formed: {expat.ErrorString(error.code)}.") from error
    return top.children[0]


def _end_of_tag(text: bytes, start: int) -> int:
    """The place after the > of a tag, which may have one in an attribute."""
    quote = 0
    for place in range(start, len(text)):
        byte = text[place]
        if quote:
            quote = 0 if byte == quote else quote
        elif byte in b"\"'":
            quote = byte
        elif byte == ord(">"):
            return place + 1
    return len(text)


def _inner(text: bytes, element: _Element, tag: str) -> str:
    found = element.child(tag)
    return "" if found is None else text[found.inner : found.outer].decode().strip()


def _changed(text: bytes, path: str, element: _Element, edit: Edit) -> list[tuple[int, int, bytes]]:
    spans = []
    if edit.class_name is not None:
        spans.append(_replaced(text, path, element, "name", edit.class_name))
    if edit.numbers is not None:
        box = element.child("bndbox")
        if box is None:
            raise cannot(path, None, "the object has no <bndbox>.")
        texts = edit.texts([_inner(text, box, side) for side in _SIDES])
        spans += [_replaced(text, path, box, side, new) for side, new in zip(_SIDES, texts, strict=True)]
    return spans


def _replaced(text: bytes, path: str, parent: _Element, tag: str, new: str) -> tuple[int, int, bytes]:
    """The span of an element's text, without the white space around it, and what takes its place."""
    found = parent.child(tag)
    if found is None or found.outer == found.end:
        raise cannot(path, None, f"<{parent.tag}> has no <{tag}> with a text.")
    inside = text[found.inner : found.outer]
    start = found.inner + len(inside) - len(inside.lstrip())
    return start, start + len(inside.strip()), escape(new).encode()


def _with_space_before(text: bytes, start: int) -> int:
    return len(text[:start].rstrip())


def _added(text: bytes, root: _Element, edits: Sequence[Edit]) -> tuple[int, int, bytes]:
    """New objects after the last element, laid out as the elements before it."""
    place = root.children[-1].end if root.children else root.outer
    first = root.children[0].start if root.children else root.outer
    space = text[_with_space_before(text, first) : first].decode() if root.children else "\n"
    step = space.rpartition("\n")[2] if "\n" in space else ""
    before = [_inner(text, box, side) for each in root.children if (box := each.child("bndbox")) for side in _SIDES]
    deeper = [space + step * depth for depth in range(3)]
    new = [_NEW.format(edit.texts(before), *deeper, name=escape(edit.class_name or "")) for edit in edits]
    return place, place, "".join(space + each for each in new).encode()
