"""The tables of an explanation: a page shows some of their columns, CSV files have all."""

from collections.abc import Sequence

import numpy as np

from odtk.evaluation.analysis.average_precision import RECALLS, SIZES
from odtk.evaluation.analysis.comparison import Change
from odtk.evaluation.analysis.confidence import CONFIDENCES
from odtk.evaluation.analysis.error_kinds import KINDS, MEANINGS
from odtk.evaluation.analysis.suspects import COLUMNS as SUSPECT_COLUMNS
from odtk.evaluation.analysis.suspects import suspect_rows
from odtk.evaluation.coco import NO_GROUNDTRUTH
from odtk.evaluation.results import Results
from odtk.evaluation.stopwatch import FIRST_STEP, INFERENCE
from odtk.report.tables import Table, Value
from odtk.tools.evaluate.explanation import IOU, MAP, MAP_50, Compared, Explanation

HEADLINES = {MAP: "mAP", MAP_50: f"mAP, IoU {IOU:g}"}
"""The metrics that are shown where there is room for few, and their short names."""


def all_tables(found: Explanation, results: Results) -> list[Table]:
    """Every table; those without rows are left out."""
    tables = [
        metrics(found),
        classes(found),
        rates(found),
        errors(found),
        confused(found),
        confusion(found),
        normalized_confusion(found),
        curves(found),
        confidence(found),
        class_f1(found),
        calibration(found),
        suspects(found, results),
        worst_images(found, results),
        false_positives(found, results),
        missed(found, results),
        seconds(found),
        checkpoints(found),
        *((changes(found.compared), changed_classes(found.compared), changed_images(found.compared))
          if found.compared else ()),
    ]  # fmt: skip
    return [table for table in tables if table.rows]


def metrics(found: Explanation) -> Table:
    """The metrics and losses that are not of a single class."""
    measured = found.measured
    rows = [
        [name, value, measured.meanings[name]] for name, value in measured.metrics.items() if name in measured.meanings
    ]
    return Table("metrics", "Metrics and losses", ["Metric", "value", "meaning"], rows)


def known(value: float) -> Value:
    """A metric, or None where there was no groundtruth to measure it on."""
    return None if value == NO_GROUNDTRUTH else value


def classes(found: Explanation) -> Table:
    """Each class: AP, AP by size, and what is right and wrong at the threshold."""
    precision, outcomes = found.precision, found.seen.outcomes
    columns = {
        "objects": precision.objects[:, 0],
        "AP": precision.of_classes(),
        "AP50": precision.of_classes(IOU),
        **{f"AP {size}": precision.of_classes(size=size) for size in SIZES[1:]},
        "right": outcomes.right,
        "wrong": outcomes.wrong,
        "missed": outcomes.missed,
        "precision": outcomes.precision,
        "recall": outcomes.recall,
        "F1": outcomes.f1,
    }
    own = dict(zip(found.confidence.class_ids, found.confidence.classes, strict=True))
    rows = [
        [
            found.names[class_id],
            *(values[row].item() for values in columns.values()),
            own[class_id].best if class_id in own else None,
        ]
        for row, class_id in enumerate(precision.class_ids)
    ]
    order = np.argsort(-np.nan_to_num(columns["AP"], nan=-1.0), kind="stable")
    caption = f"Each class; right, wrong and missed at scores from {found.seen.threshold:.3g} on"
    return Table("classes", caption, ["Class", *columns, "best threshold"], [rows[index] for index in order])


def rates(found: Explanation) -> Table:
    """Precision, recall and F1 at the threshold: of all boxes together, and the means over classes."""
    outcomes = found.seen.outcomes
    kinds = {"all boxes together (micro)": outcomes.micro, "mean over classes (macro)": outcomes.macro}
    rows = [[name, rates.precision, rates.recall, rates.f1] for name, rates in kinds.items()]
    counts = f"{outcomes.right.sum():,} right, {outcomes.wrong.sum():,} wrong, {outcomes.missed.sum():,} missed"
    caption = f"At scores from {found.seen.threshold:.3g} on: {counts}."
    return Table("rates", caption, ["Boxes", "precision", "recall", "F1"], rows)


