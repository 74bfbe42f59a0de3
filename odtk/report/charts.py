"""Tables with bars and heat colors, and histograms."""

from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from odtk.report.html import element, table

_NUM_COLORS = 4  # page.css has this many bar colors


@dataclass(frozen=True)
class Histogram:
    """A histogram: the bins in order, each with a name and a count."""

    name: str  # "image-sizes"
    caption: str  # "Image sizes"
    unit: str  # unit of the bins: "pixels"
    of: str  # what is counted: "images"
    bins: tuple[tuple[str, int], ...]


def bars(shares: Sequence[float]) -> etree._Element:
    """A `td` with a bar for each fraction (0..1) of the greatest value; the numbers themselves are in other cells."""
    spans = [
        element("span", class_=f"bar-{index % _NUM_COLORS}", style=f"width: {100 * share:.1f}%")
        for index, share in enumerate(shares)
    ]
    return element("td", *spans, class_="bars", aria_hidden="true")


def swatch(index: int) -> etree._Element:
    """The color of the bars with number `index`, for a column's heading."""
    return element("span", class_=f"swatch bar-{index % _NUM_COLORS}", aria_hidden="true")


def histogram(counted: Histogram) -> etree._Element:
    """A table of counts with bars; empty bins at the ends are left out."""
    filled = [index for index, (_, count) in enumerate(counted.bins) if count]
    shown = counted.bins[filled[0] : filled[-1] + 1] if filled else ()
    greatest = max((count for _, count in shown), default=0)
    rows = [[name, f"{count:,}", bars([count / greatest])] for name, count in shown]
    return table(counted.caption, [counted.unit, counted.of, ""], rows)


def heat_cell(part: int, whole: int) -> etree._Element:
    """A `td` "part of whole", colored by the fraction; a dash if the whole is 0."""
    if not whole:
        return element("td", "–", class_="faint")
    return element("td", f"{part:,} of {whole:,}", style=f"--share: {part / whole:.3f}")
