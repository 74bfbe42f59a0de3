"""The annotation formats: detects the one of a folder, and opens the dataset in it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from odtk.annotations import coco, csv_table, data_folder, foreign_formats, pets, unknown_formats, voc, yolo
from odtk.annotations.annotated_image import Problem
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.dataset import Dataset
from odtk.annotations.listed_dataset import ListedDataset, finished
from odtk.errors import DataError, Option

# Those that `open_dataset` opens; the Pet layout, with its classes in file names and trimaps, is read by `pets`.
FORMATS = ("voc", "coco", "yolo", "csv")
PETS = "pets"

_MODULES = {"voc": voc, "coco": coco, "yolo": yolo, "csv": csv_table}


def open_dataset(folder: str | os.PathLike, format: str | None = None, keep_segmentations: bool = False) -> Dataset:
    """The dataset in a folder, in one of FORMATS, detected if none is given.

    `keep_segmentations` keeps COCO's, which need much memory. Raises DataError if the folder holds no such data.
    """
    format = format or guess(folder)
    if format not in FORMATS:
        raise DataError(
            f"{folder}: the format {format} is not opened here; one of {', '.join(FORMATS)} is expected.",
            argument="format",
        )
    files = DataFolder(folder)
    if not files.images:
        links = "".join(f" {problem}" for problem in files.problems)
        raise DataError(
            f"{files.path} has no images (*.jpg, *.png, ...). Give the folder with images and annotations.{links}"
        )
    foreign = None if _MODULES[format].sign(files) else foreign_formats.sign(files)
    if foreign and format == "voc":  # the VOC reader takes any xml as bad data
        raise DataError(foreign)
    try:
        dataset = _open(files, format, keep_segmentations)
    except DataError as error:
        if foreign:
            raise DataError(f"{error} {foreign}") from error
        raise
    if format == "voc" and pets.has_layout(Path(folder)):
        text = "it has the Pet layout but is read as Pascal VOC, with the classes from the xml, not the file names."
        problem = Problem(files.path, None, "Pet layout read as VOC", text)
        dataset = replace(dataset, problems=(problem, *dataset.problems))
    return finished(dataset, files)


def _open(files: DataFolder, format: str, keep_segmentations: bool) -> ListedDataset:
    if format == "coco":
        return coco.open_coco(files, keep_segmentations)
    return {"voc": voc.open_voc, "yolo": yolo.open_yolo, "csv": csv_table.open_csv}[format](files)


def guess(folder: str | os.PathLike, label_map_path: str | None = None) -> str:
    """The format of a folder, "pets" or one of FORMATS; DataError if none fits, or several do.

    With `label_map_path`, a user's own label map, the classes of pets are also looked up in it.
    """
    if data_folder.is_data_set(folder) and not os.path.isdir(folder):
        return "yolo"  # given by its data.yaml
    found = signs(folder, label_map_path)
    if len(found) == 1:
        return next(iter(found))
    if found:
        shown = "; ".join(f"{format}: {sign}" for format, sign in found.items())
        raise DataError(
            f"{os.fspath(folder)} may be of several formats ({shown}). Choose the format: {' or '.join(found)}.",
            argument="format",
            options=[Option("", "--format", format) for format in found],
        )
    files = DataFolder(folder)
    if foreign := foreign_formats.sign(files):
        raise DataError(foreign)
    hint = unknown_formats.hint(files)
    looked_for = "; ".join([f"{pets.LAYOUT} (pets)", *(module.LOOKED_FOR for module in _MODULES.values())])
    raise DataError(
        f"{os.fspath(folder)} is not in a known format{hint and ': '}{hint or '.'} Expected was one of: {looked_for}. "
        f"Found were {_summary(files)}. Give the folder with both images and annotations, or choose the format.",
        argument="format",
    )


def check_pets(folder: str | os.PathLike, label_map_path: str | None = None) -> None:
    """Raises DataError if a folder is not in the Pet layout, or holds other data in it, to be read as VOC."""
    pets.check_layout(Path(folder))
    if why := pets.why_not_pets(Path(folder), label_map_path):
        raise DataError(
            f"{os.fspath(folder)} has the Pet layout, but no pets: {why}. The classes are in the xml: choose the "
            "format voc.",
            argument="format",
        )


def signs(folder: str | os.PathLike, label_map_path: str | None = None) -> dict[str, str]:
    """The reasons for each format that fits. The Pet layout also fits VOC, and excludes all others."""
    if pets.has_layout(Path(folder)):
        why = pets.why_not_pets(Path(folder), label_map_path)
        return {"voc": why} if why else {PETS: "it has images/, annotations/trainval.txt and annotations/xmls/"}
    files = DataFolder(folder)
    found = {format: module.sign(files) for format, module in _MODULES.items()}
    found = {format: sign for format, sign in found.items() if sign}
    if len(found) > 1 and "csv" in found and not csv_table.is_sure(files):
        del found["csv"]
    return found


def _summary(files: DataFolder) -> str:
    """The kinds of files in a folder, the most frequent first."""
    counts: dict[str, int] = {}
    for path in files.files:
        suffix = os.path.splitext(path)[1].lower() or "without suffix"
        counts[suffix] = counts.get(suffix, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: -item[1])[:6]
    return ", ".join(f"{count} {suffix}" for suffix, count in ranked) or "no files"
