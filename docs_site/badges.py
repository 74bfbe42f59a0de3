"""README's badges, drawn from pyproject.toml: they need no service, and no address that does not exist yet.

    python -m docs_site.badges

writes docs/badges/*.svg.
"""

import re
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/badges"
_CHARACTER, _PADDING, _HEIGHT = 6.6, 12, 20
_LABEL, _VALUE = "#555", "#0969da"


def badges(pyproject: str, version: str) -> dict[str, str]:
    """The SVG of each badge by its file name, from the text of pyproject.toml and odtk's version."""
    pythons = re.findall(r"Programming Language :: Python :: (3\.\d+)", pyproject)
    least, below = re.search(r'"tensorflow>=(2\.\d+),<2\.(\d+)"', pyproject).groups()
    license_name = re.search(r'^license = "(.+)"$', pyproject, re.MULTILINE)[1]
    said = {
        "version": ("odtk", version),
        "python": ("Python", f"{pythons[0]} to {pythons[-1]}"),
        "tensorflow": ("TensorFlow", f"{least} to 2.{int(below) - 1}"),
        "license": ("license", license_name),
    }
    return {f"{name}.svg": badge(label, value) for name, (label, value) in said.items()}


def badge(label: str, value: str) -> str:
    """A badge: the label on gray, the value on blue."""
    left, right = (len(text) * _CHARACTER + _PADDING for text in (label, value))
    width = left + right
    texts = "".join(
        f'<text x="{middle:g}" y="14" textLength="{len(text) * _CHARACTER:g}">{escape(text)}</text>'
        for text, middle in ((label, left / 2), (value, left + right / 2))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{_HEIGHT}" role="img">'
        f"<title>{escape(label)}: {escape(value)}</title>"
        f'<clipPath id="round"><rect width="{width:g}" height="{_HEIGHT}" rx="3"/></clipPath>'
        '<g clip-path="url(#round)">'
        f'<rect width="{left:g}" height="{_HEIGHT}" fill="{_LABEL}"/>'
        f'<rect x="{left:g}" width="{right:g}" height="{_HEIGHT}" fill="{_VALUE}"/></g>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{texts}</g></svg>\n"
    )


def main() -> None:
    """Writes the badges of this checkout."""
    from odtk import __version__

    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in badges((ROOT / "pyproject.toml").read_text("utf-8"), __version__).items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
