"""Why a metric is 0, -1 or NaN: groundtruth that is not there, classes that never meet, boxes in other units."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from odtk.evaluation.analysis.average_precision import AREAS, SIZES
from odtk.evaluation.analysis.box_units import check_units, count_met, some_images
from odtk.evaluation.analysis.class_mismatch import check_classes
from odtk.evaluation.coco import NO_GROUNDTRUTH
from odtk.evaluation.results import Results
from odtk.findings import ERROR, NOTE, WARNING, Finding, counted, has_errors, worst_first
from odtk.prototext.schema import some
from odtk.thresholds import reaches

_SIZES = {
    "small": "smaller than 32 x 32 pixels",
    "medium": "between 32 x 32 and 96 x 96 pixels",
    "large": "larger than 96 x 96 pixels",
}
_FEW_MET = 0.1
_NAMED = 8


def explain_metrics(
    results: Results, metrics: Mapping[str, float] | None = None, min_score: float | None = None
) -> list[Finding]:
    """What explains metrics that are -1, NaN or (almost) 0, errors first; empty if nothing needs an explanation.

    `metrics` are those that were measured: groundtruth that is lacking is only mentioned if one of them is -1 or NaN
    for it; without them, always. `min_score` is the threshold from which on users see detections.
    """
    broken = list(_without_boxes(results))
    if not broken:
        broken = [*check_units(results), *check_classes(results)]
        if not has_errors(broken):
            broken += _nothing_met(results)
    found = [
        *broken,
        *_all_below(results, min_score),
        *_absent_classes(results, metrics),
        *_absent_sizes(results, metrics),
    ]
    return worst_first(found)


def _without_boxes(results: Results) -> Iterator[Finding]:
    objects = [int((~image.ignored).sum()) for image in results.images]
    boxes = [len(image.boxes) for image in results.images]
    found = [len(image.scores) for image in results.images]
    if not sum(objects):
        ignored = f" that counts: all {sum(boxes):,} are crowds, groups or difficult" if sum(boxes) else ""
        yield Finding(
            ERROR,
            f"The {counted(len(objects), 'image')} have no groundtruth box{ignored}. No metric can be measured.",
            kind="no-groundtruth",
            fix="Evaluate on annotated images: `odtk inspect` shows what records hold.",
        )
    elif not sum(found):
        yield Finding(
            ERROR,
            f"The detector finds nothing: no box in {counted(len(found), 'image')}. All metrics are 0.",
            kind="no-detections",
            fix="Train longer, or check the score_threshold of the config's post_processing: lower scores are removed.",
        )
    elif not any(count and number for count, number in zip(objects, found, strict=True)):
        yield Finding(
            ERROR,
            f"No image has both: {sum(map(bool, objects)):,} have groundtruth, {sum(map(bool, found)):,} others "
            "detections.",
            kind="images-never-meet",
            fix="Check that detections and groundtruth are of the same images, by the same ids or file names.",
        )


def _nothing_met(results: Results) -> Iterator[Finding]:
    met, objects = count_met(some_images(results))
    if met < _FEW_MET * objects:
        yield Finding(
            WARNING,
            f"Detections are hardly anywhere near objects: of {counted(objects, 'object')}, {met:,} overlap one of the "
            "surest detections of their image with an IoU of 0.5, whatever its class. No other unit or order of the "
            "coordinates explains most of it.",
            kind="nothing-met",
            fix="Look at the pictures of the report: do the boxes belong to other images? If not, train longer; the "
            "losses in metrics.csv of a model dir say whether it learns.",
            count=objects - met,
        )


def _all_below(results: Results, min_score: float | None) -> Iterator[Finding]:
    best = max((float(image.scores.max()) for image in results.images if len(image.scores)), default=None)
    if min_score is not None and best is not None and not reaches(best, min_score):
        yield Finding(
            WARNING,
            f"All detections have scores below the threshold of {min_score:g}: the highest is {best:.2g}. The metrics "
            "count them, but users see none.",
            kind="all-below-threshold",
            fix="Train longer, or show lower scores: `odtk predict` has --min-score, and --thresholds for those of "
            "this evaluation.",
        )


def _absent_classes(results: Results, metrics: Mapping[str, float] | None) -> Iterator[Finding]:
    annotated = {int(each) for image in results.images for each in np.unique(image.classes[~image.ignored])}
    absent = [results.name_of(each) for each in sorted(results.names) if each not in annotated]
    if absent and annotated and _some_unknown(metrics):
        yield Finding(
            NOTE,
            f"{counted(len(absent), 'class has', 'classes have')} no object in these images: {some(absent, _NAMED)}. "
            "Their AP is unknown (-1 or NaN) and no part of the means.",
            kind="classes-without-groundtruth",
            fix="Evaluate on images that have them, if they matter.",
            count=len(absent),
        )


def _absent_sizes(results: Results, metrics: Mapping[str, float] | None) -> Iterator[Finding]:
    areas = np.concatenate([np.zeros(0), *(image.areas[~image.ignored] for image in results.images)])
    for size, words in _SIZES.items():
        least, most = AREAS[SIZES.index(size)]
        if len(areas) and not ((areas >= least) & (areas <= most)).any() and _some_unknown(metrics, f"({size})"):
            yield Finding(
                NOTE,
                f"No object is {size} ({words}): the metrics of {size} objects are unknown (-1).",
                kind="no-groundtruth-of-size",
                fix="There is nothing to fix, if the images that the detector is for have none either.",
            )


def _some_unknown(metrics: Mapping[str, float] | None, part: str = "") -> bool:
    return metrics is None or any(
        (math.isnan(value) or value == NO_GROUNDTRUTH) and part in name and "Loss/" not in name
        for name, value in metrics.items()
    )
