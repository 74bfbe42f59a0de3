"""One Pascal VOC annotation file, each value with its line."""

from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from odtk import files
from odtk.annotations import text_encoding, value_parsing
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.voc_objects import VocObject, child, number, read_objects, text_of, unreadable

OTHER_ROOT = "xml that is not a VOC annotation"


@dataclass(frozen=True)
class VocAnnotation:
    """The annotation of one image; sizes in pixels, 0 if not stated, and an empty name likewise."""

    filename: str
    filename_line: int
    width: int
    height: int
    size_line: int
    objects: tuple[VocObject, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Issues with the objects; one with a flag in all of them is listed once, as the tool wrote it into each."""
        flags = {found.text: found for each in reversed(self.objects) for found in each.odd_flags}
        return (*(each.hull for each in self.objects if each.hull), *flags.values())


def read(path: Path) -> VocAnnotation:
    """Reads a VOC xml in which name and size of the image are required; see `parse`."""
    try:
        encoded = files.read_bounded(path)
    except OSError as error:
        raise UnusableImage(path, None, "no xml", f"the xml cannot be opened: {error.strerror}.") from error
    return parse(encoded, path)


def parse(encoded: bytes, path: Path, complete: bool = True) -> VocAnnotation:
    """The annotation in a VOC xml's bytes. Entities are not expanded and nothing is fetched.

    Raises UnusableImage, naming file and line, if it is not well-formed, or a required element is missing or not a
    number. Unless `complete`, name and size of the image may be missing.
    """
    try:
        encoded, encoding = text_encoding.xml_for_lxml(encoded)
    except UnicodeDecodeError as error:
        raise unreadable(path, None, f"the xml is not text: {error.reason}. Save it as UTF-8.") from error
    # A parser must not be shared between threads, and making one is cheap.
    parser = etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    root = _root(path, encoded, parser)
    for entity in root.iter(etree.Entity):
        # Unexpanded, it would cut off the text around it.
        named = value_parsing.cut(entity.text)
        text = f"it has the entity {named}, which is not expanded. Replace it by its text."
        raise unreadable(path, entity.sourceline, text)
    if not complete:
        return _parse_incomplete(path, root)
    filename, size = child(path, root, "filename"), child(path, root, "size")
    return VocAnnotation(
        filename=text_of(path, filename),
        filename_line=filename.sourceline,
        width=_pixels(path, child(path, size, "width")),
        height=_pixels(path, child(path, size, "height")),
        size_line=size.sourceline,
        objects=read_objects(path, root),
    )


def _root(path: Path, encoded: bytes, parser):
    try:
        return etree.fromstring(encoded, parser)
    except etree.XMLSyntaxError as error:
        text = f"the xml is not well-formed: {value_parsing.cut(str(error.msg))}."
        if "encod" in text or "not proper UTF-8" in text:
            text += " Save it as UTF-8, or declare its encoding in the first line."
        raise unreadable(path, error.lineno, text) from error


def _parse_incomplete(path: Path, root) -> VocAnnotation:
    if root.tag != "annotation":
        text = f"the root is <{value_parsing.cut(str(root.tag))}>, not the <annotation> of Pascal VOC."
        raise UnusableImage(path, root.sourceline, OTHER_ROOT, text)
    filename, size = root.find("filename"), root.find("size")
    width, height = value_parsing.size(root.findtext("size/width"), root.findtext("size/height")) or (0, 0)
    return VocAnnotation(
        filename=(root.findtext("filename") or "").strip(),
        filename_line=(root if filename is None else filename).sourceline,
        width=width,
        height=height,
        size_line=(root if size is None else size).sourceline,
        objects=read_objects(path, root),
    )


def _pixels(path: Path, element) -> int:
    value = number(path, element, int)
    if value <= 0:
        raise unreadable(path, element.sourceline, f"<{element.tag}> is {value}; an image side is at least 1 pixel.")
    return value
