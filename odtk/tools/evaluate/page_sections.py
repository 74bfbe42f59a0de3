"""The sections of the page that explains an evaluation, apart from those of pictures."""

import math
from collections.abc import Mapping, Sequence

from lxml import etree

from odtk.evaluation.analysis.comparison import CONFIDENCE
from odtk.evaluation.stopwatch import FIRST_STEP
from odtk.report.chart_style import Chart, chart_figure
from odtk.report.finding_list import finding_list
from odtk.report.html import code, element, prose, section, table
from odtk.report.tables import Table, in_words, shown
from odtk.tools.evaluate import explanation_tables as tables
from odtk.tools.evaluate.explanation import Explanation
from odtk.tools.evaluate.galleries import TITLES

Charts = Mapping[str, Chart]

_MOST_LISTED = 100
_SMALL_AND_LARGE = "small is below 32 x 32 pixels, large from 96 x 96 on"


def errors(found: Explanation, charts: Charts) -> etree._Element:
    """What each kind of error costs, and which classes are confused."""
    whole = tables.errors(found)
    rows = [
        [[element("strong", kind), f": {meaning}"], in_words(count), in_words(cost)]
        for kind, meaning, count, cost in whole.rows
    ]
    listed = table(whole.caption, ["Error", "errors", "mAP"], rows)
    return section(
        "errors",
        "What the errors cost",
        _beside(charts, {"error-costs": "Kinds of errors as in TIDE (Bolya et al., 2020)."}, listed),
        _filled(tables.confused(found), bar=3),
    )


def comparison(found: Explanation, charts: Charts, drawn: Sequence[etree._Element]) -> etree._Element | None:
    """What got better and worse; `drawn` are the galleries of images."""
    if found.compared is None:
        return None
    compared, changed = found.compared, found.compared.comparison
    fixed, broken = (sum(getattr(each, name) for each in changed.images) for name in ("is_fixed", "is_broken"))
    said = (
        f"Of {changed.num_images:,} images {fixed:,} with errors have none now, and {broken:,} without errors have "
        f"some. Each model is at its best threshold: {compared.threshold:.3g} before, {found.seen.threshold:.3g} now."
    )
    interval = (
        f"Intervals hold {CONFIDENCE:.0%} of {changed.num_samples:,} paired bootstrap samples of the images. A change "
        "whose interval is on both sides of 0 may be chance."
    )
    classes = tables.changed_classes(compared)
    return section(
        "comparison",
        f"Compared with {compared.model}",
        element("p", changed.verdict),
        finding_list(changed.findings) if changed.findings else None,
        shown(tables.changes(compared), [0, 1, 2, 3]),
        _beside(charts, {"compared-classes": "Change of the average precision of each class."}),
        _folded("All classes", _filled(classes, [0, 2, 3, 4]), _filled(classes, [0, 4, 5, 6]), element("p", interval)),
        element("p", said),
        *drawn,
        _folded("All images", _filled(tables.changed_images(compared), [0, 1, 2])),
    )


def classes(found: Explanation, charts: Charts) -> etree._Element:
    """Average precision, also by size, and what is right and wrong at the threshold."""
    whole = tables.classes(found)
    least = _least(found)
    return section(
        "classes",
        "Classes",
        shown(whole, [0, 1, 2, 3], bar=2, caption="Average precision of each class, the best first."),
        _beside(
            charts,
            {
                "average-precision-by-size": f"Average precision by the size of objects: {_SMALL_AND_LARGE}.",
                "outcomes": f"What is found, missed and wrong at {least}.",
            },
        ),
        _folded(
            "By size as a table",
            shown(whole, [0, 4, 5, 6], caption=f"Average precision by size: {_SMALL_AND_LARGE}."),
        ),
        shown(tables.rates(found)),
        _folded(
            "Right and wrong as tables",
            shown(whole, [0, 7, 8, 9], caption=f"Boxes that are right, wrong and missed at {least}."),
            shown(whole, [0, 10, 11, 12], caption=f"Precision, recall and F1 at {least}."),
        ),
    )


def curves(found: Explanation, charts: Charts, thresholds_path: str) -> etree._Element | None:
    """Precision and recall, thresholds and calibration."""
    captions = {
        "precision-recall": "Precision against recall at IoU 0.5; numbers are the average precision.",
        "confidence": "Precision, recall and F1 of all classes, if detections count from a score on.",
        "class-f1": "F1 of each class; dots are the best thresholds.",
        "calibration": _calibration(found),
    }
    if not any(name in charts for name in captions):
        return None
    own = [[name, threshold] for name, threshold in found.thresholds.classes.items()]
    return section(
        "curves",
        "Curves and thresholds",
        element("p", *prose(_best_threshold(found, thresholds_path))),
        _beside(charts, captions),
        _folded("Thresholds of the classes", _filled(Table("", "The best thresholds.", ["Class", "score"], own))),
    )


