"""The page that explains an evaluation: what to do next, the numbers, then the details."""

from collections.abc import Mapping, Sequence

from lxml import etree

from odtk.findings import Finding
from odtk.report import page
from odtk.report.finding_list import numbered_list
from odtk.report.html import element, prose
from odtk.report.tables import Table, in_words
from odtk.tools.evaluate import explanation_tables as tables
from odtk.tools.evaluate import page_sections
from odtk.tools.evaluate.explanation import IOU, MAP, MAP_50, Compared, Explanation
from odtk.tools.evaluate.galleries import CHANGES, TITLES, Budget, Gallery, on_page
from odtk.tools.evaluate.page_sections import Charts


def render(
    found: Explanation,
    charts: Charts,
    galleries: Sequence[Gallery],
    lists: Mapping[str, Table],
    thresholds_path: str,
    notes: Sequence[str] = (),
) -> bytes:
    """The page as UTF-8 HTML.

    `lists` are tables by the name of their gallery, `notes` are sentences on what could not be shown.
    """
    measured = found.measured
    said = f"On {measured.groundtruth}: {_counted(found.num_images, 'image')}, {_counted(found.num_boxes, 'box')}."
    summary = [
        element("p", said, class_="faint"),
        *(element("p", *prose(note), class_="faint") for note in (*measured.notes, *notes)),
        _verdict(found.compared),
        *_next(found.findings),
        page.figures(_numbers(found)),
    ]
    sections = _sections(found, charts, galleries, lists, thresholds_path)
    command = f"odtk evaluate {measured.target}".rstrip()
    return page.render(f"odtk evaluate {measured.model}", command, measured.model, summary, sections)


def _counted(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("x") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def _verdict(compared: Compared | None) -> etree._Element | None:
    if compared is None:
        return None
    return element("p", f"Compared with {compared.model}: ", element("strong", compared.comparison.verdict))


def _next(findings: Sequence[Finding]) -> list[etree._Element]:
    if not findings:
        said = "Nothing stands out: no error costs enough to be the next thing to do."
        return [element("p", element("strong", said))]
    return [element("p", element("strong", "What to do next")), numbered_list(findings)]


def _numbers(found: Explanation) -> list[tuple[str, str]]:
    metrics, rates = found.measured.metrics, found.seen.outcomes.micro
    least = f"score ≥ {found.seen.threshold:.3g}"
    numbers = [
        ("mAP", metrics.get(MAP, found.precision.mean())),
        (f"mAP, IoU {IOU:g}", metrics.get(MAP_50, found.precision.mean(IOU))),
        (f"precision, {least}", rates.precision),
        (f"recall, {least}", rates.recall),
        (f"F1, {least}", rates.f1),
    ]
    return [(name, in_words(tables.known(value))) for name, value in numbers]


def _sections(
    found: Explanation, charts: Charts, galleries: Sequence[Gallery], lists: Mapping[str, Table], thresholds_path: str
) -> list[etree._Element | None]:
    budget = Budget()
    drawn = {each.name: on_page(each, budget) for each in galleries}
    changed = [part for name in CHANGES if name in drawn for part in (element("h3", TITLES[name]), *drawn[name])]

    def pictured(name: str) -> etree._Element | None:
        return page_sections.listed(name, drawn.get(name, ()), lists.get(name))

    return [
        page_sections.comparison(found, charts, changed),
        page_sections.errors(found, charts),
        pictured("suspects"),
        page_sections.classes(found, charts),
        page_sections.curves(found, charts, thresholds_path),
        page_sections.confusion(found, charts),
        pictured("worst-images"),
        pictured("false-positives"),
        pictured("missed-objects"),
        page_sections.checkpoints(found, charts),
        page_sections.metrics(found),
        page_sections.speed(found),
    ]
