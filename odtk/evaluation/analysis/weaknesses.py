"""Weaknesses that are no single errors: classes, boxes that fit loosely, the threshold, too few images to tell."""

from collections.abc import Iterator

import numpy as np

from odtk.evaluation.analysis.causes import MIN_COST
from odtk.evaluation.analysis.evidence import Cause, Evidence, command
from odtk.evaluation.analysis.examples import loosest_examples
from odtk.findings import NOTE, WARNING, Finding, counted
from odtk.prototext.schema import some

MIN_F1_GAIN = 0.02
"""A better threshold is worth it from here on; it is measured on the images that it was chosen on."""
_RARE = 0.25  # of the median number of boxes of a class
_WEAK = 0.75  # of the mean AP of the others
_LOOSE = 2 / 3
"""Of the mAP at IoU 0.5, over IoU 0.5 to 0.95: what good detectors have on COCO; large objects allow more."""
_FEW_OBJECTS = 30  # of a class


def rare_classes(evidence: Evidence) -> Iterator[Cause]:
    """Classes with few examples and an AP far below that of the others."""
    oracle, results, boxes = evidence.oracle, evidence.results, _boxes(evidence)
    rare = _rare(boxes)
    if not rare or len(rare) == len(boxes):
        return
    others = float(np.mean([value for each, value in oracle.precisions.items() if each not in rare]))
    weak = sorted(each for each in rare if oracle.precisions[each] < _WEAK * others)
    cost = sum(others - oracle.precisions[each] for each in weak) / len(boxes)
    if not weak or cost < MIN_COST:
        return
    named = [f"{results.name_of(each)} ({counted(boxes[each], 'box', 'boxes')}, AP {oracle.precisions[each]:.2f})"
             for each in weak]  # fmt: skip
    where = "for training" if evidence.training_boxes is not None else "in these images"
    config = evidence.commands.config
    look = f" ({command('odtk', 'inspect', config)} counts the boxes)" if config else ""
    yield Cause(
        cost,
        Finding(
            WARNING,
            f"{counted(len(weak), 'class has', 'classes have')} few examples {where} and a low AP: {some(named, 8)}. "
            f"The others have {others:.2f} on average; with as much, mAP at IoU 0.5 would be {cost:.3f} higher.",
            kind="rare-classes",
            fix=f"Add images of them{look}.",
            count=len(weak),
        ),
    )


def weakest_class(evidence: Evidence) -> Iterator[Cause]:
    """The class with the lowest AP, if it is far below the others and has as many boxes as they have."""
    precisions, results = _class_precisions(evidence), evidence.results
    rare = _rare(_boxes(evidence))
    if len(precisions) < 2:
        return
    worst = min(precisions, key=lambda class_id: precisions[class_id])
    others = float(np.mean([value for each, value in precisions.items() if each != worst]))
    cost = (others - precisions[worst]) / len(precisions)
    if worst in rare or precisions[worst] >= _WEAK * others or cost < MIN_COST:
        return
    name, config = results.name_of(worst), evidence.commands.config
    gains = {kind: gains[worst] for kind, gains in evidence.oracle.gains_by_kind.items()}
    kind = max(gains, key=lambda kind: gains[kind])
    mostly = f" Errors of the kind {kind} cost it most." if gains[kind] >= MIN_COST else ""
    look = f" ({command('odtk', 'view', config, '--output', 'drawn', '--class', name)})" if config else ""
    yield Cause(
        cost,
        Finding(
            WARNING,
            f"{name} is the weakest class, with an AP of {precisions[worst]:.2f}; the others have {others:.2f} on "
            f"average.{mostly}",
            kind="weakest-class",
            fix=f"Look at its errors and whether its boxes are drawn as those of others{look}, and add images of it.",
        ),
    )


