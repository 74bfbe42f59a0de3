"""`odtk inspect`: counts and checks data, compares boxes with a config's anchors, and writes an HTML page."""

from __future__ import annotations

import os
from pathlib import Path

from odtk.atomic import check_file
from odtk.datasets import image_index
from odtk.datasets.checks import table
from odtk.datasets.checks.context import CheckContext, context_of
from odtk.datasets.open_dataset import Target, open_target
from odtk.datasets.scan import Rows, scan
from odtk.errors import OutputError
from odtk.findings import counted
from odtk.tools.arguments import require_whole
from odtk.tools.inspect import statistics
from odtk.tools.inspect.inspection import Inspection, document

__all__ = ["Inspection", "document", "inspect", "survey"]

MAX_IMAGES = 20_000
"""Images that are decoded unless all are requested; half a minute to a minute on two cores."""


def inspect(
    target: str | os.PathLike,
    *,
    config: str | os.PathLike | None = None,
    html: str | os.PathLike | None = None,
    index: str | os.PathLike | None = None,
    verify: bool = False,
    max_images: int = MAX_IMAGES,
    format: str | None = None,
    boxes: str | None = None,
    overwrite: bool = False,
) -> Inspection:
    """Reads every image, record and box of `target` (see open_dataset.open_target), and finds problems.

    At most `max_images` images are fully decoded, with `verify` all; annotations, and the checksums of records, are
    always read completely. `config` provides anchors; `html` is the page to write, `index` an SQLite
    file with every image and box (`odtk.datasets.image_index`); `format` and `boxes` (see
    `frames.Rules`) say how to interpret the annotations of a folder. Raises DataError, ConfigError or LabelMapError if
    there are no data, OutputError if the folder of a file to write does not exist or, unless `overwrite`, if the file
    exists.
    """
    require_whole(0, max_images=max_images)
    for path in (html, index):
        if path is not None:
            _check_output(path, overwrite)
    inspection, rows = survey(open_target(target, config, format, boxes), None if verify else max_images)
    inspection.format, inspection.boxes = format, boxes
    if index is not None:
        image_index.write(index, rows, inspection.findings)
        inspection.index = os.fspath(index)
    if html is not None:
        from odtk.tools.inspect.page import write_page
        from odtk.tools.inspect.selection import choose_pictures

        inspection.page = os.fspath(html)
        write_page(html, inspection, choose_pictures(inspection, rows))
    return inspection


def _check_output(path: str | os.PathLike, overwrite: bool) -> None:
    if not Path(path).absolute().parent.exists():
        raise OutputError(f"{path} cannot be written: there is no folder {Path(path).parent}. Make it first.")
    check_file(path, overwrite)


def survey(target: Target, max_images: int | None = None) -> tuple[Inspection, Rows]:
    """The inspection of an open target, and the rows that its examples refer to; `max_images` None decodes all."""
    rows = scan(target, max_images)
    context = context_of(rows)
    inspection = Inspection(
        target=target.name,
        kind=target.kind,
        config=target.config_path,
        label_map=target.label_map,
        verified=bool(rows.decoded.all()),
        splits=statistics.splits(rows),
        classes=statistics.classes(rows),
        histograms=statistics.histograms(context),
        coverage=context.coverage,
        findings=table.run(context),
        not_looked_at=list(_not_looked_at(context)),
    )
    return inspection, rows


def _not_looked_at(context: CheckContext):
    rows = context.rows
    yield from rows.target.notes
    undecoded = int((~rows.decoded).sum())
    if undecoded:
        yield (
            f"{counted(undecoded, 'image was', 'images were')} not decoded, so that damage and duplicates among them "
            "are not found; `odtk inspect ... --verify` decodes all."
        )
    if rows.target.config is None:
        yield "Boxes were not compared with anchors; `odtk inspect ... --config CONFIG` does that."
    elif context.coverage is None:
        yield "Boxes were not compared with anchors: the config's model has none."
    if rows.target.labels is None and not rows.target.is_annotated:
        yield "There is no label map: class names and ids were not compared with one."
