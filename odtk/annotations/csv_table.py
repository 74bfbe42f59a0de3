"""CSV with a row per box, from the TFOD tutorials (filename,width,height,class,xmin,...) and from labeling tools.

The columns are known from the header or, without one, from known tools (`csv_columns`). A row without a box is an image
without objects. There may be a table per split: train_labels.csv and test_labels.csv, or one in each of train/ and
test/.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

from odtk.annotations import data_folder, path_matching, value_parsing
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.csv_columns import Columns, columns_of, without_excel
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.dataset import ORDERS, ImageAnnotation, Listed, MarkedObject
from odtk.annotations.listed_dataset import ListedDataset, SkippedImage, find_image, in_order
from odtk.annotations.value_parsing import finite, short
from odtk.errors import DataError

LOOKED_FOR = "*.csv or *.tsv with a header like filename,width,height,class,xmin,ymin,xmax,ymax (csv)"

_SNIFFED_BYTES = 1 << 16
_BAD = "row cannot be read"


@dataclass(frozen=True)
class _Row:
    """A row, as text; values that are not in the table are empty."""

    line: int
    class_name: str
    box: tuple[str, ...]  # the four numbers, in the order of `columns.sides`
    columns: Columns
    size: tuple[str, str]  # width, height
    split: str | None


@dataclass
class _Entry:
    image: str
    csv: str
    split: str | None
    rows: list[_Row]
    names: tuple[str, str] = ("", "")  # filename, source_id


class CsvDataset(ListedDataset):
    """A table of boxes; see `odtk.annotations.dataset.Dataset`."""

    def _read(self, entry: _Entry) -> ImageAnnotation:
        path, (filename, source_id) = self.path(entry.csv), entry.names
        sizes = {row.size: row.line for row in reversed(entry.rows) if any(row.size)}
        stated, line = next(reversed(sizes.items()), (("", ""), None))
        return ImageAnnotation(
            image_path=data_folder.checked_path(self.folder, entry.image),
            filename=filename,
            objects=tuple(_marked(path, row) for row in entry.rows if row.class_name or any(row.box)),
            stated_size=value_parsing.size(*stated),
            annotation_path=path,
            size_line=line,
            source_id=source_id,
            problems=tuple(_size_problems(path, sizes)),
        )


def sign(files: DataFolder) -> str | None:
    """Why a folder looks like it has such a table; None if it does not."""
    found = _tables(files)
    return f"{next(iter(found))} has columns of images, classes and boxes" if found else None


def is_sure(files: DataFolder) -> bool:
    """Whether there is a header; a table without one may have been made by a script from other annotations there."""
    return any(columns.has_header for columns in _tables(files).values())


def open_csv(files: DataFolder) -> CsvDataset:
    """The dataset of the tables in a folder; if any table is for a split, tables for none are ignored."""
    found = _tables(files)
    tables = {path: path_matching.split_in_name(path) or path_matching.split_of_folders(path) for path in found}
    if not tables:
        raise DataError(f"{files.path} has no {LOOKED_FOR}. Give the folder with it and the images.")
    aside = [path for path, split in tables.items() if split is None] if any(tables.values()) else []
    entries, left_out = {}, {}
    for path, split in sorted(tables.items(), key=lambda item: (item[1] != "train", item[1] or "", item[0])):
        if path not in aside:
            _read_table(files, path, found[path], split, entries, left_out)
    _take_written_splits(entries)
    words = tuple(_words_for_nothing(files, entries))
    names, folders = path_matching.record_names(entries), path_matching.folder_splits(files.images)
    for image, entry in entries.items():
        entry.names = names[image]
    listed = [Listed(image, entry.split or folders.get(image), entry) for image, entry in entries.items()]
    listed += [Listed(key, split, entry) for key, (split, entry) in left_out.items()]
    listed += [
        Listed(image, folders.get(image), _without_row(files, image)) for image in files.images if image not in entries
    ]
    text = "it is ignored because other tables here are for train, val or test."
    bare = [(path, columns) for path, columns in found.items() if not columns.has_header]
    problems = (
        *words,
        *(Problem(files.at(path), None, "table without a header", _bare(columns)) for path, columns in bare),
        *(Problem(files.at(path), None, "table ignored", text) for path in aside),
    )
    return CsvDataset("csv", files.path, in_order(listed), problems=problems)


def _take_written_splits(entries: dict[str, _Entry]) -> None:
    """Uses the split column if it has a value for every image and the tables' names have no splits."""
    written = {image: entry.rows[0].split for image, entry in entries.items()}
    if all(written.values()) and not any(entry.split for entry in entries.values()):
        for image, entry in entries.items():
            entry.split = written[image]


