"""Sheets of pictures: a heading above rows of tiles."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from odtk.report.drawing import font_of, wrapped

GAP = 8  # pixels
_TITLE, _NOTE = 20, 14  # pixels of text
_BLACK, _GRAY = (20, 20, 20), (90, 90, 90)
_NARROWEST = 480  # pixels: a heading above a single small picture must be readable, too


def add_heading(sheet: Image.Image, title: str, note: str = "") -> Image.Image:
    """A copy of `sheet` on white with two texts above it, each in as many lines as needed."""
    width = max(sheet.width, _NARROWEST)
    lines = _lines(title, _TITLE, _BLACK, width) + _lines(note, _NOTE, _GRAY, width)
    top = GAP + sum(size + GAP // 2 for _, size, _ in lines) + GAP
    headed = Image.new("RGB", (width, top + sheet.height), "white")
    draw, y = ImageDraw.Draw(headed), GAP
    for text, size, color in lines:
        draw.text((GAP, y), text, font=font_of(size), fill=color)
        y += size + GAP // 2
    headed.paste(sheet, (0, top))
    return headed


def in_rows(tiles: Sequence[Image.Image], columns: int, gap: int = GAP) -> Image.Image:
    """The tiles as they are, row by row on white; a row is as high as its highest tile. Needs at least one."""
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(tile.height for tile in row) for row in rows]
    width = max(tile.width for tile in tiles)
    size = (gap + len(rows[0]) * (width + gap), gap + sum(height + gap for height in heights))
    sheet, top = Image.new("RGB", size, "white"), gap
    for row, height in zip(rows, heights, strict=True):
        for column, tile in enumerate(row):
            sheet.paste(tile, (gap + column * (width + gap), top))
        top += height + gap
    return sheet


def _lines(text: str, size: int, color: tuple, width: int) -> list[tuple[str, int, tuple]]:
    parts = wrapped(" ".join(text.split()), font_of(size), width - 2 * GAP)
    return [(part, size, color) for part in parts if part]
