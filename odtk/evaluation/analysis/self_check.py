"""The check of the evaluation itself: its groundtruth, taken as detections, must be perfect.

It would show a broken evaluation, and it shows groundtruth that no detector can get right.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from odtk.evaluation.analysis.matching import MAX_DETECTIONS
from odtk.evaluation.evaluator import Evaluator
from odtk.evaluation.results import ImageResult, Results
from odtk.evaluation.scoring import score
from odtk.findings import ERROR, WARNING, Example, Finding

_PERFECT = 1 - 1e-6
_MAX_EXAMPLES = 5
_SURE, _LESS_SURE = 1.0, 0.5


@dataclass(frozen=True)
class SelfCheck:
    """What the groundtruth gets as detections."""

    metrics: Mapping[str, float]
    """Name to value of each metrics set's mean average precision: 1, or -1 or NaN where no groundtruth counts."""
    findings: Sequence[Finding]  # why it is less

    @property
    def shortfall(self) -> float:
        """By how much the lowest of them misses 1; 0 if none does."""
        return max((1 - value for value in self.metrics.values() if _is_short(value)), default=0.0)


def self_check(results: Results, new_evaluators: Callable[[], Sequence[Evaluator]]) -> SelfCheck:
    """Scores the groundtruth as if it were the detections, by the evaluators that the function makes."""
    perfect = [_detected_perfectly(image) for image in results.images]
    evaluators = new_evaluators()
    evaluation = score(Results(perfect, results.names), evaluators)
    metrics = {name: evaluation.metrics[name] for name in map(_mean_name, evaluators)}
    short = [number for number, name in enumerate(metrics) if _is_short(metrics[name])]
    return SelfCheck(metrics, [_finding(results, perfect, new_evaluators, number) for number in short])


def _mean_name(evaluator: Evaluator) -> str:
    return next(iter(evaluator.metric_meanings))


def _is_short(value: float) -> bool:
    return 0 <= value < _PERFECT  # neither -1 nor NaN, of which other findings speak


def _detected_perfectly(image: ImageResult) -> ImageResult:
    order = np.argsort(image.ignored, kind="stable")  # first what counts, so that nothing ignored takes its box
    scores = np.where(image.ignored[order], _LESS_SURE, _SURE)
    return replace(image, detected_boxes=image.boxes[order], detected_classes=image.classes[order], scores=scores)


def _finding(
    results: Results, perfect: Sequence[ImageResult], new_evaluators: Callable[[], Sequence[Evaluator]], number: int
) -> Finding:
    """Which images fall short by themselves, and why; `number` is of the evaluator."""

    def measure(images: Sequence[ImageResult]) -> float:
        evaluator = new_evaluators()[number]
        return score(Results(images, results.names), [evaluator]).metrics[_mean_name(evaluator)]

    def short_images(images: Sequence[ImageResult]) -> list[ImageResult]:
        return list(itertools.islice(_short_images(images, lambda part: _is_short(measure(part))), _MAX_EXAMPLES))

    name, value = _mean_name(new_evaluators()[number]), measure(perfect)
    text = f"The groundtruth itself, taken as detections, gets {name} {value:.4f} instead of 1"
    explained = [any(_unreachable(results, image)) for image in perfect]
    unexplained = short_images([image for image, known in zip(perfect, explained, strict=True) if not known])
    short = short_images([image for image, known in zip(perfect, explained, strict=True) if known])
    if unexplained or not short:
        examples = [_example(image, "nothing explains that its groundtruth is not perfect") for image in unexplained]
        text += ", and nothing in the annotations explains it. The evaluation is wrong: do not rely on its numbers."
        fix = "Report it to odtk's developers, with records that show it."
        return _of_images(ERROR, text, fix, examples)
    text += ": no detector can get more on these annotations."
    if len(short) == _MAX_EXAMPLES:
        text += f" These are the first {_MAX_EXAMPLES} images that lower it; there may be more."
    examples = [example for image in short for example in _unreachable(results, image)]
    return _of_images(WARNING, text, "Correct the annotations and make the records again.", examples)


def _short_images(
    images: Sequence[ImageResult], are_short: Callable[[Sequence[ImageResult]], bool]
) -> Iterator[ImageResult]:
    """Those that fall short alone, found by halves: so the first few take few measurements."""
    if not images or not are_short(images):
        return
    if len(images) == 1:
        yield images[0]
        return
    middle = len(images) // 2
    yield from _short_images(images[:middle], are_short)
    yield from _short_images(images[middle:], are_short)


def _of_images(severity: str, text: str, fix: str, examples: list[Example]) -> Finding:
    shown = tuple(examples[:_MAX_EXAMPLES])
    return Finding(severity, text, kind="self-check", fix=fix, count=max(len(examples), 1), examples=shown)


def _unreachable(results: Results, image: ImageResult) -> Iterator[Example]:
    """What of an image's groundtruth no detection can be matched to."""
    height, width = (image.boxes[:, 2:] - image.boxes[:, :2]).T
    for row in np.flatnonzero(~image.ignored & ~((height > 0) & (width > 0))):
        size = f"{width[row]:.6g} x {height[row]:.6g} pixels"
        yield _example(image, f"{results.name_of(int(image.classes[row]))} is {size}, without an area", row)
    for class_id in np.unique(image.classes):
        rows = np.flatnonzero((image.classes == class_id) & ~image.ignored)
        if len(rows) > MAX_DETECTIONS:
            text = f"{len(rows)} of {results.name_of(int(class_id))}, where only {MAX_DETECTIONS} detections count"
            yield _example(image, text)
        of_class = np.flatnonzero(image.classes == class_id)
        _, first, counts = np.unique(image.boxes[of_class], axis=0, return_index=True, return_counts=True)
        for row in of_class[first[counts > 1]]:
            yield _example(image, f"the same box of {results.name_of(int(class_id))} is annotated more than once", row)


def _example(image: ImageResult, text: str, *boxes: np.intp) -> Example:
    file = image.place[0] if image.place else image.source_id
    return Example(text, file=file, image=image.source_id, boxes=tuple(map(int, boxes)))
