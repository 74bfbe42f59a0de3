"""Writes what explains an evaluation: a page, and beside it the same as pictures, tables and JSON."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from odtk import files
from odtk.evaluation.results import Results
from odtk.report import page
from odtk.report.html import element
from odtk.tools.evaluate.explanation import Explanation

PAGE, FOLDER = "report.html", "report"


@dataclass(frozen=True)
class WrittenReport:
    """Where it is."""

    page: Path | str  # a str in a store
    folder: Path | str  # of the files beside it
    files: Sequence[str] = ()  # their names in it


def write_report(folder: str | os.PathLike, explanation: Explanation, results: Results) -> WrittenReport:
    """Writes report.html and, in the folder report, its charts as PNG, its tables as CSV and all of it as JSON.

    `folder`, which may be in a store, is made if needed; an earlier report is replaced.
    """
    beside = files.join(folder, FOLDER)
    files.make_folder(beside)
    written = {"explanation.json": _json(explanation)}
    for name, data in written.items():
        files.write_bytes(files.join(beside, name), data)
    path = files.join(folder, PAGE)
    files.write_bytes(path, _page(explanation))
    return WrittenReport(files.as_path(path), files.as_path(beside), list(written))


def _page(explanation: Explanation) -> bytes:
    measured = explanation.measured
    summary = [element("p", f"On {measured.groundtruth}: {explanation.num_images:,} images.", class_="faint")]
    return page.render(f"odtk evaluate {measured.model}", "odtk evaluate", measured.model, summary, [])


def _json(explanation: Explanation) -> bytes:
    return (json.dumps(explanation.document(), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
