"""What errors cost that no cause explains, kind by kind."""

from collections.abc import Iterator, Mapping

import numpy as np

from odtk.evaluation.analysis.causes import COSTS, MIN_COST
from odtk.evaluation.analysis.error_kinds import (
    BACKGROUND,
    BOTH,
    CLASSIFICATION,
    DUPLICATE,
    KINDS,
    LOCALIZATION,
    MISSED,
)
from odtk.evaluation.analysis.evidence import Cause, Evidence, command
from odtk.evaluation.analysis.examples import largest_examples, surest_examples
from odtk.findings import WARNING, Finding, counted

_TEXTS = {
    CLASSIFICATION: ("detection has the wrong class", "detections have the wrong class"),
    LOCALIZATION: ("detection fits its object badly, with an IoU of 0.1 to 0.5",
                   "detections fit their objects badly, with an IoU of 0.1 to 0.5"),
    BOTH: ("detection has the wrong class and a badly fitting box",
           "detections have the wrong class and badly fitting boxes"),
    DUPLICATE: ("detection repeats a surer one of the same object", "detections repeat a surer one of the same object"),
    BACKGROUND: ("detection is where there is no object", "detections are where there is no object"),
    MISSED: ("object is missed", "objects are missed"),
}  # fmt: skip

_FIXES = {
    CLASSIFICATION: "Add images of the classes that are confused, see the confusion matrix; or train longer.",
    LOCALIZATION: "Check that the model can match such boxes{inspect} and that all are drawn alike; or train longer.",
    BOTH: "Train longer, or on more images.",
    DUPLICATE: "Lower the iou_threshold of the config's post_processing, if objects of a class do not overlap as much.",
    BACKGROUND: "Add images that look like these places and have no object: such images are learned as background.",
    MISSED: "Add images with objects like these, or train longer; check that the model can match such boxes{inspect}.",
}


def remaining_errors(evidence: Evidence, covered: np.ndarray, explained: np.ndarray) -> Iterator[Cause]:
    """For each kind of error, those not among the `covered` detections [D] and the `explained` missed objects [G]."""
    errors = evidence.oracle.errors
    for kind in KINDS:
        detections = (errors.kinds == kind) & ~covered
        missed = errors.missed & ~explained if kind == MISSED else np.zeros(len(errors.truth_kinds), bool)
        gains = evidence.oracle.gains(detections, missed)
        cost = float(np.mean([*gains.values()])) if gains else 0.0
        if cost >= MIN_COST:
            yield Cause(cost, _finding(evidence, kind, detections, missed, gains))


def _finding(
    evidence: Evidence, kind: str, detections: np.ndarray, missed: np.ndarray, gains: Mapping[int, float]
) -> Finding:
    seen, oracle = detections & evidence.seen, evidence.oracle
    count, scores = int(seen.sum()), evidence.scores_in_words
    if not count:
        count, scores = int(missed.sum() if kind == MISSED else detections.sum()), " at any score"
    config = evidence.commands.config
    inspect = f" ({command('odtk', 'inspect', config)} shows it)" if config else ""
    return Finding(
        WARNING,
        f"{counted(count, *_TEXTS[kind])}{scores}{_mostly(evidence, gains)}. "
        + COSTS.format(np.mean([*gains.values()])),
        kind=f"{kind}-errors",
        fix=_FIXES[kind].format(inspect=inspect),
        count=count,
        examples=largest_examples(evidence.results, oracle, missed)
        if kind == MISSED
        else surest_examples(evidence.results, oracle, detections),
    )


def _mostly(evidence: Evidence, gains: Mapping[int, float]) -> str:
    """The class that loses most, if it is one of several and has more than half of the cost."""
    worst = max(gains, key=lambda class_id: gains[class_id])
    if len(gains) > 1 and gains[worst] > sum(gains.values()) / 2:
        return f", mostly {evidence.results.name_of(worst)}"
    return ""
