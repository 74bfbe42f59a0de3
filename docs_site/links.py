"""Links of Markdown pages: which there are, and whether what they lead to is there."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_HTML = re.compile(r"<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)=\"([^\"]+)\"")
_CODE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$")
_ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|//", re.IGNORECASE)


class Link(NamedTuple):
    """A link's target, and where it stands."""

    target: str
    page: Path
    line: int

    @property
    def is_here(self) -> bool:
        """Whether it leads to a file or a heading of the repository."""
        return not _ELSEWHERE.match(self.target)


def links(page: Path) -> Iterator[Link]:
    """Every link and picture of a page, outside of code. A link's text may go over a line's end."""
    text = prose(page.read_text("utf-8"))
    for pattern in (_LINK, _HTML):
        for found in pattern.finditer(text):
            yield Link(found[1], page, text.count("\n", 0, found.start()) + 1)


def prose(text: str) -> str:
    """The text without code: blocks and spans become blank, and lines keep their numbers."""
    lines, fenced = [], False
    for line in text.splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
            line = ""
        lines.append("" if fenced or line.startswith("    ") else line)
    return _CODE.sub(lambda code: " " * len(code[0]), "\n".join(lines))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    fenced = False
    for line in page.read_text("utf-8").splitlines():
        fenced ^= line.startswith("```")
        heading = None if fenced else _HEADING.match(line)
        if heading:
            name = slug(heading[1])
            found.add(f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1
    return found


def slug(heading: str) -> str:
    """The anchor of a heading: small letters and digits, with dashes for the spaces."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def problem(link: Link, root: Path) -> str | None:
    """What is wrong with a link of this repository; None if it leads somewhere."""
    path, _, fragment = unquote(link.target).partition("#")
    target = (link.page.parent / path).resolve() if path else link.page
    if root not in target.parents and target != root:
        return "it leads out of the repository"
    if not target.exists():
        return "there is no such file"
    if fragment and target.suffix == ".md" and fragment not in anchors(target):
        return f"{target.name} has no heading with this anchor"
    return None
