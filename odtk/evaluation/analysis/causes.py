"""Causes of errors that a person can do something about, each with what it costs.

A cause gets `covered`, bool [D]: the false positives that causes before it have already explained.
"""

from collections.abc import Iterator

import numpy as np

from odtk.evaluation.analysis.error_kinds import CLASSIFICATION, LOCALIZATION
from odtk.evaluation.analysis.evidence import Cause, Evidence, command
from odtk.evaluation.analysis.examples import largest_examples, surest_examples, suspect_examples
from odtk.evaluation.analysis.matching import UNMATCHED
from odtk.evaluation.analysis.suspects import BAD_BOX, NOT_ANNOTATED, OTHER_CLASS, confident_scores
from odtk.findings import WARNING, Finding, counted

MIN_COST = 0.005
"""Of mAP: what costs less is not worth a finding."""
COSTS = "This costs {:.3f} of mAP at IoU 0.5."
MOSTLY_RIGHT = 2 / 3
"""Of the confident detections must be right, or they say nothing about the annotations."""
_MOST_PAIRS = 5
_MUCH = 0.2  # of what all confusions cost: less is no matter of this pair
_SIDES = (8, 16, 32, 64, 96)  # pixels; what is larger is not small
_FEW_FOUND = 0.5  # as often found as larger ones: too small
_FEWEST = 5  # objects from which a share says something


def label_errors(evidence: Evidence, covered: np.ndarray) -> Iterator[Cause]:
    """Suspected label errors, if the detector is mostly right where it is confident; whatever they cost."""
    suspects, results = evidence.suspects, evidence.results
    share = _share_right(evidence)
    if not suspects or share < MOSTLY_RIGHT:
        return
    selected = evidence.rows(suspects)
    cost = evidence.oracle.cost(selected)
    words = {NOT_ANNOTATED: "not annotated", OTHER_CLASS: "of another class", BAD_BOX: "with a badly fitting box"}
    numbers = {kind: sum(suspect.kind == kind for suspect in suspects) for kind in words}
    parts = ", ".join(f"{numbers[kind]:,} {text}" for kind, text in words.items() if numbers[kind])
    images = len({suspect.image for suspect in suspects})
    file = evidence.commands.suspects
    costs = f" If all are label errors, they cost {cost:.3f} of mAP at IoU 0.5." if cost >= MIN_COST else ""
    where = f"{file} lists them." if file else "`odtk evaluate` with --export-suspects FILE.csv lists them."
    yield Cause(
        cost,
        Finding(
            WARNING,
            f"{counted(len(suspects), 'suspected label error')} in {counted(images, 'image')}: {parts}. The "
            f"detector contradicts them, and {share:.0%} of its confident detections are right.{costs}",
            kind="label-errors",
            fix=f"Look at them and correct the annotations that are wrong, the first ones first. {where}",
            count=len(suspects),
            examples=suspect_examples(results, suspects),
        ),
        detections=selected,
    )


def _share_right(evidence: Evidence) -> float:
    detected = evidence.oracle.matching.detected
    limits = confident_scores(evidence.oracle.matching)
    ids, positions = np.unique(detected.classes, return_inverse=True)
    least = np.array([limits[class_id] for class_id in ids.tolist()])[positions] if len(ids) else np.zeros(0)
    confident = (detected.scores >= least) & ~detected.ignored
    return float(detected.right[confident].mean()) if confident.any() else 0.0


def confused_classes(evidence: Evidence, covered: np.ndarray) -> Iterator[Cause]:
    """Pairs of classes that are taken for each other, in either direction, and make up much of all such errors.

    Where many pairs are confused a little, none of them is to blame: their cost is left to the kind of error.
    """
    errors, matching = evidence.oracle.errors, evidence.oracle.matching
    about = (errors.kinds == CLASSIFICATION) & ~covered  # a box that hardly overlaps an object may be about none
    rows = np.flatnonzero(about)
    least = max(MIN_COST, _MUCH * evidence.oracle.cost(about))
    directed = np.stack([matching.truth.classes[errors.targets[rows]], matching.detected.classes[rows]], axis=1)
    pairs, counts = np.unique(np.sort(directed[evidence.seen[rows]], axis=1), axis=0, return_counts=True)
    for number in np.argsort(-counts, kind="stable")[:_MOST_PAIRS]:
        one, other = pairs[number].tolist()
        selected = np.zeros(len(about), bool)
        selected[rows[(np.sort(directed, axis=1) == pairs[number]).all(axis=1)]] = True
        cost = evidence.oracle.cost(selected)
        if counts[number] >= _FEWEST and cost >= least:
            yield Cause(cost, _confusion(evidence, selected, one, other, cost), detections=selected)


