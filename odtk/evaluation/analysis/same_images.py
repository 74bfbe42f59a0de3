"""The images that two results have in common, with one groundtruth and one numbering of the classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from odtk.errors import DataError
from odtk.evaluation.results import ImageResult, Results
from odtk.findings import NOTE, WARNING, Example, Finding

_MAX_EXAMPLES = 5
_TOLERANCE = 0.5  # pixels


@dataclass(frozen=True)
class SharedImages:
    """The same images in the same order, twice: both have the groundtruth of the first."""

    before: Sequence[ImageResult]
    after: Sequence[ImageResult]
    indices_before: Sequence[int]  # in the images of each result
    indices_after: Sequence[int]
    findings: Sequence[Finding]  # what they do not have in common


def shared_images(before: Results, after: Results) -> SharedImages:
    """The images of `before` that `after` has, too, by their source_id. Raises DataError if there are none."""
    first, second = _by_name(before), _by_name(after)
    names = [name for name in first if name in second]
    if not names:
        raise DataError(
            f"The two results have no image in common: one has {_few(list(first))}, the other {_few(list(second))}. "
            "Evaluate both on the same images."
        )
    numbers = _class_numbers(before.names, after.names)
    pairs = [(before.images[first[name]], after.images[second[name]]) for name in names]
    return SharedImages(
        before=[own for own, _ in pairs],
        after=[_with_groundtruth_of(own, other, numbers) for own, other in pairs],
        indices_before=[first[name] for name in names],
        indices_after=[second[name] for name in names],
        findings=[*_unshared(first, second), *_other_groundtruth(pairs, numbers), *_unknown_classes(before, after)],
    )


def _by_name(results: Results) -> dict[str, int]:
    """Index of each image, by its source_id: of several the first, as evaluation takes it."""
    indices: dict[str, int] = {}
    for index, image in enumerate(results.images):
        indices.setdefault(image.source_id, index)
    return indices


def _class_numbers(before: Mapping[int, str], after: Mapping[int, str]) -> dict[int, int]:
    """The class ids of `after` that are others in `before`, by name; unknown ones become ids that nothing has."""
    of_name = {name: number for number, name in before.items()}
    unused = max([*before, *after, 0]) + 1
    return {
        number: number if before.get(number) == name else of_name.get(name, unused + number)
        for number, name in after.items()
    }


def _with_groundtruth_of(own: ImageResult, other: ImageResult, numbers: Mapping[int, int]) -> ImageResult:
    return replace(
        own,
        detected_boxes=other.detected_boxes,
        detected_classes=_renumbered(other.detected_classes, numbers),
        scores=other.scores,
    )


def _renumbered(classes: np.ndarray, numbers: Mapping[int, int]) -> np.ndarray:
    return np.array([numbers.get(number, number) for number in classes.tolist()], int)


def _unshared(first: Mapping[str, int], second: Mapping[str, int]) -> list[Finding]:
    findings = []
    for own, other, whose in ((first, second, "first"), (second, first, "second")):
        missing = [name for name in own if name not in other]
        if missing:
            text = f"{len(missing)} of {len(own)} images are only in the {whose} result, and are not compared: "
            findings.append(Finding(WARNING, text + _few(missing) + ".", kind="other-images", count=len(missing)))
    return findings


def _other_groundtruth(pairs: Sequence[tuple[ImageResult, ImageResult]], numbers: Mapping[int, int]) -> list[Finding]:
    differ = [own for own, other in pairs if not _same_groundtruth(own, other, numbers)]
    if not differ:
        return []
    examples = tuple(Example("other boxes or classes", image.source_id) for image in differ[:_MAX_EXAMPLES])
    text = (
        f"The groundtruth of {len(differ)} of {len(pairs)} images differs between the two results; both are compared "
        f"with that of the first: {_few([image.source_id for image in differ])}."
    )
    return [Finding(WARNING, text, kind="other-groundtruth", count=len(differ), examples=examples)]


def _same_groundtruth(own: ImageResult, other: ImageResult, numbers: Mapping[int, int]) -> bool:
    if len(own.classes) != len(other.classes):
        return False
    apart = np.abs(own.boxes[:, None] - other.boxes).max(axis=2, initial=0) > _TOLERANCE
    alike = ~apart & (own.classes[:, None] == _renumbered(other.classes, numbers))
    return bool(alike.any(axis=0).all() and alike.any(axis=1).all())


def _unknown_classes(before: Results, after: Results) -> list[Finding]:
    unknown = [name for name in after.names.values() if name not in before.names.values()]
    if not unknown:
        return []
    text = f"The first result has no class {_few(unknown)}: what the second detects of it is not compared."
    return [Finding(NOTE, text, kind="other-classes", count=len(unknown))]


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_EXAMPLES} others" if len(names) > _MAX_EXAMPLES else ""
    return ", ".join(names[:_MAX_EXAMPLES]) + more