def loose_boxes(evidence: Evidence) -> Iterator[Cause]:
    """Boxes that find their objects but fit less well than those of other detectors."""
    precision, detected = evidence.precision, evidence.oracle.matching.detected
    if precision is None or not detected.right.any():
        return
    strict, easy = precision.mean(), precision.mean(0.5)
    if strict < _LOOSE * easy:
        config = evidence.commands.config
        look = f" ({command('odtk', 'view', config, '--output', 'drawn')} draws them)" if config else ""
        yield Cause(
            easy - strict,
            Finding(
                WARNING,
                f"Boxes fit loosely: mAP is {easy:.2f} at IoU 0.5, and {strict:.2f} over IoU 0.5 to 0.95. Half of the "
                f"right detections have an IoU of {np.median(detected.iou[detected.right]):.2f} or less.",
                kind="loose-boxes",
                fix=f"Train longer, or with a larger input; check that the boxes are drawn tightly and alike{look}.",
                examples=loosest_examples(evidence.results, evidence.oracle),
            ),
        )


def wrong_threshold(evidence: Evidence) -> Iterator[Cause]:
    """A threshold that is far from the best one."""
    threshold = evidence.threshold
    gain = threshold.best_f1 - threshold.used_f1 if threshold else 0.0
    if threshold and gain >= MIN_F1_GAIN:
        model = evidence.commands.model
        predict = command("odtk", "predict", model, "IMAGES", "--output", "found", "--min-score", f"{threshold.best:g}")
        lower = "lower" if threshold.best < threshold.used else "higher"
        yield Cause(
            gain,
            Finding(
                NOTE,
                f"A {lower} threshold is better: F1 is {threshold.used_f1:.2f} for detections with scores of "
                f"{threshold.used:g} or more, and {threshold.best_f1:.2f} from {threshold.best:.3g} on.",
                kind="threshold",
                fix=f"Use it, it needs no training{f': {predict}' if model else ' (--min-score of `odtk predict`)'}.",
            ),
        )


def few_objects(evidence: Evidence) -> Iterator[Cause]:
    """Too few objects to trust the numbers; it costs nothing, and so comes last."""
    truth = evidence.oracle.matching.truth
    counts = np.unique(truth.classes[~truth.ignored], return_counts=True)[1]
    typical = int(np.median(counts)) if len(counts) else 0
    if 0 < typical < _FEW_OBJECTS:
        # Half of the widest 95% interval of a share, that around 0.5.
        width = 1.96 * 0.5 / np.sqrt(typical)
        yield Cause(
            0.0,
            Finding(
                NOTE,
                f"There are few objects to evaluate on: {counted(int(counts.sum()), 'object')} in "
                f"{counted(len(evidence.results.images), 'image')}, {typical} of a class in the median. The recall "
                f"of such a class is uncertain by up to {min(width, 0.5):.2f} either way (95%).",
                kind="few-objects",
                fix="Evaluate on more images before small differences decide. `odtk evaluate` with --compare says "
                "whether a difference between two models may be chance.",
            ),
        )


def _class_precisions(evidence: Evidence) -> dict[int, float]:
    """AP of each class with objects: over IoU 0.5 to 0.95 if it was measured, else at 0.5."""
    if evidence.precision is None:
        return dict(evidence.oracle.precisions)
    values = zip(evidence.precision.class_ids, evidence.precision.of_classes().tolist(), strict=True)
    return {class_id: value for class_id, value in values if not np.isnan(value)}


def _boxes(evidence: Evidence) -> dict[int, int]:
    """How many boxes there are of each class with objects: for training if that is known, else in the images."""
    numbers = evidence.training_boxes
    if numbers is None:
        truth = evidence.oracle.matching.truth
        ids, counts = np.unique(truth.classes[~truth.ignored], return_counts=True)
        numbers = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    return {class_id: numbers.get(class_id, 0) for class_id in evidence.oracle.precisions}


def _rare(boxes: dict[int, int]) -> set[int]:
    """The classes with far fewer boxes than the median class; none if there is only one class."""
    return {each for each in boxes if boxes[each] <= _RARE * np.median([*boxes.values()])}