def _confusion(evidence: Evidence, selected: np.ndarray, one: int, other: int, cost: float) -> Finding:
    results, detected = evidence.results, evidence.oracle.matching.detected
    names = {one: results.name_of(one), other: results.name_of(other)}
    ways = [
        f"{counted(count, 'detection')} of {names[taken]} on {names[is_]}"
        for is_, taken in ((one, other), (other, one))
        if (count := int((selected & evidence.seen & (detected.classes == taken)).sum()))
    ]
    config = evidence.commands.config
    look = command("odtk", "view", config, "--output", "drawn", "--class", names[one], "--class", names[other])
    return Finding(
        WARNING,
        f"{names[one]} and {names[other]} are confused: {' and '.join(ways)}{evidence.scores_in_words}. "
        + COSTS.format(cost),
        kind="confused-classes",
        fix="Check that the annotations tell the two apart everywhere"
        + (f" ({look} draws them)" if config else "")
        + ", add images that show the difference, or make them one class.",
        count=int((selected & evidence.seen).sum()),
        examples=surest_examples(results, evidence.oracle, selected),
    )


def small_objects(evidence: Evidence, covered: np.ndarray) -> Iterator[Cause]:
    """Objects too small to be found, if they are found less than half as often as larger ones."""
    matching, errors = evidence.oracle.matching, evidence.oracle.errors
    truth = matching.truth
    counts = ~truth.ignored
    found = (truth.match != UNMATCHED) & counts
    found[found] = evidence.seen[truth.match[found]]
    sides = np.sqrt(truth.areas) * _scales(evidence)[truth.image]
    limit = _smallness(sides[counts], found[counts])
    small = counts & (sides < limit)
    large = counts & ~small
    if small.sum() < _FEWEST or not _differ(found[small], found[large]):
        return
    missed = errors.missed & small
    selected = (errors.kinds == LOCALIZATION) & ~covered
    selected[selected] = small[errors.targets[selected]]
    cost = evidence.oracle.cost(selected, missed)
    if cost >= MIN_COST:
        unit = "pixels of the model's input" if evidence.input_size else "pixels"
        finding = Finding(
            WARNING,
            f"Few small objects are found: {found[small].mean():.0%} of {counted(int(small.sum()), 'object')} under "
            f"{limit} x {limit} {unit}, but {found[large].mean():.0%} of larger ones{evidence.scores_in_words}. "
            + COSTS.format(cost),
            kind="small-objects",
            fix=_enlarge(evidence),
            count=int((small & ~found).sum()),
            examples=largest_examples(evidence.results, evidence.oracle, missed),
        )
        yield Cause(cost, finding, detections=selected, missed=missed)


def _differ(some: np.ndarray, others: np.ndarray) -> bool:
    """Whether two shares differ by more than chance: a test of proportions at 95%."""
    share = np.concatenate([some, others]).mean()
    deviation = np.sqrt(share * (1 - share) * (1 / len(some) + 1 / len(others)))
    return abs(some.mean() - others.mean()) > 1.96 * deviation


def _scales(evidence: Evidence) -> np.ndarray:
    """For each image how large the model sees a pixel of it; 1 if its input size is not known."""
    size = evidence.input_size
    return np.array([min(size[0] / height, size[1] / width) if size and height and width else 1.0
                     for height, width in (image.size for image in evidence.results.images)])  # fmt: skip


def _smallness(sides: np.ndarray, found: np.ndarray) -> int:
    """The side below which objects are found less than half as often as those above; 0 if there is none."""
    limit, least = 0, 0
    for side in _SIDES:
        inside, above = (sides >= least) & (sides < side), sides >= side
        if above.sum() < _FEWEST or (inside.any() and found[inside].mean() >= _FEW_FOUND * found[above].mean()):
            break
        limit, least = side, side
    return limit


def _enlarge(evidence: Evidence) -> str:
    tiles = "or cut the images into tiles."
    size, config = evidence.input_size, evidence.commands.config
    if not size:
        return f"Train with a larger input, {tiles}"
    if np.median(_scales(evidence)) >= 1:
        return (
            "The input is as large as the images, so that a larger one shows no more: use pictures of a higher "
            "resolution, or a model with a finer feature map."
        )
    height, width = (-(-side * 3 // 2 // 128) * 128 for side in size)  # FPNs need multiples of 128
    enlarge = command("odtk", "configure", config, "--output", "larger.config", "--image-size", f"{height}x{width}")
    return f"Train with a larger input{f' ({enlarge})' if config else ''}, {tiles}"
