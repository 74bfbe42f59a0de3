"""CSV with a row per box, of the TFOD tutorials (filename,width,height,class,xmin,...) and of labelling tools.

The header says what is in which column. A row without a box is an image without objects. There may be a table per
split: train_labels.csv and test_labels.csv, or one in each of train/ and test/.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from odtk.annotations import data_folder, path_words, written_values
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.listed_dataset import LeftOut, ListedDataset, find_image, in_order
from odtk.annotations.listing import ImageAnnotation, Listed, MarkedObject
from odtk.annotations.written_values import finite, short
from odtk.errors import DataError

LOOKED_FOR = "*.csv with a header like filename,width,height,class,xmin,ymin,xmax,ymax (csv)"

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
    "width": ("width", "image_width", "img_width"),
    "height": ("height", "image_height", "img_height"),
}
_OPTIONAL = {"width", "height"}
_SIDES = ("ymin", "xmin", "ymax", "xmax")
_EXCEL = re.compile(r"\A\s*sep=.\s*[\r\n]")  # a line before the header, for Excel alone
_DELIMITERS = ",;\t|"
_SNIFFED_BYTES = 1 << 16
_BAD = "row cannot be read"


@dataclass(frozen=True)
class _Row:
    """A row, as text; what is not in the table is empty."""

    line: int
    class_name: str
    box: tuple[str, str, str, str]  # yxyx
    size: tuple[str, str]  # width, height


@dataclass
class _Entry:
    image: str
    csv: str
    split: str | None
    rows: list[_Row]
    names: tuple[str, str] = ("", "")  # filename, source_id


class CsvDataset(ListedDataset):
    """A table of boxes; see `odtk.annotations.listing.Dataset`."""

    def _read(self, entry: _Entry) -> ImageAnnotation:
        path, (filename, source_id) = self.path(entry.csv), entry.names
        sizes = {row.size: row.line for row in reversed(entry.rows) if any(row.size)}
        stated, line = next(reversed(sizes.items()), (("", ""), None))
        return ImageAnnotation(
            image_path=data_folder.checked_path(self.folder, entry.image),
            filename=filename,
            objects=tuple(_marked(path, row) for row in entry.rows if row.class_name or any(row.box)),
            stated_size=written_values.size(*stated),
            annotation_path=path,
            size_line=line,
            source_id=source_id,
            problems=tuple(_size_problems(path, sizes)),
        )


def sign(files: DataFolder) -> str | None:
    """What makes a folder look like such a table, if anything does."""
    found = _tables(files)
    return f"{found[0]} has columns of images, classes and boxes" if found else None


def open_csv(files: DataFolder) -> CsvDataset:
    """The data set of the tables in a folder; a table of one split puts those of none aside."""
    tables = {path: path_words.split_in_name(path) or path_words.split_of_folders(path) for path in _tables(files)}
    if not tables:
        raise DataError(f"{files.path} has no {LOOKED_FOR}. Name the folder that holds it and the images.")
    aside = [path for path, split in tables.items() if split is None] if any(tables.values()) else []
    entries, left_out = {}, {}
    for path, split in sorted(tables.items(), key=lambda item: (item[1] != "train", item[1] or "", item[0])):
        if path not in aside:
            _read_table(files, path, split, entries, left_out)
    words = tuple(_words_for_nothing(files, entries))
    names, folders = path_words.record_names(entries), path_words.folder_splits(files.images)
    for image, entry in entries.items():
        entry.names = names[image]
    listed = [Listed(image, entry.split or folders.get(image), entry) for image, entry in entries.items()]
    listed += [Listed(key, split, entry) for key, (split, entry) in left_out.items()]
    listed += [
        Listed(image, folders.get(image), _without_row(files, image)) for image in files.images if image not in entries
    ]
    text = "it is left aside, as other tables here are of train, val or test."
    problems = (*words, *(Problem(files.at(path), None, "table left aside", text) for path in aside))
    return CsvDataset("csv", files.path, in_order(listed), problems=problems)


def _without_row(files: DataFolder, image: str) -> LeftOut:
    text = "no row names it. An image without objects needs one, too: without a box."
    return LeftOut(files.at(image), None, "image without a row", text, is_bad=False)


def _tables(files: DataFolder) -> list[str]:
    return [path for path in files.with_suffix(".csv") if _has_header(files, path)]


def _has_header(files: DataFolder, path: str) -> bool:
    return _header(data_folder.text_start(files.path, path, _SNIFFED_BYTES)) is not None


def _header(text: str) -> tuple[str, dict[str, int]] | None:
    """The delimiter, and the column of each thing, of a table's first line; None where some are missing."""
    line = re.split(r"[\r\n]", _EXCEL.sub("", text).lstrip(), maxsplit=1)[0]
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error:
            continue
        cells = [cell.strip().lower().replace(" ", "_").replace("-", "_") for cell in cells]
        columns = {
            thing: next((cells.index(alias) for alias in aliases if alias in cells), None)
            for thing, aliases in _ALIASES.items()
        }
        if all(column is not None for thing, column in columns.items() if thing not in _OPTIONAL):
            return delimiter, {thing: column for thing, column in columns.items() if column is not None}
    return None


