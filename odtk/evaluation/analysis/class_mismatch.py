"""Classes that mean something else in detections and groundtruth: ids that never meet, off by one, in another order."""

from collections.abc import Iterator, Sequence

import numpy as np

from odtk.evaluation.analysis.matching import overlaps
from odtk.evaluation.results import ImageResult, Results
from odtk.findings import ERROR, NOTE, WARNING, Finding, counted
from odtk.prototext.schema import some

_MOST = 0.6
"""Share of the pairs that must agree on what the other ids mean."""
_FEW_RIGHT = 0.2
"""Share of pairs of the same class, below which ids are doubted."""
_MIN_AGREEING = 10
"""Pairs that must agree: few would do so by chance."""
_MANY_OTHERS = 0.1
"""Share of the detections of classes without groundtruth, from which on they are mentioned."""
_NAMED = 8


def check_classes(results: Results) -> Iterator[Finding]:
    """An error if the ids of detections and groundtruth do not mean the same; a warning for classes never detected."""
    annotated = _ids(image.classes[~image.ignored] for image in results.images)
    detected = _ids(image.detected_classes for image in results.images)
    if not annotated or not detected:
        return
    pairs = class_pairs(results.images)
    doubted = len(pairs) >= _MIN_AGREEING and (pairs[:, 0] == pairs[:, 1]).mean() < _FEW_RIGHT
    if doubted and (how := _difference(results, pairs)):
        yield _other_ids(pairs, how)
    elif not annotated & detected:
        yield Finding(
            ERROR,
            f"No class is both annotated and detected: the groundtruth has {_named(results, annotated)}, the "
            f"detections have {_named(results, detected)}.",
            kind="classes-never-meet",
            fix="Evaluate with the label map that the model was trained with, and with groundtruth of its classes.",
            count=len(annotated),
        )
    else:
        if annotated - detected:
            yield _never_detected(results, annotated - detected)
        yield from _never_annotated(results, annotated)


def class_pairs(images: Sequence[ImageResult]) -> np.ndarray:
    """Classes [P, 2] of each object that detections overlap with an IoU of 0.5, and of the surest of these."""
    found = [np.zeros([0, 2], int)]
    for image in images:
        truths = np.flatnonzero(~image.ignored)
        if not len(truths) or not len(image.scores):
            continue
        close = overlaps(image, np.arange(len(image.scores)), truths) >= 0.5
        surest = np.where(close, image.scores[:, None], -1).argmax(axis=0)
        met = close.any(axis=0)
        found.append(np.stack([image.classes[truths][met], image.detected_classes[surest[met]]], axis=1))
    return np.concatenate(found)


def _difference(results: Results, pairs: np.ndarray) -> str:
    """In words, how the ids of the detections differ, if most objects of each class are detected as the same other."""
    others = {}
    for class_id in np.unique(pairs[:, 0]).tolist():
        ids, counts = np.unique(pairs[pairs[:, 0] == class_id, 1], return_counts=True)
        others[class_id] = int(ids[counts.argmax()])
    agreeing = sum(others[one] == other for one, other in pairs.tolist())
    if agreeing < max(_MIN_AGREEING, _MOST * len(pairs)):
        return ""
    offsets = {other - one for one, other in others.items()}
    if offsets in ({-1}, {1}):
        return f"are by one {'smaller' if offsets == {-1} else 'larger'} than those of the groundtruth"
    renamed = [class_id for class_id, other in others.items() if class_id != other]
    if len(set(others.values())) < len(others) or len(renamed) < 2:
        return ""
    examples = [f"{results.name_of(each)} as {results.name_of(others[each])}" for each in renamed]
    return f"mean other classes: boxes fit, but {some(examples, _NAMED)} are detected"


def _other_ids(pairs: np.ndarray, how: str) -> Finding:
    same = int((pairs[:, 0] == pairs[:, 1]).sum())
    return Finding(
        ERROR,
        f"The ids of the detections' classes {how}. Of {counted(len(pairs), 'object')} that a detection fits, {same:,} "
        "have the class of the surest one.",
        kind="other-class-ids",
        fix="Evaluate with the label map that the model was trained with: ids count from 1 in records and label maps, "
        "and categories of COCO files have ids of their own.",
        count=len(pairs) - same,
    )


def _never_detected(results: Results, missing: set[int]) -> Finding:
    boxes = {
        each: sum(int(((image.classes == each) & ~image.ignored).sum()) for image in results.images) for each in missing
    }
    named = [
        f"{results.name_of(each)} ({counted(boxes[each], 'object')})"
        for each in sorted(missing, key=lambda i: -boxes[i])
    ]
    return Finding(
        WARNING,
        f"{counted(len(missing), 'class is', 'classes are')} annotated but never detected, at any score: "
        f"{some(named, _NAMED)}. That is an AP of 0.",
        kind="classes-never-detected",
        fix="Check that the records of training have them (`odtk inspect`), and that the label map numbers them as in "
        "training.",
        count=len(missing),
    )


def _never_annotated(results: Results, annotated: set[int]) -> Iterator[Finding]:
    """A note if many detections are of such classes, or if one has an id without a name."""
    ids, counts = np.unique(np.concatenate([image.detected_classes for image in results.images]), return_counts=True)
    others = {each: count for each, count in zip(ids.tolist(), counts.tolist(), strict=True) if each not in annotated}
    share = sum(others.values()) / counts.sum()
    if share >= _MANY_OTHERS or others.keys() - results.names.keys():
        named = [f"{results.name_of(each)} ({others[each]:,})" for each in sorted(others, key=lambda i: -others[i])]
        yield Finding(
            NOTE,
            f"{share:.0%} of the detections ({sum(others.values()):,}) are of classes that are never "
            f"annotated in these images, so that no metric counts them: {some(named, _NAMED)}.",
            kind="classes-never-annotated",
            fix="Nothing, if the images have no object of these classes; else the groundtruth lacks them, or the label "
            "map is another one than in training.",
            count=sum(others.values()),
        )


def _ids(classes) -> set[int]:
    return {int(class_id) for each in classes for class_id in np.unique(each)}


def _named(results: Results, ids: set[int]) -> str:
    return some([f"{results.name_of(each)} (id {each})" for each in sorted(ids)], _NAMED)
