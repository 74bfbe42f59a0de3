"""`odtk inspect`: data counted, checked, compared with the anchors of a config, and shown on a page."""

from __future__ import annotations

import os
from pathlib import Path

from odtk.atomic import check_file
from odtk.datasets.checks import table
from odtk.datasets.checks.context import CheckContext, context_of, counted
from odtk.datasets.open_dataset import Target, open_target
from odtk.datasets.scan import Rows, scan
from odtk.errors import OutputError
from odtk.tools.arguments import require_whole
from odtk.tools.inspect import statistics
from odtk.tools.inspect.inspection import Inspection, document

__all__ = ["Inspection", "document", "inspect", "survey"]

MAX_IMAGES = 20_000
"""Images that are decoded unless all are asked for; half a minute to a minute for two cores."""


def inspect(
    target: str | os.PathLike,
    *,
    config: str | os.PathLike | None = None,
    html: str | os.PathLike | None = None,
    verify: bool = False,
    max_images: int = MAX_IMAGES,
    format: str | None = None,
    boxes: str | None = None,
    overwrite: bool = False,
) -> Inspection:
    """Reads every image, record and box of `target` (see open_dataset.open_target), and finds their problems.

    Of more than `max_images` images only so many are decoded to the last pixel, with `verify` all; annotations, and
    the checksums of records, are read in full either way. `config` gives anchors; `html` is a page to write; `format`
    and `boxes` (see `frames.Rules`) say how the annotations of a folder are meant. Raises DataError, ConfigError or
    LabelMapError where there are no data, OutputError where the page has no folder, or exists, unless
    `overwrite`.
    """
    require_whole(0, max_images=max_images)
    if html is not None:
        if not Path(html).absolute().parent.exists():
            raise OutputError(f"{html} cannot be written: there is no folder {Path(html).parent}. Make it first.")
        check_file(html, overwrite)
    inspection, rows = survey(open_target(target, config, format, boxes), None if verify else max_images)
    inspection.format, inspection.boxes = format, boxes
    if html is not None:
        from odtk.tools.inspect.page import write_page
        from odtk.tools.inspect.selection import choose_pictures

        inspection.page = os.fspath(html)
        write_page(html, inspection, choose_pictures(inspection, rows))
    return inspection


def survey(target: Target, max_images: int | None = None) -> tuple[Inspection, Rows]:
    """The inspection of an open target, and the rows that its examples point into; `max_images` None decodes all."""
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
