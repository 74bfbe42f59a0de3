"""Examples of findings about the results of an evaluation, in words."""

from collections.abc import Iterable, Sequence

import numpy as np

from odtk.evaluation.analysis.error_kinds import BACKGROUND, DUPLICATE, LOCALIZATION, MISSED
from odtk.evaluation.analysis.oracle import Oracle
from odtk.evaluation.analysis.rankings import ErrorCase, detected_cases, missed_cases
from odtk.evaluation.analysis.suspects import BAD_BOX, OTHER_CLASS, Suspect
from odtk.evaluation.results import Results
from odtk.findings import Example

EXAMPLES = 5
"""Of a finding."""


def suspect_examples(results: Results, suspects: Sequence[Suspect]) -> tuple[Example, ...]:
    """The first of these."""
    return tuple(_example(results, each.image, suspect_text(results, each)) for each in suspects[:EXAMPLES])


def surest_examples(results: Results, oracle: Oracle, selected: np.ndarray) -> tuple[Example, ...]:
    """The surest of the selected detections [D]."""
    rows = np.flatnonzero(selected)
    rows = rows[np.argsort(-oracle.matching.detected.scores[rows], kind="stable")][:EXAMPLES]
    return _case_examples(results, detected_cases(oracle.matching, oracle.errors, rows))


def largest_examples(results: Results, oracle: Oracle, missed: np.ndarray) -> tuple[Example, ...]:
    """The largest of these missed objects [G]."""
    rows = np.flatnonzero(missed)
    rows = rows[np.argsort(-oracle.matching.truth.areas[rows], kind="stable")][:EXAMPLES]
    return _case_examples(results, missed_cases(oracle.matching, rows))


def loosest_examples(results: Results, oracle: Oracle) -> tuple[Example, ...]:
    """The right detections that overlap their object least."""
    detected = oracle.matching.detected
    rows = np.flatnonzero(detected.right)
    rows = rows[np.argsort(detected.iou[rows], kind="stable")][:EXAMPLES]
    columns = (detected.image, detected.classes, detected.scores, detected.iou)
    return tuple(
        _example(results, image, f"{results.name_of(class_id)} (score {score:.2f}) overlaps its object by {iou:.2f}")
        for image, class_id, score, iou in zip(*(column[rows].tolist() for column in columns), strict=True)
    )


def suspect_text(results: Results, suspect: Suspect) -> str:
    """`dog (score 0.93) is not annotated`."""
    detected = f"{results.name_of(suspect.detected_class)} (score {suspect.score:.2f})"
    if suspect.kind == OTHER_CLASS and suspect.annotated_class is not None:
        return f"annotated as {results.name_of(suspect.annotated_class)}, detected as {detected}"
    if suspect.kind == BAD_BOX:
        return f"the box of {detected} fits badly (IoU {suspect.iou:.2f})"
    return f"{detected} is not annotated"


def case_text(results: Results, case: ErrorCase) -> str:
    """`dog (score 0.93) on a cat`, or `cat of 12 x 9 pixels is missed`."""
    image = results.images[case.image]
    name = results.name_of(case.class_id)
    if case.kind == MISSED:
        ymin, xmin, ymax, xmax = image.boxes[case.truth].tolist()
        return f"{name} of {xmax - xmin:.0f} x {ymax - ymin:.0f} pixels is missed"
    detected = f"{name} (score {case.score:.2f})"
    if case.kind == BACKGROUND:
        return f"{detected} where there is nothing"
    if case.kind == DUPLICATE:
        return f"{detected} once more"
    if case.kind == LOCALIZATION:
        return f"{detected} with a badly fitting box"
    return f"{detected} on {results.name_of(int(image.classes[case.truth]))}"


def _case_examples(results: Results, cases: Iterable[ErrorCase]) -> tuple[Example, ...]:
    return tuple(_example(results, case.image, case_text(results, case)) for case in cases)


def _example(results: Results, image: int, text: str) -> Example:
    """In an image, named by its source_id and, where it is known, the file that holds its record."""
    found = results.images[image]
    return Example(text, found.place[0] if found.place else found.source_id, image=found.source_id, rows=(image,))
