"""The page of `odtk inspect`: its numbers, findings and pictures, section by section."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lxml import etree

from odtk.datasets.annotated_picture import AnnotatedPicture
from odtk.datasets.checks.coverage import Coverage
from odtk.datasets.model_inputs import SEED, ModelInput
from odtk.findings import Example, Finding
from odtk.report import page
from odtk.report.charts import Histogram, histogram
from odtk.report.finding_list import finding_list, places, verdict
from odtk.report.html import element, prose, section
from odtk.tools.inspect import galleries, sections
from odtk.tools.inspect.inspection import Inspection, Split

_SIZES_MEAN = "Sizes are in pixels of the model's input ({frame}): the side of a square with the area of the box."
_INPUTS_MEAN = (
    "Training images after augmentation and resizing, exactly as the model gets them, with the boxes that the loss is "
    "computed from. Boxes that have a weight or are marked as difficult, crowd or group are dashed. The random seed is "
    "{seed}; training uses its own."
)


@dataclass
class Pictures:
    """The page's pictures; empty parts are omitted."""

    duplicates: Sequence[Sequence[AnnotatedPicture]] = ()
    suspicious: Sequence[AnnotatedPicture] = ()
    unreadable: Sequence[Example] = ()
    groundtruth: Sequence[AnnotatedPicture] = ()
    fed: Sequence[ModelInput] = ()
    fed_seed: int = SEED
    name_of: Callable[[int], str] = str  # 1-based class to its name


def write_page(path: str | os.PathLike, inspection: Inspection, pictures: Pictures) -> None:
    """Writes the page to a file, atomically."""
    page.write(path, render(inspection, pictures))


def render(inspection: Inspection, pictures: Pictures) -> bytes:
    """The page as UTF-8 HTML (see `report.page.render`)."""
    config = inspection.config if inspection.config != inspection.target else None
    read = [("Read as", inspection.kind), ("anchors of", config), ("label map", inspection.label_map)]
    summary = [
        element("p", "; ".join(f"{word} {name}" for word, name in read if name) + ".", class_="faint"),
        page.figures(_numbers(inspection)),
        verdict(inspection.findings),
        *(element("p", *prose(sentence), class_="faint") for sentence in inspection.not_looked_at),
    ]
    title = f"odtk inspect {inspection.target}"
    return page.render(title, "odtk inspect", inspection.target, summary, _sections(inspection, pictures))


def _numbers(inspection: Inspection) -> list[tuple[str, str]]:
    splits = inspection.splits
    numbers = [
        ("images", sum(split.images for split in splits)),
        ("boxes", sum(split.boxes for split in splits)),
        ("classes", len(inspection.classes)),
        ("images without boxes", sum(split.negatives for split in splits)),
        ("unusable", sum(split.unusable for split in splits)),
    ]
    return [(name, f"{number:,}") for name, number in numbers]


def _sections(inspection: Inspection, pictures: Pictures) -> list[etree._Element | None]:
    return [
        _findings(inspection.findings),
        _splits(inspection.splits),
        _classes(inspection),
        _anchors(inspection.coverage),
        _shapes(inspection.histograms),
        _duplicates(pictures.duplicates),
        _suspicious(pictures.suspicious),
        _unreadable(pictures.unreadable),
        _groundtruth(pictures.groundtruth),
        _fed(pictures),
    ]


def _findings(findings: Sequence[Finding]) -> etree._Element | None:
    if not findings:
        return None
    return section("findings", "Findings", finding_list(findings))


def _splits(splits: Sequence[Split]) -> etree._Element | None:
    return section("splits", "Splits", sections.splits(splits)) if splits else None


def _classes(inspection: Inspection) -> etree._Element | None:
    if not inspection.classes:
        return None
    names = [split.name for split in inspection.splits]
    return section("classes", "Classes", sections.classes(names, inspection.classes))


def _anchors(coverage: Coverage | None) -> etree._Element | None:
    if coverage is None:
        return None
    said = (
        f"{coverage.boxes - coverage.unmatched:,} of {coverage.boxes:,} boxes are matched by an anchor at the config's"
    )
    others = [f"{coverage.forced:,} are matched to their best anchor anyway (forced)"] * bool(coverage.forced)
    others += [f"{coverage.lost:,} are not matched at all"] * bool(coverage.lost)
    others = others if coverage.force_match else [f"{coverage.unmatched:,} are not matched at all"]
    rest = f"; of the others {' and '.join(others)}" if coverage.unmatched else ""
    return section(
        "anchors",
        "Boxes and anchors",
        element("p", f"{said} threshold{rest}."),
        element("p", _SIZES_MEAN.format(frame=coverage.frame), class_="faint"),
        sections.coverage(coverage),
    )


def _shapes(histograms: Sequence[Histogram]) -> etree._Element | None:
    if not histograms:
        return None
    return section("shapes", "Sizes and shapes", element("div", *map(histogram, histograms), class_="charts"))


def _duplicates(groups: Sequence[Sequence[AnnotatedPicture]]) -> etree._Element | None:
    if not groups:
        return None
    said = "These images look alike and are in different splits: a model is evaluated on images that it was trained on."
    return section("duplicates", "Duplicates across splits", element("p", said), galleries.duplicates(groups))


def _suspicious(images: Sequence[AnnotatedPicture]) -> etree._Element | None:
    if not images:
        return None
    said = "Examples of the findings: a box with its surroundings, or the whole image."
    return section("suspicious", "Suspicious boxes and images", element("p", said), galleries.suspicious(images))


def _unreadable(examples: Sequence[Example]) -> etree._Element | None:
    if not examples:
        return None
    return section("unreadable", "Unreadable images", places("Images and records that cannot be used", examples))


def _groundtruth(images: Sequence[AnnotatedPicture]) -> etree._Element | None:
    if not images:
        return None
    said = "A random sample of images with their annotated boxes. Dashed boxes are marked as difficult, crowd or group."
    return section("groundtruth", "Groundtruth", element("p", said), galleries.groundtruth(images))


def _fed(pictures: Pictures) -> etree._Element | None:
    if not pictures.fed:
        return None
    said = _INPUTS_MEAN.format(seed=pictures.fed_seed)
    return section("fed", "Model inputs", element("p", said), galleries.fed(pictures.fed, pictures.name_of))
