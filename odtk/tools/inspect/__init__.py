"""What is wrong with a data set, records or a config's data: counted, compared with the anchors, shown on a page."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from odtk.atomic import check_file
from odtk.datasets.open_dataset import Target, open_target
from odtk.errors import OutputError
from odtk.report.inspection import Coverage, Example, Finding, Inspection, document
from odtk.tools.inspect import checks, statistics
from odtk.tools.inspect.check_context import CheckContext, counted
from odtk.tools.inspect.scan import Rows, scan

__all__ = ["Coverage", "Example", "Finding", "Inspection", "document", "inspect", "open_target", "scan", "survey"]

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
    """Looks at every image, record and box of `target` (see targets.open_target), and says what is wrong.

    Of more than `max_images` images only so many are decoded to the last pixel, with `verify` all; annotations, and
    the checksums of records, are read in full either way. `config` gives anchors; `html` is a page to write; `format`
    and `boxes` (see `frames.Rules`) say how the annotations of a folder are meant. Raises DataError, ConfigError or
    LabelMapError where there is nothing to inspect, OutputError where the page has no folder, or exists, unless
    `overwrite`.
    """
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
    context = _context(rows)
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
        findings=checks.run(context),
        not_looked_at=list(_not_looked_at(rows)),
    )
    return inspection, rows


def _context(rows: Rows) -> CheckContext:
    """Boxes in the pixels of the model's input where there is a config, otherwise in those of their images."""
    config, image = rows.target.config, rows.image
    if config is None:
        heights, widths = _sides(rows.boxes, rows.height[image], rows.width[image])
        return CheckContext(rows, heights, widths)
    from odtk.tools.inspect import anchors

    frames = anchors.frames(config, rows.height, rows.width)
    boxes = frames.boxes(rows.boxes, image)
    heights, widths = _sides(boxes.astype(float), *frames.padded[image].T)
    # Training leaves these boxes out, so that no anchor can be missing for them.
    usable = np.isfinite(boxes).all(axis=1)
    matched = anchors.match(config, frames, boxes[usable], image[usable])
    names = [rows.class_names[number] for number in rows.class_of[usable]]
    sides = np.sqrt(np.maximum(heights[usable], 0) * np.maximum(widths[usable], 0))
    unmatched = np.zeros(len(boxes), bool)
    unmatched[usable] = ~matched.by_threshold
    coverage = anchors.coverage(config, rows.target.config_path, frames, matched, sides, names)
    return CheckContext(rows, heights, widths, coverage, unmatched, frames.true.max(axis=1))


def _sides(boxes: np.ndarray, heights: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height and width in pixels of normalised boxes [n, 4] in frames of these sizes; not a number becomes 0."""
    sides = np.nan_to_num((boxes[:, 2:] - boxes[:, :2]), nan=0, posinf=0, neginf=0)
    return sides[:, 0] * heights, sides[:, 1] * widths


def _not_looked_at(rows: Rows):
    yield from rows.target.notes
    undecoded = int((~rows.decoded).sum())
    if undecoded:
        yield (
            f"{counted(undecoded, 'image was', 'images were')} not decoded, so that damage and duplicates among them "
            "stay unseen; --verify decodes all."
        )
    if rows.target.config is None:
        yield "Boxes were not compared with anchors; --config CONFIG does that."
    if rows.target.labels is None and not rows.target.is_annotated:
        yield "No label map was at hand: class names and ids were not compared with one."