def errors(found: Explanation) -> Table:
    """The kinds of errors, the costliest first."""
    counts = found.seen.errors.counts()
    rows = [
        [kind, MEANINGS[kind], counts[kind], found.costs[kind]]
        for kind in sorted(KINDS, key=lambda kind: -found.costs[kind])
    ]
    caption = (
        f"What each kind of error costs: how much mAP (IoU {IOU:g}) would rise without it. The number of errors is at "
        f"scores from {found.seen.threshold:.3g} on."
    )
    return Table("errors", caption, ["Error", "meaning", "errors", "cost"], rows)


def confused(found: Explanation) -> Table:
    """The pairs of classes of which one is taken for the other."""
    rows = [[found.names[pair.annotated], found.names[pair.detected], pair.count, pair.cost] for pair in found.pairs]
    return Table(
        "confused-pairs", "Classes that are taken for another", ["Groundtruth", "detected as", "times", "cost"], rows
    )


def confusion(found: Explanation) -> Table:
    """The confusion matrix: a row for each class of the groundtruth and one for background."""
    names = [*(found.names[class_id] for class_id in found.seen.confusion.class_ids), "background"]
    rows = [[name, *counts] for name, counts in zip(names, found.seen.confusion.counts.tolist(), strict=True)]
    return Table("confusion", "Confusion matrix: detections in columns", ["groundtruth", *names], rows)


def normalized_confusion(found: Explanation) -> Table:
    """The same as shares of the row, and in the last row, of background, as shares of the column."""
    whole, shares = confusion(found), found.seen.confusion.by_object
    shares[-1] = found.seen.confusion.by_detection[-1]
    rows = [[name, *row] for (name, *_), row in zip(whole.rows, shares.tolist(), strict=True)]
    return Table("confusion-normalized", "Shares of the row; of background, of the column", whole.columns, rows)


def curves(found: Explanation) -> Table:
    """Precision at 101 recalls: the mean and each class."""
    columns = [found.precision.mean_curve(IOU), *found.precision.curves(IOU)]
    names = ["recall", "mean", *(found.names[class_id] for class_id in found.precision.class_ids)]
    return Table("precision-recall", f"Precision by recall at IoU {IOU:g}", names, _transposed([RECALLS, *columns]))


def confidence(found: Explanation) -> Table:
    """Precision, recall and F1 of all detections from each score on."""
    overall = found.confidence.overall
    columns = [CONFIDENCES, overall.precision, overall.recall, overall.f1]
    return Table("confidence", "By the least score", ["score", "precision", "recall", "F1"], _transposed(columns))


def class_f1(found: Explanation) -> Table:
    """F1 of each class that has objects, of its detections from each score on."""
    own = found.confidence
    names = ["score", *(found.names[class_id] for class_id in own.class_ids)]
    rows = _transposed([CONFIDENCES, *(curve.f1 for curve in own.classes)])
    return Table("class-f1", "F1 of each class by the least score", names, rows if own.classes else [])


def calibration(found: Explanation) -> Table:
    """The bins of the reliability diagram."""
    bins = found.calibration
    columns = [bins.edges[:-1], bins.edges[1:], bins.count, bins.confidence, bins.precision]
    heads = ["from", "to", "detections", "mean score", "share that is right"]
    return Table("calibration", "Detections by their score", heads, _transposed(columns))


def suspects(found: Explanation, results: Results) -> Table:
    """The suspected label errors, the most suspicious first."""
    return Table("suspects", "Suspected label errors", SUSPECT_COLUMNS, suspect_rows(found.suspects, results))


