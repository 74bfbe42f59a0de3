"""The page that explains an evaluation: what to do next, the numbers, then the details."""

import math
from collections.abc import Sequence

from lxml import etree

from odtk.findings import Finding
from odtk.report import page
from odtk.report.finding_list import finding_list
from odtk.report.html import code, element, prose, section, table
from odtk.report.tables import Table, in_words, shown
from odtk.tools.evaluate import explanation_tables as tables
from odtk.tools.evaluate.explanation import Explanation
from odtk.tools.evaluate.galleries import Budget, Gallery, on_page


def render(found: Explanation, galleries: Sequence[Gallery], notes: Sequence[str] = ()) -> bytes:
    """The page as UTF-8 HTML; `notes` are sentences on what it could not show."""
    measured = found.measured
    said = f"On {measured.groundtruth}: {_counted(found.num_images, 'image')}, {_counted(found.num_boxes, 'box')}."
    summary = [
        element("p", said, class_="faint"),
        *(element("p", *prose(note), class_="faint") for note in (*measured.notes, *notes)),
        *_next(found.findings),
        page.figures(_numbers(found)),
    ]
    return page.render(
        f"odtk evaluate {measured.model}", "odtk evaluate", measured.model, summary, _sections(found, galleries)
    )


def _counted(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("x") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def _next(findings: Sequence[Finding]) -> list[etree._Element]:
    if not findings:
        return [
            element("p", element("strong", "Nothing stands out: no error costs enough to be the next thing to do."))
        ]
    return [element("p", element("strong", "What to do next")), finding_list(findings)]


def _numbers(found: Explanation) -> list[tuple[str, str]]:
    metrics, rates = found.measured.metrics, found.seen.outcomes.micro
    numbers = [
        ("mAP", metrics.get(tables.MAP, found.precision.mean())),
        ("mAP at IoU 0.5", metrics.get(tables.MAP_50, found.precision.mean(0.5))),
    ]
    numbers += [
        (f"precision, score ≥ {found.seen.threshold:g}", rates.precision),
        (f"recall, score ≥ {found.seen.threshold:g}", rates.recall),
        (f"F1, score ≥ {found.seen.threshold:g}", rates.f1),
    ]
    return [(name, in_words(tables.known(value))) for name, value in numbers]


def _sections(found: Explanation, galleries: Sequence[Gallery]) -> list[etree._Element | None]:
    budget = Budget()
    drawn = {each.name: section(each.name, each.title, *on_page(each, budget)) for each in galleries}
    return [
        _errors(found),
        drawn.get("suspects"),
        _classes(found),
        drawn.get("worst-images"),
        drawn.get("false-positives"),
        drawn.get("missed-objects"),
        _metrics(found),
        _speed(found),
    ]


def _errors(found: Explanation) -> etree._Element:
    whole = tables.errors(found)
    rows = [
        [[element("strong", kind), f": {meaning}"], in_words(count), in_words(cost)]
        for kind, meaning, count, cost in whole.rows
    ]
    pairs = tables.confused(found)
    return section(
        "errors",
        "What the errors cost",
        table(whole.caption, ["Error", "errors", "mAP"], rows),
        shown(pairs, bar=2) if pairs.rows else None,
    )


def _classes(found: Explanation) -> etree._Element:
    whole = tables.classes(found)
    return section(
        "classes",
        "Classes",
        shown(_renamed(whole, "Average precision of each class, the best first."), [0, 1, 2, 3], bar=2),
        shown(
            _renamed(
                whole, "Average precision by the size of objects: small is below 32 x 32 pixels, large from 96 x 96 on."
            ),
            [0, 4, 5, 6],
        ),
        shown(
            _renamed(whole, f"What is right, wrong and missed at scores from {found.seen.threshold:g} on."),
            [0, 7, 8, 9],
        ),
    )


def _renamed(whole: Table, caption: str) -> Table:
    return Table(whole.name, caption, whole.columns, whole.rows)


def _metrics(found: Explanation) -> etree._Element:
    rows = [
        [[meaning, element("br"), code(name)], in_words(tables.known(value))]
        for name, value, meaning in tables.metrics(found).rows
    ]
    return section(
        "metrics", "Metrics", table("The config's metrics and losses, by TFOD's names.", ["Metric", "value"], rows)
    )


def _speed(found: Explanation) -> etree._Element | None:
    whole = tables.seconds(found)
    if not whole.rows:
        return None
    rate = found.num_images / total if (total := math.fsum(found.measured.seconds.values())) else math.nan
    return section("speed", "Speed", element("p", f"{rate:.1f} images per second."), shown(whole, bar=2))
