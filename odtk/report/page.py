"""The layout of every page: one self-contained HTML file, its style, security policy and navigation."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from lxml import etree
from lxml import html as lxml_html

from odtk import atomic
from odtk.report.html import element

_STYLE = Path(__file__).with_name("page.css")

# No scripts, and nothing is loaded: only the page's own styles and pictures, embedded or (of few pages) beside it.
_POLICY = "default-src 'none'; img-src {images}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(
    title: str,
    kicker: str,
    heading: str,
    summary: Iterable["etree._Element | str | None"],
    sections: Iterable["etree._Element | None"],
    pictures_beside: bool = False,
) -> bytes:
    """The page as UTF-8 HTML: self-contained, with style and pictures, without scripts.

    With `pictures_beside` it may also show picture files below its own folder.

    Below `kicker` (the command that made the page) and `heading` come the elements of `summary`, links to the sections
    (see `html.section`), and the sections; None is skipped.
    """
    parts = [part for part in sections if part is not None]
    images = "data: file: 'self'" if pictures_beside else "data:"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY.format(images=images)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", _STYLE.read_text(encoding="utf-8")),
    )
    header = element(
        "header", element("p", kicker, class_="kicker"), element("h1", heading), *summary, _navigation(parts)
    )
    body = element("body", header, element("main", *parts))
    return lxml_html.tostring(element("html", head, body, lang="en"), doctype="<!doctype html>", encoding="utf-8")


def _navigation(sections: Sequence[etree._Element]) -> etree._Element:
    links = [element("li", element("a", part[0].text or "", href=f"#{part.get('id')}")) for part in sections]
    return element("nav", element("ul", *links), aria_label="Contents")


def figures(numbers: Iterable[tuple[str, str]]) -> etree._Element:
    """The main numbers at the top of a page."""
    return element(
        "dl", *(element("div", element("dt", name), element("dd", value)) for name, value in numbers), class_="figures"
    )


def write(path: str | os.PathLike, page: bytes) -> None:
    """Writes a rendered page to a file, atomically."""
    with atomic.atomic_file(path, len(page)) as temporary:
        temporary.write_bytes(page)