def _best_threshold(found: Explanation, thresholds_path: str) -> str:
    overall = found.confidence.overall
    if overall.best is None:
        return "No object is found at any score: there is no best threshold."
    return (
        f"F1 is best ({in_words(overall.best_f1)}) if detections count from a score of {overall.best:.3g} on. "
        f"`odtk predict ... --thresholds {thresholds_path}` does that, and has a threshold of each class with enough "
        "objects."
    )


def _calibration(found: Explanation) -> str:
    bins = found.calibration
    if math.isnan(bins.bias):
        return ""
    direction = "higher" if bins.bias > 0 else "lower"
    return (
        f"Calibration: scores are on average {abs(bins.bias):.2f} {direction} than the share of detections that is "
        f"right (from a score of {bins.least_score:g} on)."
    )


def confusion(found: Explanation, charts: Charts) -> etree._Element | None:
    """The confusion matrix, counts and shares."""
    if "confusion" not in charts:
        return None
    captions = {
        "confusion": "Number of boxes: a row for each class of the groundtruth, a column for each detected class.",
        "confusion-normalized": "In percent: of the objects of each class, in the last row of the detections of each.",
    }
    said = f"At {_least(found)}. In the last row are detections where no object is, in the last column missed objects."
    return section("confusion", "Confusion matrix", element("p", said), _beside(charts, captions))


_LISTED = {
    "suspects": ("image", "kind", "annotated_class", "detected_class"),
    "worst-images": ("Image", "errors", "right"),
    "false-positives": ("Image", "class", "score", "error"),
    "missed-objects": ("Image", "class", "area"),
}
"""The columns of each list that a page shows; all are in its CSV."""


def listed(name: str, drawn: Sequence[etree._Element], whole: Table | None) -> etree._Element | None:
    """Errors as pictures, if there are any, and as a list with the names of their images."""
    if whole is None:
        return None
    columns = [list(whole.columns).index(column) for column in _LISTED[name]]
    first, count = whole.rows[:_MOST_LISTED], len(whole.rows)
    rows = Table(name, f"{whole.caption}; all columns and rows are in report/{name}.csv", whole.columns, first, "words")
    which = f"The first {len(first)} of {count:,}" if count > len(first) else f"List of {count}"
    return section(name, TITLES[name], *drawn, _folded(which, shown(rows, columns)))


def checkpoints(found: Explanation, charts: Charts) -> etree._Element | None:
    """The curve over checkpoints."""
    whole = tables.checkpoints(found)
    if not whole.rows:
        return None
    shown_columns = [0, *(whole.columns.index(name) for name in tables.HEADLINES if name in whole.columns)]
    heads = [tables.HEADLINES.get(name, name) for name in whole.columns]
    rows = shown(Table(whole.name, "Metrics of each checkpoint.", heads, whole.rows), shown_columns)
    return section("checkpoints", "Checkpoints", _beside(charts, {"checkpoints": "Metrics by step."}, rows))


def metrics(found: Explanation) -> etree._Element:
    """The config's metrics and the losses, each with its meaning."""
    rows = [
        [[meaning, element("br"), code(name)], in_words(tables.known(value))]
        for name, value, meaning in tables.metrics(found).rows
    ]
    checked = found.self_check and ", ".join(f"{name} {value:.4g}" for name, value in found.self_check.metrics.items())
    return section(
        "metrics",
        "Metrics",
        table("The config's metrics and losses, by TFOD's names.", ["Metric", "value"], rows),
        element("p", f"Self-check: the groundtruth taken as detections gets {checked}.") if checked else None,
        finding_list(found.notes) if found.notes else None,
    )


def speed(found: Explanation) -> etree._Element | None:
    """Time of each stage."""
    whole = tables.seconds(found)
    if not whole.rows:
        return None
    total = math.fsum(found.measured.seconds.values())
    compiled = ", with the first step, which compiles the model" * (FIRST_STEP in found.measured.seconds)
    said = f"{found.num_images / total:.1f} images per second{compiled}." if total else ""
    return section("speed", "Speed", element("p", said), shown(whole, bar=2))


def _least(found: Explanation) -> str:
    return f"scores from {found.seen.threshold:.3g} on"


def _beside(charts: Charts, captions: Mapping[str, str], *others: etree._Element) -> etree._Element:
    """Charts, as far as there are any, and other elements, side by side where there is room."""
    made = [chart_figure(charts[name], text) for name, text in captions.items() if name in charts]
    return element("div", *made, *others, class_="charts")


def _filled(whole: Table, columns: Sequence[int] | None = None, bar: int | None = None) -> etree._Element | None:
    return shown(whole, columns, bar) if whole.rows else None


def _folded(summary: str, *children: etree._Element | None) -> etree._Element | None:
    filled = [child for child in children if child is not None]
    return element("details", element("summary", summary), *filled) if filled else None
