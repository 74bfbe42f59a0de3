"""Elements of an HTML page, built as a tree, so that text from a dataset can never become markup."""

import re
from collections.abc import Sequence

from lxml import etree

# Not allowed in XML: control characters, lone surrogates (from file names that are not UTF-8) and non-characters.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Where a long name may be broken into lines: after a folder or a word, or before the suffix.
_BREAKS = re.compile(r"(?<=[/\\_])|(?=\.[A-Za-z]\w{0,4}\b)")


_CODE = re.compile("`([^`]+)`")


def element(tag: str, *children: "etree._Element | str | None", **attributes: str) -> etree._Element:
    """`<tag>` with text and elements in order, without None; attributes are given as `class_`, `aria_label` ..."""
    made = etree.Element(tag, {key.strip("_").replace("_", "-"): printable(text) for key, text in attributes.items()})
    for child in children:
        if isinstance(child, str):
            _append_text(made, printable(child))
        elif child is not None:
            made.append(child)
    return made


def printable(text: str) -> str:
    """`text` with a replacement character for each character that is not allowed in a page."""
    return _UNPRINTABLE.sub("\ufffd", text)


def _append_text(parent: etree._Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def code(text: str) -> etree._Element:
    """`<code>` with a file name, or text with one, that may be broken between its parts."""
    first, *parts = _BREAKS.split(text)
    return element("code", first, *(piece for part in parts for piece in (element("wbr"), part)))


def prose(text: str) -> list["etree._Element | str"]:
    """A text as children of an element: text between `backticks`, mostly commands, becomes `<code>`."""
    return [element("code", part) if number % 2 else part for number, part in enumerate(_CODE.split(text)) if part]


def section(name: str, title: str, *children: "etree._Element | str | None") -> etree._Element:
    """A section of the page with a heading, to which the table of contents links by `name`."""
    return element("section", element("h2", title), *children, id=name)


def table(caption: str, columns: Sequence, rows: Sequence[Sequence], kind: str = "") -> etree._Element:
    """A table that scrolls in its own box; the first cell of a row is its heading, cells are texts or `td` elements."""
    head = element("tr", *(element("th", *_parts(column), scope="col") for column in columns))
    body = [element("tr", element("th", *_parts(row[0]), scope="row"), *map(_cell, row[1:])) for row in rows]
    made = element("table", element("thead", head), element("tbody", *body), class_=kind)
    # The caption stays in view when the box scrolls sideways, which a <caption> would not.
    box = element("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption)
    return element("figure", element("figcaption", caption), box, class_="table")


def _parts(content) -> Sequence:
    return content if isinstance(content, (list, tuple)) else (content,)


def _cell(content) -> etree._Element:
    return content if isinstance(content, etree._Element) and content.tag == "td" else element("td", *_parts(content))


def picture(uri: str, size: tuple[int, int], alt: str, *caption: "etree._Element | str") -> etree._Element:
    """A figure; `size` (width, height) lets a browser reserve its space."""
    image = element("img", src=uri, alt=alt, width=str(size[0]), height=str(size[1]), loading="lazy", decoding="async")
    return element("figure", image, element("figcaption", *caption))


def themed_picture(
    light: str, dark: str, size: tuple[int, int], alt: str, *caption: "etree._Element | str"
) -> etree._Element:
    """As `picture`, of two URIs: a browser shows the one that is made for the reader's color scheme."""
    made = picture(light, size, alt, *caption)
    source = element("source", srcset=dark, media="(prefers-color-scheme: dark)")
    made.insert(0, element("picture", source, made[0]))
    return made