def worst_images(found: Explanation, results: Results) -> Table:
    """The images with the most errors."""
    rows: list[list[Value]] = [
        [
            results.images[each.image].source_id,
            sum(each.errors.values()),
            each.right,
            *(each.errors[kind] for kind in KINDS),
        ]
        for each in found.seen.worst
    ]
    return Table("worst-images", "Images with the most errors", ["Image", "errors", "right", *KINDS], rows)


def false_positives(found: Explanation, results: Results) -> Table:
    """Detections that are wrong, the surest first."""
    rows: list[list[Value]] = []
    for case in found.seen.false_positives:
        image = results.images[case.image]
        assert case.detection is not None
        box = image.detected_boxes[case.detection].tolist()
        rows.append([image.source_id, found.names[case.class_id], case.score, case.kind, *_sides(box)])
    return Table("false-positives", "Wrong detections", ["Image", "class", "score", "error", *_SIDES], rows)


def missed(found: Explanation, results: Results) -> Table:
    """Objects that are not found, the largest first."""
    rows: list[list[Value]] = []
    for case in found.seen.missed:
        image = results.images[case.image]
        assert case.truth is not None
        box = image.boxes[case.truth].tolist()
        rows.append([image.source_id, found.names[case.class_id], float(image.areas[case.truth]), *_sides(box)])
    return Table("missed-objects", "Missed objects", ["Image", "class", "area", *_SIDES], rows)


def seconds(found: Explanation) -> Table:
    """How long each stage took; the first step, which compiles the model, says nothing about an image."""
    counts = {FIRST_STEP: 0, INFERENCE: found.num_images - found.measured.first_images}
    rows: list[list[Value]] = []
    for stage, time in found.measured.seconds.items():
        count = counts.get(stage, found.num_images)
        rows.append([stage, 1000 * time / count if count > 0 else None, time])
    return Table("speed", "Time of each stage", ["Stage", "ms per image", "seconds"], rows)


_CHANGE = ("before", "after", "change", "low", "high")


def changes(compared: Compared) -> Table:
    """mAP of the other model and of this one, with the interval of the change."""
    found = compared.comparison
    named = {"mAP": found.mean, f"mAP, IoU {IOU:g}": found.mean_50, "mAP, IoU 0.75": found.mean_75}
    rows = [[name, *_change(change)] for name, change in named.items()]
    return Table("compared-metrics", f"{compared.model} before, this model after", ["Metric", *_CHANGE], rows)


def changed_classes(compared: Compared) -> Table:
    """AP of each class with both models, from the greatest loss to the greatest gain."""
    rows = [[each.name, each.objects, *_change(each.precision)] for each in compared.comparison.classes]
    return Table("compared-classes", "Average precision of each class", ["Class", "objects", *_CHANGE], rows)


def changed_images(compared: Compared) -> Table:
    """The images with other errors than before, from the worse to the better."""
    rows = [[each.source_id, *each.errors, len(each.gained), len(each.lost)] for each in compared.comparison.images]
    columns = ["Image", "errors before", "errors after", "objects only found after", "objects only found before"]
    return Table("compared-images", "Images with other errors", columns, rows)


def _change(change: Change) -> list[Value]:
    return [change.before, change.after, change.difference, change.low, change.high]


def checkpoints(found: Explanation) -> Table:
    """The metrics of each checkpoint."""
    names = list(dict.fromkeys(name for each in found.checkpoints for name in each.metrics))
    rows = [[each.checkpoint, each.step, *(each.metrics.get(name) for name in names)] for each in found.checkpoints]
    return Table("checkpoints", "Checkpoints", ["Checkpoint", "step", *names], rows)


_SIDES = ("ymin", "xmin", "ymax", "xmax")


def _sides(box: Sequence[float]) -> list[Value]:
    return [round(side, 1) for side in box]


def _transposed(columns: Sequence[np.ndarray]) -> list[list[Value]]:
    return [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]