def _bare(columns: Columns) -> str:
    things = ", ".join(sorted(columns.places, key=columns.places.__getitem__))
    return f"it has no header, so the columns are read as {things}."


def _without_row(files: DataFolder, image: str) -> SkippedImage:
    text = "it is in no row. An image without objects also needs a row, one without a box."
    return SkippedImage(files.at(image), None, "image without a row", text, is_bad=False)


def _tables(files: DataFolder) -> dict[str, Columns]:
    """The tables with a header or, if none has one, those with known columns, each with its columns."""
    found = {path: columns for path in files.with_suffix(".csv", ".tsv") if (columns := _columns(files, path))}
    headed = {path: columns for path, columns in found.items() if columns.has_header}
    return headed or found


def _columns(files: DataFolder, path: str) -> Columns | None:
    return columns_of(data_folder.text_start(files.path, path, _SNIFFED_BYTES))


def _read_table(
    files: DataFolder, path: str, columns: Columns, split: str | None, entries: dict, left_out: dict
) -> None:
    """Adds a table's rows to `entries` by image, and rows without an image to `left_out` by key."""
    roots, found = path_matching.search_roots(path), {}
    for written, row in _rows(files, path, columns):
        if written not in found:
            found[written] = find_image(files, written, roots, (files.at(path), row.line), "the row names")
        image, key = found[written], f"{path}#{written}"
        if isinstance(image, str) and image in entries and entries[image].csv != path:
            text = f"the row is for {image}, which has rows in {entries[image].csv} too. Put all of them in one table."
            image = SkippedImage(files.at(path), row.line, "rows in several tables", text)
        if isinstance(image, SkippedImage):
            left_out.setdefault(key, (split, image))
        else:
            entries.setdefault(image, _Entry(image, path, split, [])).rows.append(row)


def _rows(files: DataFolder, path: str, columns: Columns) -> Iterator[tuple[str, _Row]]:
    """Each row with the image name in it."""
    text = data_folder.read_text(files.path, path)
    delimiter, is_header = columns.delimiter, columns.has_header
    reader = csv.reader(io.StringIO(without_excel(text, "\n"), newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if is_header:
                is_header = False
                continue
            of = {
                thing: cells[column].strip() if column < len(cells) else "" for thing, column in columns.places.items()
            }
            if not of["image"]:
                raise DataError(f"{files.at(path)}:{reader.line_num}: the row {short(cells)} names no image.")
            size = of.get("width", ""), of.get("height", "")
            box = tuple(of[side] if delimiter == "," else of[side].replace(",", ".") for side in columns.sides)
            yield (
                of["image"],
                _Row(reader.line_num, of["class"], box, columns, size, path_matching.folder_split(of.get("split", ""))),
            )
    except csv.Error as error:
        raise DataError(f"{files.at(path)}:{reader.line_num}: the row cannot be read: {error}.") from error


def _words_for_nothing(files: DataFolder, entries: dict[str, _Entry]) -> Iterator[Problem]:
    """Removes classes without any box, such as "No finding": their rows are images without objects."""
    boxed = {row.class_name for entry in entries.values() for row in entry.rows if any(row.box)}
    seen = {}
    for entry in entries.values():
        for place, row in enumerate(entry.rows):
            if row.class_name and row.class_name not in boxed:
                seen.setdefault(row.class_name, (files.at(entry.csv), row.line))
                entry.rows[place] = replace(row, class_name="")
    for name, (path, line) in seen.items():
        text = f"no row of the class {short(name)} has a box, so its rows are read as images without objects."
        yield Problem(path, line, "class without boxes", text)


def _marked(path: str, row: _Row) -> MarkedObject:
    if not any(row.box):
        text = f"the row has the class {short(row.class_name)} but no box. Add the box, or remove the class."
        raise UnusableImage(path, row.line, _BAD, text)
    box = tuple(map(finite, row.box))
    for name, side, written in zip(row.columns.sides, box, row.box, strict=True):
        if side is None:
            text = (
                f"{name} is {short(written)}, not a number. All four are needed, or none for an image without objects."
            )
            raise UnusableImage(path, row.line, _BAD, text)
    if not row.class_name:
        raise UnusableImage(path, row.line, _BAD, "the row has a box but no class.")
    order = row.columns.order
    return MarkedObject(row.class_name, ORDERS[order](*box), line=row.line, written=order)


def _size_problems(path: str, sizes: dict[tuple[str, str], int]) -> Iterator[Problem]:
    stated = list(reversed(sizes.items()))
    for size, line in stated[1:]:
        text = (
            f"the row's size is {short('x'.join(size))}, but {short('x'.join(stated[0][0]))} in the image's first row."
        )
        yield Problem(path, line, "rows disagree about the size", text)
