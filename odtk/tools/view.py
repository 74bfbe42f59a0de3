"""Draws groundtruth on images of a dataset: a random sample, or those with a class, a name or findings."""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from operator import itemgetter
from pathlib import Path, PurePosixPath

from odtk.annotations.data_folder import folder_of
from odtk.datasets.annotated_picture import AnnotatedPicture, color_numbers, found_names, show
from odtk.datasets.checks import table
from odtk.datasets.checks.context import context_of
from odtk.datasets.open_dataset import Target, interpreted_by_headers, open_target
from odtk.datasets.scan import scan
from odtk.datasets.sources import ImageSummary, Source
from odtk.datasets.splits import NO_SPLIT
from odtk.errors import DataError, OutputError
from odtk.findings import SEVERITIES
from odtk.progress import track
from odtk.prototext.schema import some
from odtk.report import picture_files
from odtk.report.drawing import add_caption, draw_groundtruth
from odtk.tools.arguments import as_list, require_whole


@dataclass(frozen=True)
class DrawnImage:
    """One picture that was written: its image, its boxes, and with `worst` why it was chosen."""

    image: str
    split: str | None
    picture: Path
    class_names: tuple[str, ...]  # of every box
    reason: str = ""


@dataclass(frozen=True)
class ViewReport:
    """All pictures, by image name or the worst first, and the images that could not be read."""

    output_dir: Path
    drawn: list[DrawnImage] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # of the dataset as a whole


@dataclass(frozen=True)
class _Chosen:
    """An image to draw: where its pixels are, its summary, and why it was chosen."""

    source: Source
    index: int
    summary: ImageSummary
    reason: str = ""


def view(
    target: str | os.PathLike,
    output: str | os.PathLike,
    num_images: int = 20,
    *,
    class_names: Sequence[str] = (),
    files: Sequence[str] = (),
    worst: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    format: str | None = None,
    boxes: str | None = None,
) -> ViewReport:
    """Draws the groundtruth of at most `num_images` images of `target` to JPEGs in a folder `output`.

    Only images with an object of one of `class_names` and with a name that fits one of the globs `files` count, where
    given. Of these a random sample is taken, or with `worst` those that the worst findings of `odtk inspect` are about.
    `format` is that of a dataset's folder, None to guess it; `boxes` the order of its boxes' numbers, None the
    format's. `output` appears whole or not at all; `overwrite` replaces that of an earlier run. Raises DataError
    where no image fits, OutputError where `output` holds something.
    """
    require_whole(1, num_images=num_images)
    output_dir = Path(output)
    picture_files.check_folder(output_dir, overwrite=overwrite)  # before the images are looked at
    found = open_target(target, format=format, boxes=boxes)
    if found.is_annotated and output_dir.resolve().is_relative_to(Path(folder_of(target)).resolve()):
        raise OutputError(
            f"{output_dir} is inside the dataset {found.name}, and the pictures would be read as its images. Name a "
            "folder outside."
        )
    report = ViewReport(output_dir)
    wanted = _Wanted(found, as_list(class_names), as_list(files))
    with picture_files.picture_folder(output_dir, overwrite=overwrite) as folder:
        if worst:
            chosen = _worst(found, wanted, num_images, report)
        else:
            found = interpreted_by_headers(found)
            report.warnings.extend(filter(None, [found.refusal]))
            chosen = _sample(found, wanted, num_images, seed, report)
        numbers = color_numbers(found, wanted.found_names if worst else found_names(found))
        taken: set[str] = set()
        for each in chosen:
            try:
                shown = show(each.source, each.index, each.summary, wanted.name_of, numbers, each.reason)
            except DataError as error:
                report.unreadable.append(str(error))
                continue
            name = picture_files.flat_name(shown.name, taken)
            picture_files.write_picture(_captioned(shown), folder / name)
            names = tuple(shown.class_names)
            report.drawn.append(DrawnImage(shown.name, _split(shown), output_dir / name, names, shown.remark))
        if not report.drawn:
            raise wanted.nothing_drawn(report.unreadable if chosen else [], worst)
    return report


