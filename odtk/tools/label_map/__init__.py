"""`odtk label-map`: checks a label map, makes one from data, shows one as a table."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from odtk import label_map as label_maps
from odtk import prototext
from odtk.annotations.data_folder import is_data_set
from odtk.atomic import check_file
from odtk.datasets.open_dataset import open_target
from odtk.errors import DataError, LabelMapError
from odtk.findings import Finding, has_errors
from odtk.label_map import BACKGROUND, LabelMap
from odtk.prototext import schema
from odtk.tools.label_map.data_checks import against
from odtk.tools.label_map.data_classes import classes_of
from odtk.tools.label_map.text_checks import check_text

__all__ = ["CheckReport", "MadeReport", "as_rows", "check", "check_text", "document", "make", "show"]

SORTED, DATA = "sorted", "data"


@dataclass(frozen=True)
class CheckReport:
    """The findings on a label map, its number of classes, and its largest id."""

    path: str
    num_classes: int
    greatest_id: int  # the least num_classes for a config
    findings: list[Finding]

    @property
    def is_valid(self) -> bool:
        """Whether there are no errors, which would break training."""
        return not has_errors(self.findings)


@dataclass(frozen=True)
class MadeReport:
    """Where a label map was written, and its classes."""

    path: str
    names: list[str]


def check(file: str | os.PathLike, data: str | os.PathLike | None = None, format: str | None = None) -> CheckReport:
    """All problems of a label map, by line; with `data`, also where they disagree.

    `file` may be a shipped map's name; `data` is a target of `odtk inspect`: a dataset's folder (in `format`, None to
    detect it), the output of make-tfrecords, a glob of records. Raises LabelMapError if the file cannot be read,
    DataError if there are no data.
    """
    path = label_maps.find(file)
    text = prototext.read_text(path, "a label map", LabelMapError)
    items, findings = check_text(text, str(path))
    if data is not None and not has_errors(findings):
        findings += against(label_maps.parse(text, str(path)), items, str(path), classes_of(data, format))
    classes = [item for item in items if not item.is_background]
    greatest = max((item.number or 0 for item in classes), default=0)
    return CheckReport(str(path), len(classes), greatest, findings)


def document(report: CheckReport) -> dict:
    """The report of a check as JSON data."""
    keys = ("severity", "file", "line", "text")
    findings = [{key: getattr(finding, key) for key in keys} for finding in report.findings]
    counts = {"num_classes": report.num_classes, "greatest_id": report.greatest_id}
    return {"path": report.path, **counts, "problems": findings, "is_valid": report.is_valid}


def make(
    output: str | os.PathLike,
    target: str | os.PathLike | None = None,
    names: Sequence[str] = (),
    order: str = SORTED,
    overwrite: bool = False,
    format: str | None = None,
) -> MadeReport:
    """Writes the label map of `names`, or of the classes that `target` has: a text file of names, or data.

    `order` is SORTED, or DATA for the order of the file, of the dataset's list, or of occurrence; `format` is that of a
    dataset's folder, None to detect it. Raises DataError if there are no names, or if one occurs twice; OutputError if
    `output` exists, unless `overwrite`.
    """
    check_file(output, overwrite)
    if target is not None:
        path = Path(target)
        names = _names_in(path) if path.is_file() and path.suffix == ".txt" else classes_of(target, format).names
    found = [name for name in names if name != BACKGROUND] if order == DATA else sorted(set(names) - {BACKGROUND})
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice or not found or any(not name.strip() for name in found):
        what = f"{schema.some(list(map(repr, twice)))} occurs twice" if twice else "there is no class name"
        raise DataError(f"No label map can be made: {what}. List the name of each class once, as in the annotations.")
    text = label_maps.format(label_maps.of_names(found))
    label_maps.write(label_maps.parse(text, os.fspath(output)), output)
    return MadeReport(os.fspath(output), found)


def show(target: str | os.PathLike, format: str | None = None) -> LabelMap:
    """The label map in a file, of a shipped map's name, or of a target of `odtk inspect` that has one."""
    if is_data_set(target) or any(sign in os.fspath(target) for sign in "*?"):
        found = open_target(target, format=format)
        if found.labels is None:
            raise DataError(
                f"No label map belongs to {target}. Make one: odtk label-map make {target} --output label_map.pbtxt"
            )
        return found.labels
    return label_maps.read(target)


def as_rows(labels: LabelMap) -> Iterable[tuple[int, str, str]]:
    """Id, name and display name of every class."""
    return [(item.id, item.name, item.display_name) for item in labels.items]


def _names_in(path: Path) -> list[str]:
    lines = prototext.read_text(path, "a list of class names", DataError).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
