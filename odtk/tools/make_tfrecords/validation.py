"""Whether data can be converted; if not, its problems by kind, each with its count and the first files."""

from collections.abc import Sequence

from odtk.annotations.annotated_image import Problem
from odtk.errors import DataError
from odtk.tools.make_tfrecords.report import ImageReport

_NAMED = 10  # of all kinds together, but at least one of each
_KINDS = 6


def check_bad_fraction(bad: Sequence[Problem], listed: int, max_bad_fraction: float) -> None:
    """Raises a DataError with the bad files if more than `max_bad_fraction` of the listed images are bad."""
    if len(bad) <= max_bad_fraction * listed:
        return
    if len(bad) == listed:
        raise DataError(f"None of the {listed} images is usable: {by_kind(bad)}. Nothing was written. Fix the files.")
    raise DataError(
        f"{len(bad)} of {listed} images ({len(bad) / listed:.1%}) are unusable, more than the allowed fraction of "
        f"{max_bad_fraction:g}: {by_kind(bad, ', all of them in dataset.json if a fraction of 1 is allowed')}. Nothing "
        "was written. Fix the files, or allow a larger fraction.",
        argument="max_bad_fraction",
    )


def check_images(images: Sequence[ImageReport], max_bad_fraction: float) -> None:
    """`check_bad_fraction` of all listed images."""
    bad = [image.skipped for image in images if image.skipped and image.is_bad]
    check_bad_fraction(bad, len(images), max_bad_fraction)


def no_objects(images: Sequence[ImageReport], problems: Sequence[Problem]) -> DataError:
    """The error of a dataset without any object: its problems come first.

    `problems` are those of the dataset as a whole.
    """
    skipped = [image.skipped for image in images if image.skipped]
    known = [*problems, *skipped, *(problem for image in images for problem in image.problems)]
    if known:
        text = f"so none of the {len(images)} images has an object to learn. Nothing was written."
        return DataError(f"{by_kind(known)}; {text}")
    return DataError(
        "No image has an object to learn. Check that the annotations belong to the images. If the images really have "
        "no objects, give the classes with a label map.",
        argument="label_map",
    )


def by_kind(problems: Sequence[Problem], where_more: str = "") -> str:
    """Problems by kind, the most frequent first: the count, then file, line and text of the first of each."""
    kinds: dict[str, list[Problem]] = {}
    for problem in sorted(problems, key=lambda problem: (problem.file, problem.line or 0)):
        kinds.setdefault(problem.kind, []).append(problem)
    ranked = sorted(kinds.items(), key=lambda item: -len(item[1]))
    named = max(1, _NAMED // min(len(ranked), _KINDS)) if ranked else 0
    parts = []
    for kind, found in ranked[:_KINDS]:
        texts = "; ".join(str(problem).rstrip(".") for problem in found[:named])
        more = f"; and {len(found) - named} more{where_more}" if len(found) > named else ""
        parts.append(f"{kind} ({len(found)}): {texts}{more}")
    others = sum(len(found) for _, found in ranked[_KINDS:])
    return ". ".join(parts) + (f". And {others} of other kinds" if others else "")
