"""Two detectors on the same images: what got better and worse, and whether the difference is more than noise."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from odtk.evaluation.analysis.average_precision import IOUS
from odtk.evaluation.analysis.matching import UNMATCHED, Matching, match_at, match_images
from odtk.evaluation.analysis.reweighting import reweighted_precisions
from odtk.evaluation.analysis.same_images import SharedImages, shared_images
from odtk.evaluation.results import Results
from odtk.findings import Finding

NUM_SAMPLES = 1000
CONFIDENCE = 0.95
MIN_IMAGES = 10
"""With fewer, samples of the images resemble each other too much to say anything about other images."""
_SEED = 16


@dataclass(frozen=True)
class Change:
    """A value of both, and the interval of the difference that holds CONFIDENCE of the samples.

    NaN if it is unknown; the interval, too, with fewer than MIN_IMAGES images (of a class: with its objects).
    """

    before: float
    after: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.after - self.before

    @property
    def is_certain(self) -> bool:
        """Whether the interval is on one side of zero: so large a difference would seldom be due to the images."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class ClassChange:
    """AP of a class that has objects to find."""

    class_id: int
    name: str
    objects: int
    precision: Change  # mean over IOUS
    precision_50: Change


@dataclass(frozen=True)
class ImageChange:
    """An image of which the two find different objects, or have different numbers of false positives."""

    source_id: str
    index_before: int  # in the images of each
    index_after: int
    objects: int  # that count
    gained: tuple[int, ...]  # indices of the boxes that only the second finds
    lost: tuple[int, ...]  # indices of the boxes that only the first finds
    errors: tuple[int, int]  # missed objects and false positives, before and after

    @property
    def is_fixed(self) -> bool:
        """Whether it was wrong and has no error now."""
        return self.errors[0] > 0 and self.errors[1] == 0

    @property
    def is_broken(self) -> bool:
        """Whether it had no error and is wrong now."""
        return self.errors[0] == 0 and self.errors[1] > 0


@dataclass(frozen=True)
class Comparison:
    """What changed from one detector to another, measured with COCO's arithmetic on the images that both have."""

    num_images: int
    num_samples: int
    mean: Change  # mAP: mean over classes and IOUS
    mean_50: Change
    mean_75: Change
    better: float  # the share of the samples in which mAP is higher after than before
    classes: Sequence[ClassChange]  # from the greatest loss to the greatest gain
    thresholds: tuple[float, float]  # the scores from which a detection counts in `images`
    images: Sequence[ImageChange]  # from the most errors more to the most errors less
    findings: Sequence[Finding]  # what the two do not share

    @property
    def verdict(self) -> str:
        """One sentence on mAP."""
        change = self.mean
        if np.isnan(change.difference):
            return "mAP cannot be compared: the images that both have hold no object that counts."
        words = f"mAP goes from {change.before:.4f} to {change.after:.4f}, by {change.difference:+.4f}"
        interval = f"{CONFIDENCE:.0%} interval {change.low:+.4f} to {change.high:+.4f}"
        if change.is_certain:
            return f"{words} ({interval}): {'better' if change.difference > 0 else 'worse'}, by more than chance."
        if np.isnan(change.low):
            return f"{words}: {self.num_images} images are too few to say whether that is chance."
        return f"{words} ({interval}): these {self.num_images} images cannot tell the two apart."


def compare(
    before: Results, after: Results, thresholds: tuple[float, float] = (0.5, 0.5), num_samples: int = NUM_SAMPLES
) -> Comparison:
    """Compares two detectors' results on the images that both have, by their source_id.

    The groundtruth is that of `before`. Intervals are those of a paired bootstrap (Efron & Tibshirani 1993, percentile
    method): `num_samples` times as many images are drawn with replacement, and both are measured on the same ones. The
    seed is fixed. `thresholds` are the scores of either from which a detection counts where errors are counted.
    """
    shared = shared_images(before, after)
    class_ids = sorted({class_id for image in shared.before for class_id in image.classes[~image.ignored].tolist()})
    samples = draw_samples(len(shared.before), num_samples)
    weights = np.concatenate([np.ones([1, len(shared.before)], samples.dtype), samples])  # first all images once
    pair = [
        reweighted_precisions(match_at(IOUS, images), class_ids, weights) for images in (shared.before, shared.after)
    ]
    means = [_means(precisions) for precisions in pair]  # [IoU, sample]
    whole, num_images = [mean.mean(axis=0) for mean in means], len(shared.before)
    return Comparison(
        num_images=num_images,
        num_samples=num_samples,
        mean=_change(whole, num_images),
        mean_50=_change([mean[IOUS.index(0.5)] for mean in means], num_images),
        mean_75=_change([mean[IOUS.index(0.75)] for mean in means], num_images),
        better=float(np.mean(whole[1][1:] > whole[0][1:])),
        classes=_class_changes(shared, before, class_ids, *pair),
        thresholds=thresholds,
        images=sorted(_image_changes(shared, thresholds), key=lambda image: image.errors[0] - image.errors[1]),
        findings=shared.findings,
    )


