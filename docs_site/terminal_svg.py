"""Draws an asciicast as an animated SVG without scripts, which a README can show.

    python -m docs_site.terminal_svg docs/demo.cast.gz docs/demo.svg --speed 8

A terminal in Python (pyte) plays the recording; each frame is a column of lines, and the picture moves from one column
to the next. Equal lines are drawn once and used again.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import pyte

from docs_site.recording import read_cast

CELL_WIDTH, LINE_HEIGHT, FONT_SIZE = 8.4, 19, 14
MARGIN, BAR = 16, 36
_INK, _PAPER = "#d0d7de", "#0d1117"
_COLORS = {
    "black": "#484f58",
    "red": "#ff7b72",
    "green": "#3fb950",
    "brown": "#d29922",
    "blue": "#58a6ff",
    "magenta": "#bc8cff",
    "cyan": "#39c5cf",
    "white": "#b1bac4",
    "brightblack": "#8b949e",
    "brightred": "#ffa198",
    "brightgreen": "#56d364",
    "brightbrown": "#e3b341",
    "brightyellow": "#e3b341",
    "brightblue": "#79c0ff",
    "brightmagenta": "#d2a8ff",
    "brightcyan": "#56d4dd",
    "brightwhite": "#f0f6fc",
}


class Frame(NamedTuple):
    """A screen: its lines as SVG, and how long it is shown in seconds."""

    lines: tuple[str, ...]
    seconds: float


def frames(path: Path, speed: float, longest: float, per_second: float, last: float) -> list[Frame]:
    """The frames of a recording that is played `speed` times as fast, pauses cut to `longest` seconds.

    What changes within 1/`per_second` seconds is one frame. The last frame stays for `last` seconds.
    """
    header, events = read_cast(path)
    screen = pyte.Screen(header["width"], header["height"])
    stream = pyte.Stream(screen)
    shown: list[Frame] = []
    typed = f"$ {header['command']}"
    stream.feed(typed + "\r\n")
    moments = _moments(events, speed, longest)
    for index, (moment, text) in enumerate(moments):
        stream.feed(text)
        until = moments[index + 1][0] if index + 1 < len(moments) else moment + last
        begun = shown[-1].seconds if shown else 0.0
        lines = _lines(screen)
        if shown and (lines == shown[-1].lines or begun < 1 / per_second):
            shown[-1] = Frame(lines, begun + until - moment)
        else:
            shown.append(Frame(lines, until - moment))
    return shown


def _moments(events: Sequence[tuple[float, str]], speed: float, longest: float) -> list[tuple[float, str]]:
    """The events with the times at which they are shown."""
    moments, now, before = [], 0.0, 0.0
    for moment, text in events:
        now += min((moment - before) / speed, longest)
        before = moment
        moments.append((now, text))
    return moments


def _lines(screen: pyte.Screen) -> tuple[str, ...]:
    return tuple(_line(screen, row) for row in range(screen.lines))


def _line(screen: pyte.Screen, row: int) -> str:
    """A line as tspans, one for each run of cells of one style; "" for an empty one."""
    cells = [screen.buffer[row][column] for column in range(screen.columns)]
    while cells and cells[-1].data == " " and not cells[-1].reverse:
        cells.pop()
    return "".join(_span(column, text, style) for column, text, style in _runs(cells))


def _runs(cells: Sequence) -> Iterator[tuple[int, str, tuple[str, bool]]]:
    start, text, style = 0, "", None
    for column, cell in enumerate(cells):
        color = cell.bg if cell.reverse else cell.fg
        here = (_color(color), bool(cell.bold))
        if here != style and text:
            yield start, text, style
            text = ""
        if not text:
            start, style = column, here
        text += cell.data
    if text and style is not None:
        yield start, text, style


def _color(name: str) -> str:
    if name == "default":
        return _INK
    return _COLORS.get(name, f"#{name}")


def _span(column: int, text: str, style: tuple[str, bool]) -> str:
    if not text.strip():
        return ""
    lead = len(text) - len(text.lstrip(" "))
    color, bold = style
    attributes = f' x="{(column + lead) * CELL_WIDTH:g}"'
    attributes += f' fill="{color}"' if color != _INK else ""
    attributes += ' font-weight="bold"' if bold else ""
    words = text.strip(" ")
    return f'<tspan{attributes} textLength="{len(words) * CELL_WIDTH:g}">{escape(words)}</tspan>'


def svg(shown: Sequence[Frame], columns: int, rows: int, title: str) -> str:
    """The animated picture."""
    width, height = columns * CELL_WIDTH + 2 * MARGIN, rows * LINE_HEIGHT + BAR + MARGIN
    different = dict.fromkeys(line for frame in shown for line in frame.lines if line)
    numbers = {line: number for number, line in enumerate(different)}
    total = sum(frame.seconds for frame in shown)
    steps, at = [], 0.0
    for index, frame in enumerate(shown):
        steps.append(f"{at / total:.4%}{{transform:translateX({-index * width:g}px)}}")
        at += frame.seconds
    texts = [f'<text id="l{number}" xml:space="preserve">{line}</text>' for line, number in numbers.items()]
    columns_of_lines = [
        "".join(
            f'<use href="#l{numbers[line]}" x="{index * width:g}" y="{row * LINE_HEIGHT}"/>'
            for row, line in enumerate(frame.lines)
            if line
        )
        for index, frame in enumerate(shown)
    ]
    dots = "".join(
        f'<circle cx="{MARGIN + 6 + 20 * n}" cy="{BAR / 2:g}" r="6" fill="{color}"/>'
        for n, color in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>text{{font:{FONT_SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
            f"fill:{_INK}}}"
            f"@keyframes play{{{''.join(steps)}}}#film{{animation:play {total:.2f}s steps(1,end) infinite}}</style>",
            f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{_PAPER}"/>',
            dots,
            f"<defs>{''.join(texts)}</defs>",
            f'<svg x="{MARGIN}" y="{BAR}" width="{columns * CELL_WIDTH:g}" height="{rows * LINE_HEIGHT}">'
            f'<g id="film"><g transform="translate(0 {FONT_SIZE})">',
            *columns_of_lines,
            "</g></g></svg>",
            "</svg>",
            "",
        ]
    )


def main() -> None:
    """Draws the recording of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cast", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--speed", type=float, default=8.0, help="how many times as fast it is played")
    parser.add_argument("--longest", type=float, default=0.6, help="the longest pause, in seconds")
    parser.add_argument("--per-second", type=float, default=4.0, help="frames per second, at most")
    parser.add_argument("--last", type=float, default=6.0, help="how long the last frame stays, in seconds")
    given = parser.parse_args()
    header, _ = read_cast(given.cast)
    shown = frames(given.cast, given.speed, given.longest, given.per_second, given.last)
    picture = svg(shown, header["width"], header["height"], f"{header['title']}, played {given.speed:g} times as fast")
    given.picture.write_text(picture, "utf-8")
    seconds = sum(frame.seconds for frame in shown)
    print(f"Wrote {given.picture}: {len(shown)} frames, {seconds:.0f} s, {len(picture) // 1000} kB.")


if __name__ == "__main__":
    main()
