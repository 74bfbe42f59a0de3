"""The columns of a table of boxes: from its header or, without one, as known tools write them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass

from odtk.annotations.value_parsing import finite
from odtk.files import IMAGE_SUFFIXES

_ALIASES = {
    "image": (
        *("filename", "image", "file", "file_name", "image_name", "image_path", "filepath", "file_path", "path", "img"),
        *("image_id", "imageid", "image_file", "image_filename", "img_name", "img_path", "img_id", "frame"),
    ),
    "class": (
        *("class", "label", "class_name", "classname", "label_name", "labelname", "category", "category_name"),
        *("object", "name"),
    ),
    "xmin": ("xmin", "x_min", "x1", "left", "bbox_xmin", "bbox_x_min", "bbox_x1", "x_1", "min_x", "minx", "xtl"),
    "ymin": ("ymin", "y_min", "y1", "top", "bbox_ymin", "bbox_y_min", "bbox_y1", "y_1", "min_y", "miny", "ytl"),
    "xmax": ("xmax", "x_max", "x2", "right", "bbox_xmax", "bbox_x_max", "bbox_x2", "x_2", "max_x", "maxx", "xbr"),
    "ymax": ("ymax", "y_max", "y2", "bottom", "bbox_ymax", "bbox_y_max", "bbox_y2", "y_2", "max_y", "maxy", "ybr"),
    "x": ("bbox_x", "box_x", "x", "xmin", "x_min", "left"),
    "y": ("bbox_y", "box_y", "y", "ymin", "y_min", "top"),
    "x center": ("x_center", "xcenter", "center_x", "x_centre", "cx", "xc", "bbox_x_center"),
    "y center": ("y_center", "ycenter", "center_y", "y_centre", "cy", "yc", "bbox_y_center"),
    "w": ("bbox_width", "box_width", "bbox_w", "box_w", "w"),
    "h": ("bbox_height", "box_height", "bbox_h", "box_h", "h"),
    "width": ("width", "image_width", "img_width", "imagewidth"),
    "height": ("height", "image_height", "img_height", "imageheight"),
    "split": ("split", "set", "subset", "ml_use", "usage"),
}
_NUMBERS = {
    "xyxy": ("xmin", "ymin", "xmax", "ymax"),
    "xywh": ("x", "y", "w", "h"),
    "cxcywh": ("x center", "y center", "w", "h"),
}
_IMAGE_SIZE, _SPLIT = ("width", "height"), "split"

# Tables without a header: of TFOD's tutorials, keras-retinanet, Make Sense and Google's AutoML ("" is ignored).
_BARE = (
    ("image", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"),
    ("image", "xmin", "ymin", "xmax", "ymax", "class"),
    ("class", "x", "y", "w", "h", "image", "width", "height"),
    ("split", "image", "class", "xmin", "ymin", "", "", "xmax", "ymax", "", ""),
)
_EXCEL = re.compile(r"\A\s*sep=.[ \t]*(\r\n|\n|\r)")  # a line before the header that only Excel uses
_DELIMITERS = ",;\t|"
_TRIED_ROWS = 20


@dataclass(frozen=True)
class Columns:
    """The delimiter, the column of each field, and the order (of `dataset.ORDERS`) of the boxes' numbers."""

    delimiter: str
    places: dict[str, int]
    order: str = "xyxy"
    has_header: bool = True

    @property
    def sides(self) -> tuple[str, ...]:
        """The names of a box's four numbers, in their order."""
        return _NUMBERS[self.order]


def without_excel(text: str, instead: str = "") -> str:
    """The text without Excel's extra first line."""
    return _EXCEL.sub(instead, text)


def columns_of(text: str) -> Columns | None:
    """The columns of a table from its first lines; None if it is not a table of images, classes and boxes."""
    lines = re.split(r"[\r\n]+", without_excel(text).lstrip(), maxsplit=_TRIED_ROWS)[:_TRIED_ROWS]
    for delimiter in _DELIMITERS:
        if (rows := _cells(lines[:1], delimiter)) and (found := _by_header(delimiter, rows[0])):
            return found
    tables = ((delimiter, _cells(lines, delimiter)) for delimiter in _DELIMITERS)
    return next((found for delimiter, rows in tables if rows and (found := _bare(delimiter, rows))), None)


def _cells(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return [[cell.strip() for cell in cells] for cells in csv.reader(lines, delimiter=delimiter) if cells]
    except csv.Error:
        return []


def _by_header(delimiter: str, cells: Iterable[str]) -> Columns | None:
    cells = [cell.lower().replace(" ", "_").replace("-", "_") for cell in cells]
    found = {
        thing: place
        for thing, aliases in _ALIASES.items()
        if (place := next((cells.index(alias) for alias in aliases if alias in cells), None)) is not None
    }
    for order, sides in _NUMBERS.items():
        # In `x, y, width, height` without other columns for the box's size, they are the box's size, not the image's.
        is_box = order == "cxcywh" or (order == "xywh" and "x" in cells)
        own = found
        if is_box and not {"w", "h"} & found.keys() and {"width", "height"} <= {*cells}:
            own = {thing: place for thing, place in found.items() if thing not in _IMAGE_SIZE}
            own |= {"w": cells.index("width"), "h": cells.index("height")}
        if own.keys() >= {"image", "class", *sides}:
            wanted = {"image", "class", *sides, *_IMAGE_SIZE, _SPLIT}
            return Columns(delimiter, {thing: place for thing, place in own.items() if thing in wanted}, order)
    return None


def _bare(delimiter: str, rows: list[list[str]]) -> Columns | None:
    """The columns of a table without a header: known by where its rows have images, classes and numbers.

    Every row has an image; some rows may have no box, and nothing else.
    """
    for layout in _BARE:
        image = layout.index("image")
        if all(len(cells) == len(layout) and _may_be("image", cells[image]) for cells in rows) and any(
            all(map(_may_be, layout, cells)) for cells in rows
        ):
            places = {thing: place for place, thing in enumerate(layout) if thing}
            return Columns(delimiter, places, "xywh" if "w" in places else "xyxy", has_header=False)
    return None


def _may_be(thing: str, cell: str) -> bool:
    if thing == "image":
        return cell.lower().endswith(IMAGE_SUFFIXES)
    if thing == "class":
        return bool(cell) and not cell.lower().endswith(IMAGE_SUFFIXES)
    return thing in ("", _SPLIT) or finite(cell.replace(",", ".")) is not None
