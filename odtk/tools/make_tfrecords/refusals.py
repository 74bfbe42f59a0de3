"""Why a conversion is refused: the faults of the data by kind, each with its count and the first files."""

from collections.abc import Sequence

from odtk.annotations.annotated_image import Problem
from odtk.errors import DataError
from odtk.tools.make_tfrecords.report import Finding

_NAMED = 10  # of all kinds together; at least one of each
_KINDS = 6


def check_bad_fraction(bad: Sequence[Problem], listed: int, max_bad_fraction: float) -> None:
    """Raises DataError, naming the bad files, where more than `max_bad_fraction` of the listed images are bad."""
    if len(bad) <= max_bad_fraction * listed:
        return
    if len(bad) == listed:
        raise DataError(f"None of the {listed} images can be used: {faults(bad)}. Nothing was written. Fix the files.")
    raise DataError(
        f"{len(bad)} of {listed} images ({len(bad) / listed:.1%}) cannot be used, more than --max-bad-fraction "
        f"{max_bad_fraction:g} allows: {faults(bad, ', which --max-bad-fraction 1 lists in dataset.json')}. Nothing "
        "was written. Fix the files, or allow a larger fraction."
    )


def check_findings(findings: Sequence[Finding], max_bad_fraction: float) -> None:
    """`check_bad_fraction` of what was found of all listed images."""
    bad = [finding.skipped for finding in findings if finding.skipped and finding.is_bad]
    check_bad_fraction(bad, len(findings), max_bad_fraction)


def no_objects(findings: Sequence[Finding], problems: Sequence[Problem]) -> DataError:
    """The error of a data set without any object: what was found wrong with it comes first.

    `problems` are those of the data set as a whole.
    """
    skipped = [finding.skipped for finding in findings if finding.skipped]
    said = [*problems, *skipped, *(found for finding in findings for found in finding.problems)]
    if said:
        text = f"so none of the {len(findings)} images has an object to learn. Nothing was written."
        return DataError(f"{faults(said)}; {text}")
    return DataError(
        "No image has an object to learn. Check that the annotations belong to the images. If images with nothing on "
        "them are meant, name the classes with --label-map."
    )


def faults(problems: Sequence[Problem], where_more: str = "") -> str:
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
