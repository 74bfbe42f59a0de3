"""Writes what explains an evaluation: a page, and beside it the same as pictures, tables and JSON."""

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from odtk import files, thresholds
from odtk.evaluation.results import Results
from odtk.tools.evaluate import page
from odtk.tools.evaluate.explanation import Explanation
from odtk.tools.evaluate.explanation_charts import all_charts
from odtk.tools.evaluate.explanation_tables import all_tables
from odtk.tools.evaluate.galleries import error_galleries, sheet
from odtk.tools.evaluate.output_files import EXPLANATION, REPORT

PAGE, THRESHOLDS = "report.html", "thresholds.json"
SUSPECTS = f"{REPORT}/suspects.csv"
"""Where the suspected label errors are listed, if there are any."""


@dataclass(frozen=True)
class WrittenReport:
    """Where it is."""

    page: Path | str  # a str in a store
    folder: Path | str  # of the files beside it
    thresholds: Path | str  # which `odtk predict --thresholds` takes
    files: Sequence[str] = ()  # their names in the folder


def write_report(folder: str | os.PathLike, explanation: Explanation, results: Results) -> WrittenReport:
    """Writes report.html, thresholds.json and, in the folder report, charts as PNG, tables as CSV and all as JSON.

    `folder`, which may be in a store, is made if needed; an earlier report is replaced.
    """
    charts = all_charts(explanation)
    galleries, problems = error_galleries(explanation, results)
    tables = {table.name: table for table in all_tables(explanation, results)}
    written = {EXPLANATION: _json(explanation)}
    written |= {f"{name}.csv": table.as_csv() for name, table in tables.items()}
    written |= {f"{name}.png": chart.light for name, chart in charts.items()}
    written |= {f"{name}-dark.png": chart.dark for name, chart in charts.items()}
    written |= {f"{gallery.name}.png": _png(sheet(gallery)) for gallery in galleries}
    with files.output_folder(files.join(folder, REPORT), replace=True) as beside:
        for name, data in written.items():
            files.write_bytes(files.join(beside, name), data)
    path, thresholds_path = files.join(folder, PAGE), files.join(folder, THRESHOLDS)
    thresholds.write(explanation.thresholds, thresholds_path)
    files.write_bytes(path, page.render(explanation, charts, galleries, tables, thresholds_path, _unread(problems)))
    return WrittenReport(
        files.as_path(path), files.as_path(files.join(folder, REPORT)), files.as_path(thresholds_path), sorted(written)
    )


def _unread(problems: Sequence[str]) -> list[str]:
    different = list(dict.fromkeys(problems))
    return [f"Pictures that cannot be read and are not shown: {len(different)}. {different[0]}"] if different else []


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _json(explanation: Explanation) -> bytes:
    return (json.dumps(explanation.document(), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode(
        "utf-8", "replace"
    )
