"""One Pascal VOC annotation file, each datum with the line it stands on."""

from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from odtk import files
from odtk.annotations import written_values
from odtk.annotations.annotated_image import UnusableImage

_KINDS = {int: "whole number", float: "number"}


@dataclass(frozen=True)
class VocObject:
    """One `<object>`: its box in pixels as `[ymin, xmin, ymax, xmax]`, as written, and the line of `<bndbox>`."""

    name: str
    box: tuple[float, float, float, float]  # yxyx, pixels
    line: int
    pose: str
    truncated: int
    difficult: bool


@dataclass(frozen=True)
class VocAnnotation:
    """What one file says of one image; sizes in pixels, 0 where it states none, and an empty name likewise."""

    filename: str
    filename_line: int
    width: int
    height: int
    size_line: int
    objects: tuple[VocObject, ...]


def read(path: Path) -> VocAnnotation:
    """Reads a VOC xml in which name and size of the image are complete; see `parse`."""
    try:
        encoded = files.read_bounded(path)
    except OSError as error:
        raise UnusableImage(path, None, "no xml", f"the xml cannot be opened: {error.strerror}.") from error
    return parse(encoded, path)


def parse(encoded: bytes, path: Path, complete: bool = True) -> VocAnnotation:
    """The annotation in a VOC xml's bytes. Entities are not expanded and nothing is fetched.

    Raises UnusableImage, naming file and line, where it is not well-formed, or a needed element is missing or no
    number. Unless `complete`, name and size of the image may be missing, and what is optional may be empty.
    """
    # A parser is not for sharing between threads, and making one is cheap.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(encoded, parser)
    except etree.XMLSyntaxError as error:
        raise _unreadable(
            path, error.lineno, f"the xml is not well-formed: {written_values.cut(str(error.msg))}."
        ) from error
    for entity in root.iter(etree.Entity):
        # Left unexpanded it would cut the text that it stands in.
        named = written_values.cut(entity.text)
        raise _unreadable(path, entity.sourceline, f"it has the entity {named}, which is not expanded. Write its text.")
    if not complete:
        return _parse_incomplete(path, root)
    filename, size = _child(path, root, "filename"), _child(path, root, "size")
    return VocAnnotation(
        filename=_text(path, filename),
        filename_line=filename.sourceline,
        width=_pixels(path, _child(path, size, "width")),
        height=_pixels(path, _child(path, size, "height")),
        size_line=size.sourceline,
        objects=tuple(_object(path, element) for element in root.findall("object")),
    )


def _parse_incomplete(path: Path, root) -> VocAnnotation:
    if root.tag != "annotation":
        raise _unreadable(
            path,
            root.sourceline,
            f"the root is <{written_values.cut(str(root.tag))}>, not the <annotation> of Pascal VOC.",
        )
    filename, size = root.find("filename"), root.find("size")
    width, height = written_values.size(root.findtext("size/width"), root.findtext("size/height")) or (0, 0)
    return VocAnnotation(
        filename=(root.findtext("filename") or "").strip(),
        filename_line=(root if filename is None else filename).sourceline,
        width=width,
        height=height,
        size_line=(root if size is None else size).sourceline,
        objects=tuple(_object(path, element, complete=False) for element in root.findall("object")),
    )


def _unreadable(path: Path, line: int | None, text: str) -> UnusableImage:
    return UnusableImage(path, line, "xml cannot be read", text)


def _object(path: Path, element, complete: bool = True) -> VocObject:
    box = _child(path, element, "bndbox")
    return VocObject(
        name=element.findtext("name", "").strip(),
        box=tuple(_number(path, _child(path, box, side), float) for side in ("ymin", "xmin", "ymax", "xmax")),
        line=box.sourceline,
        pose=_optional(path, element, "pose", str, "Unspecified", complete),
        truncated=_optional(path, element, "truncated", int, 0, complete),
        difficult=bool(_optional(path, element, "difficult", int, 0, complete)),
    )


def _child(path: Path, element, tag: str):
    child = element.find(tag)
    if child is None:
        raise _unreadable(path, element.sourceline, f"<{element.tag}> has no <{tag}>, which every annotation needs.")
    return child


def _text(path: Path, element) -> str:
    text = (element.text or "").strip()
    if not text:
        raise _unreadable(path, element.sourceline, f"<{element.tag}> is empty.")
    return text


def _optional(path: Path, element, tag: str, kind: type, default, complete: bool):
    child = element.find(tag)
    if child is None or not (complete or (child.text or "").strip()):
        return default
    return _text(path, child) if kind is str else _number(path, child, kind)


def _number(path: Path, element, kind: type):
    text = _text(path, element)
    try:
        return kind(text)
    except ValueError:
        raise _unreadable(
            path, element.sourceline, f"<{element.tag}> is {written_values.short(text)}, not a {_KINDS[kind]}."
        ) from None


def _pixels(path: Path, element) -> int:
    value = _number(path, element, int)
    if value <= 0:
        raise _unreadable(path, element.sourceline, f"<{element.tag}> is {value}; an image side is at least 1 pixel.")
    return value