def _read_table(files: DataFolder, path: str, split: str | None, entries: dict, left_out: dict) -> None:
    """Adds a table's rows to `entries` by image, and what has no image to `left_out` by key."""
    roots, found = path_words.search_roots(path), {}
    for written, row in _rows(files, path):
        if written not in found:
            found[written] = find_image(files, written, roots, (files.at(path), row.line), "the row names")
        image, key = found[written], f"{path}#{written}"
        if isinstance(image, str) and image in entries and entries[image].csv != path:
            text = f"the row is for {image}, which has rows in {entries[image].csv}. Put all of them in one table."
            image = LeftOut(files.at(path), row.line, "rows in several tables", text)
        if isinstance(image, LeftOut):
            left_out.setdefault(key, (split, image))
        else:
            entries.setdefault(image, _Entry(image, path, split, [])).rows.append(row)


def _rows(files: DataFolder, path: str) -> Iterator[tuple[str, _Row]]:
    """What each row calls its image, and the row."""
    text = data_folder.read_text(files.path, path)
    delimiter, columns = _header(text)
    reader = csv.reader(io.StringIO(_EXCEL.sub("\n", text), newline=""), delimiter=delimiter)
    is_header = True
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if is_header:
                is_header = False
                continue
            of = {thing: cells[column].strip() if column < len(cells) else "" for thing, column in columns.items()}
            if not of["image"]:
                raise DataError(f"{files.at(path)}:{reader.line_num}: the row {short(cells)} names no image.")
            size = of.get("width", ""), of.get("height", "")
            box = tuple(of[side] if delimiter == "," else of[side].replace(",", ".") for side in _SIDES)
            yield of["image"], _Row(reader.line_num, of["class"], box, size)
    except csv.Error as error:
        raise DataError(f"{files.at(path)}:{reader.line_num}: the row cannot be read: {error}.") from error


def _words_for_nothing(files: DataFolder, entries: dict[str, _Entry]) -> Iterator[Problem]:
    """Takes away the classes that no row has a box of, such as "No finding": such a row says that there is nothing."""
    boxed = {row.class_name for entry in entries.values() for row in entry.rows if any(row.box)}
    seen = {}
    for entry in entries.values():
        for place, row in enumerate(entry.rows):
            if row.class_name and row.class_name not in boxed:
                seen.setdefault(row.class_name, (files.at(entry.csv), row.line))
                entry.rows[place] = replace(row, class_name="")
    for name, (path, line) in seen.items():
        text = f"no row of the class {short(name)} has a box, so that it is taken for the word for no object."
        yield Problem(path, line, "class without boxes", text)


def _marked(path: str, row: _Row) -> MarkedObject:
    if not any(row.box):
        text = f"the row has the class {short(row.class_name)} and no box. Without objects it needs no class either."
        raise UnusableImage(path, row.line, _BAD, text)
    box = tuple(finite(side) for side in row.box)
    for name, side, written in zip(_SIDES, box, row.box, strict=True):
        if side is None:
            text = (
                f"{name} is {short(written)}, not a number. All four are needed, or none for an image without objects."
            )
            raise UnusableImage(path, row.line, _BAD, text)
    if not row.class_name:
        raise UnusableImage(path, row.line, _BAD, "the row has a box and no class.")
    return MarkedObject(row.class_name, box, line=row.line)


def _size_problems(path: str, sizes: dict[tuple[str, str], int]) -> Iterator[Problem]:
    stated = list(reversed(sizes.items()))
    for size, line in stated[1:]:
        text = f"the row's size is {short('x'.join(size))}, the image's first row says {short('x'.join(stated[0][0]))}."
        yield Problem(path, line, "rows disagree about the size", text)