class _Wanted:
    """The images that are asked for, and the classes that were found."""

    def __init__(self, target: Target, class_names: Sequence[str], files: Sequence[str]):
        self._target, self._class_names, self._files = target.name, frozenset(class_names), tuple(files)
        self.name_of: Callable[[int], str | None] = target.labels.name_of if target.labels else lambda class_id: None
        self._seen: Counter[str] = Counter()
        # With `worst`, what was found in all images, and the names of all objects.
        self.findings: list[str] = []
        self.found_names: tuple[str, ...] = ()

    def fits(self, summary: ImageSummary) -> bool:
        """Whether an image is one of those asked for."""
        named = zip(summary.class_names, summary.class_ids, strict=True)
        names = {name or self.name_of(class_id) or "" for name, class_id in named}
        self._seen.update(names)
        return (not self._class_names or bool(names & self._class_names)) and self._fits_files(summary.name)

    def _fits_files(self, name: str) -> bool:
        forms = (name, PurePosixPath(name).name)
        return not self._files or any(fnmatchcase(form, glob) for form in forms for glob in self._files)

    def nothing_drawn(self, unreadable: Sequence[str], worst: bool) -> DataError:
        """Why there is no picture; `unreadable`: the chosen images that cannot be read."""
        if unreadable:
            return DataError(f"None of the chosen images of {self._target} can be read. The first: {unreadable[0]}")
        if worst:
            return DataError(f"{self._no_worst()} Without worst, a random sample is drawn.", argument="worst")
        asked = [f"an object of class {' or '.join(sorted(self._class_names))}"] * bool(self._class_names)
        asked += [f"a name like {' or '.join(self._files)}"] * bool(self._files)
        there = some([name for name, _ in self._seen.most_common()]) or "none"
        if not asked:
            return DataError(
                f"No image of {self._target} can be read. For the reasons run: odtk inspect {self._target}"
            )
        return DataError(f"No image of {self._target} has {' and '.join(asked)}. Its classes are: {there}.")

    def _no_worst(self) -> str:
        among = " that were asked for" if self._class_names or self._files else ""
        if self.findings and not among:
            return (
                f"The findings of odtk inspect in {self._target} ({some(self.findings)}) are not about single images; "
                f"`odtk inspect {self._target}` lists them."
            )
        return f"odtk inspect finds no problem in any of the images of {self._target}{among}."


def _sample(target: Target, wanted: _Wanted, num_images: int, seed: int, report: ViewReport) -> list[_Chosen]:
    """A random sample of the images that fit, sorted by name."""
    chosen: list[_Chosen] = []
    with track("Looking at", total=None, unit="images") as progress:
        for source, index in _shuffled(target.sources, seed):
            if len(chosen) == num_images:
                break
            summary = source.summarize(index, decode=False)
            progress.advance()
            if summary.unusable is not None:
                report.unreadable.append(f"{summary.unusable.file}: {summary.unusable.text}")
            elif wanted.fits(summary):
                chosen.append(_Chosen(source, index, summary))
    return sorted(chosen, key=lambda each: each.summary.name)


def _worst(target: Target, wanted: _Wanted, num_images: int, report: ViewReport) -> list[_Chosen]:
    """Images that fit and are examples of findings: first those of the worst, then those of the most findings."""
    rows = scan(target)
    findings = table.run(context_of(rows))
    report.warnings.extend(filter(None, [rows.target.refusal]))
    wanted.found_names = rows.class_names
    wanted.findings = [finding.kind.replace("-", " ") for finding in findings]
    cases: dict[int, list[tuple[int, str]]] = {}
    for finding in findings:
        for example in finding.examples:
            for row in example.rows:
                other = f"{example.image}: " if row != example.rows[0] else ""  # the text is of the first one
                said = f"{finding.severity}: {finding.kind.replace('-', ' ')}: {other}{example.text.rstrip('.')}"
                cases.setdefault(row, []).append((SEVERITIES.index(finding.severity), said))
    chosen: list[_Chosen] = []
    for row in sorted(cases, key=lambda row: (min(cases[row])[0], -len(cases[row]))):
        source, index = rows.place[row]
        summary = rows.summarize(row)
        if len(chosen) < num_images and wanted.fits(summary):
            reason = "; ".join(dict.fromkeys(said for _, said in sorted(cases[row], key=itemgetter(0))))
            chosen.append(_Chosen(rows.target.sources[source], int(index), summary, reason))
    return chosen


def _shuffled(sources: Sequence[Source], seed: int) -> Iterator[tuple[Source, int]]:
    """Every image of every source once, in random order."""
    places = [(number, index) for number, source in enumerate(sources) for index in range(len(source))]
    random.Random(seed).shuffle(places)
    return ((sources[number], index) for number, index in places)


def _captioned(shown: AnnotatedPicture):
    picture = draw_groundtruth(shown.image, shown.boxes, shown.class_ids, shown.class_names, shown.marks)
    split = _split(shown)
    caption = shown.name + (f" ({split})" if split else "") + (f": {shown.remark}" if shown.remark else "")
    return add_caption(picture, caption)


def _split(shown: AnnotatedPicture) -> str | None:
    return None if shown.split == NO_SPLIT else shown.split
