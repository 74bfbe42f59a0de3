"""Charts as PNGs in the colors of a page: one for light and one for dark, drawn by the same code.

Drawn with matplotlib's Figure alone: pyplot's global state would disturb a notebook's own figures.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from lxml import etree

from odtk.report.html import themed_picture
from odtk.report.pictures import png_uri

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 400  # pixels of a page
_PER_INCH = 100  # pixels of a page
_SHARPNESS = 2  # pixels of the file for one of the page
_LONGEST_NAME, _END = 22, 5  # letters
_NUM_COLORS = 128  # of a file: enough for soft edges, and a third of the bytes


@dataclass(frozen=True)
class Palette:
    """Colors, those of page.css where it has such."""

    paper: str
    ink: str
    faint: str
    line: str
    series: tuple[str, ...]
    good: str
    bad: str
    missed: str


LIGHT = Palette(
    "#fdfdfc", "#1d2125", "#565d66", "#d5d7d2",
    ("#2f6f9f", "#c2711f", "#5b8a3a", "#8a5a9e", "#b3472f", "#4a8f8c"), "#1b6b3a", "#b3261e", "#c2711f",
)  # fmt: skip
DARK = Palette(
    "#16181b", "#e6e7e4", "#a7adb5", "#3a4047",
    ("#6fb1e0", "#e8a05a", "#9fcc7c", "#c79bdc", "#f08a74", "#7fd0cb"), "#83d6a0", "#ff9b92", "#e8a05a",
)  # fmt: skip

Draw = Callable[["Figure", Palette], None]


@dataclass(frozen=True)
class Chart:
    """A chart as two PNGs of the same size, and what it shows in words."""

    light: bytes
    dark: bytes
    size: tuple[int, int]  # width and height in pixels of a page; the files have more
    alt: str


def render(draw: Draw, height: int, alt: str) -> Chart:
    """Draws the chart twice; it is WIDTH by `height` pixels of a page, so that its texts are the page's size there."""
    return Chart(_png(draw, LIGHT, height), _png(draw, DARK, height), (WIDTH, height), alt)


def chart_figure(chart: Chart, *caption: etree._Element | str) -> etree._Element:
    """The chart on a page, in the reader's choice of light or dark."""
    return themed_picture(png_uri(chart.light), png_uri(chart.dark), chart.size, chart.alt, *caption)


def shortened(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name on one line; one that is longer than a chart has room for lacks its middle, as its end may be a number."""
    name = " ".join(name.split())
    return name if len(name) <= longest else f"{name[: longest - _END - 1]}…{name[-_END:]}"


def _png(draw: Draw, palette: Palette, height: int) -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    with rc_context(_parameters(palette)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # of a name: it is drawn as a box
        figure = Figure((WIDTH / _PER_INCH, height / _PER_INCH), _PER_INCH * _SHARPNESS, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        draw(figure, palette)
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    few = image.quantize(_NUM_COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)  # keeps rare colors
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _parameters(palette: Palette) -> dict:
    from cycler import cycler

    texts = ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.labelcolor", "ytick.labelcolor")
    lines = ("axes.edgecolor", "xtick.color", "ytick.color", "grid.color", "legend.edgecolor")
    papers = ("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor")
    return {
        **dict.fromkeys(texts, palette.ink),
        **dict.fromkeys(lines, palette.line),
        **dict.fromkeys(papers, palette.paper),
        "axes.prop_cycle": cycler(color=palette.series),
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 9,
        "axes.labelsize": 8,
        "font.size": 8,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.fontsize": 7.5,
        "legend.framealpha": 0.8,
        "lines.linewidth": 1.4,
        "text.parse_math": False,  # a class may be named with $
    }
