"""Writes corrections of annotations, as someone made them of suspected label errors, into a dataset's own files."""

from __future__ import annotations

import os
from collections.abc import Callable

from odtk.annotations.frames import EXIF_CHOICES
from odtk.datasets.corrections import read_corrections
from odtk.datasets.written_corrections import WrittenCorrections, apply_corrections
from odtk.tools.arguments import require_one_of


def correct(
    data_dir: str | os.PathLike,
    corrections: str | os.PathLike,
    *,
    format: str | None = None,
    boxes: str | None = None,
    exif: str = "auto",
    resume: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> WrittenCorrections:
    """Changes the annotation files in `data_dir`, the folder of a dataset, as the table `corrections` says.

    Its columns are those of `odtk.datasets.corrections.COLUMNS`. VOC, COCO, YOLO and CSV can be written, and boxes of
    the Pet layout. Only the annotations in question change; the first original of a file is kept beside it, as
    NAME.orig. All or nothing: if one correction cannot be written, no file changes. `format`, `boxes` and `exif` are
    those of make_tfrecords. With `resume`, corrections that an earlier writing, which was cut off, has made are left
    out instead of refused; a hidden file in `data_dir` says which. Raises DataError for a row that says nothing clear,
    for a box that is not annotated (any more), for a new one that is there already, for a class that the dataset does
    not have, and for an outline, whose box cannot be set; OutputError while another process writes corrections there.
    """
    require_one_of(EXIF_CHOICES, exif=exif)
    table = read_corrections(corrections)
    found = apply_corrections(data_dir, table, format=format, boxes=boxes, exif=exif, resume=resume)
    if found.files:
        log("Make the records again, and train or evaluate with them.")
    return found