def draw_samples(num_images: int, num_samples: int) -> np.ndarray:  # int32 [sample, image]
    """How often each image is in each sample of as many images, drawn with replacement; the same each time."""
    samples = np.zeros([num_samples, num_images], np.int32)  # of many images a GB at 64 bits
    random, shares = np.random.default_rng(_SEED), np.full(num_images, 1 / max(num_images, 1))
    for sample in samples if num_images else ():
        sample[:] = random.multinomial(num_images, shares)
    return samples


def _means(precisions: np.ndarray) -> np.ndarray:  # [IoU, class, sample] -> [IoU, sample]
    """The mean over the classes that have objects in the sample; NaN if none has."""
    known = ~np.isnan(precisions)
    counts = known.sum(axis=1)
    return np.where(counts, np.where(known, precisions, 0).sum(axis=1) / np.maximum(counts, 1), np.nan)


def _change(values: Sequence[np.ndarray], num_images: int) -> Change:
    """Of values [sample] before and after, the first of which is of all images."""
    before, after = values
    differences = (after - before)[1:] if num_images >= MIN_IMAGES else np.zeros(0)
    known = differences[~np.isnan(differences)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail]) if len(known) else (np.nan, np.nan)
    return Change(float(before[0]), float(after[0]), float(low), float(high))


def _class_changes(
    shared: SharedImages, results: Results, class_ids: Sequence[int], before: np.ndarray, after: np.ndarray
) -> list[ClassChange]:
    counted = [image.classes[~image.ignored] for image in shared.before]
    image, classes = np.repeat(np.arange(len(counted)), [len(own) for own in counted]), np.concatenate(counted)
    changes = []
    for column, class_id in enumerate(class_ids):
        objects, own = image[classes == class_id], (before[:, column], after[:, column])
        num_images = len(np.unique(objects))
        changes.append(
            ClassChange(
                class_id=class_id,
                name=results.name_of(class_id),
                objects=len(objects),
                precision=_change([each.mean(axis=0) for each in own], num_images),
                precision_50=_change([each[IOUS.index(0.5)] for each in own], num_images),
            )
        )
    return sorted(changes, key=lambda change: change.precision.difference)


def _image_changes(shared: SharedImages, thresholds: tuple[float, float]) -> Iterator[ImageChange]:
    first = match_images(shared.before, min_score=thresholds[0])
    second = match_images(shared.after, min_score=thresholds[1])
    truth, num_images = first.truth, len(shared.before)
    found, found_after = (matching.truth.match != UNMATCHED for matching in (first, second))
    wrong, wrong_after = (_false_positives(matching, num_images) for matching in (first, second))
    starts = np.searchsorted(truth.image, np.arange(num_images + 1))
    for number, (start, end) in enumerate(itertools.pairwise(starts)):
        counted = ~truth.ignored[start:end]
        own, other = found[start:end] & counted, found_after[start:end] & counted
        if (own != other).any() or wrong[number] != wrong_after[number]:
            yield ImageChange(
                source_id=shared.before[number].source_id,
                index_before=shared.indices_before[number],
                index_after=shared.indices_after[number],
                objects=int(counted.sum()),
                gained=tuple(np.flatnonzero(other & ~own).tolist()),
                lost=tuple(np.flatnonzero(own & ~other).tolist()),
                errors=(
                    int((counted & ~own).sum() + wrong[number]),
                    int((counted & ~other).sum() + wrong_after[number]),
                ),
            )


def _false_positives(matching: Matching, num_images: int) -> np.ndarray:  # [image]
    return np.bincount(matching.detected.image[matching.detected.wrong], minlength=num_images)
