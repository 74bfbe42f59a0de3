"""Checks of images and records: unreadable, inconsistent and duplicate ones."""

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from odtk.annotations import duplicates
from odtk.datasets.checks import problem_texts
from odtk.datasets.checks.context import CheckContext
from odtk.datasets.scan import MAX_EXAMPLES, Tally
from odtk.datasets.splits import NO_SPLIT
from odtk.errors import Option
from odtk.findings import ERROR, NOTE, WARNING, Example, Finding, counted
from odtk.prototext.schema import some

# The fraction of unusable images that make-tfrecords allows by default.
MAX_UNUSABLE = 0.05

_MANY_NEGATIVES = 0.5

# Times the model's input. Larger images should be shrunk once instead of in every epoch; at this size random crops
# still have full resolution.
_TOO_LARGE = 2


def unusable(context: CheckContext) -> Iterator[Finding]:
    """Images that cannot be decoded, annotations that cannot be read, damaged records."""
    rows, is_annotated = context.rows, context.target.is_annotated
    total = sum(tally.count for tally in rows.unusable.values() if tally.is_bad)
    share = total / max(1, total + len(rows.split))
    severity = WARNING if is_annotated and share <= MAX_UNUSABLE else ERROR
    options: tuple[Option, ...] = ()
    if is_annotated and severity == WARNING:
        what, fix = "make-tfrecords skips them", "Fix or remove the listed files."
    elif is_annotated and share == 1:
        what, fix = "no image is left for make-tfrecords", "Fix the listed files."
    elif is_annotated:
        what = f"{share:.1%} of all images are unusable, and make-tfrecords refuses more than {MAX_UNUSABLE:.0%}"
        allowed = math.ceil(share * 100) / 100
        fix = f"Fix or remove the listed files, or allow more: odtk make-tfrecords ... --max-bad-fraction {allowed:g}"
        options = (Option("make-tfrecords", "--max-bad-fraction", f"{allowed:g}"),)
    else:
        what = "training skips them up to a limit, and then stops"
        fix = "Write the records again, from images that can be decoded."
    for kind, tally in rows.unusable.items():
        if not tally.is_bad:
            text = f"Images that are skipped, {kind.removesuffix(', left out')}: {tally.count:,}."
            yield _of_tally(NOTE, kind, text, "Nothing to do, if they are not meant for training.", tally)
            continue
        name = "images" if is_annotated else "records"
        yield _of_tally(severity, kind, f"Unusable {name}, {kind}: {tally.count:,}; {what}.", fix, tally, options)


def reported(context: CheckContext) -> Iterator[Finding]:
    """Problems that the readers of annotations and records report."""
    for kind, tally in context.rows.problems.items():
        said = problem_texts.of(kind)
        severity = said.annotated if context.target.is_annotated else said.recorded
        yield _of_tally(severity, kind, said.text.format(count=f"{tally.count:,}"), said.fix, tally, said.options)


def _of_tally(severity: str, kind: str, text: str, fix: str, tally: Tally, options: tuple[Option, ...] = ()) -> Finding:
    slug = "-".join(kind.lower().replace("/", " ").replace(",", "").split())
    examples = tuple(tally.examples)
    return Finding(severity, text, kind=slug, fix=fix, count=tally.count, examples=examples, options=options)


def missing_shards(context: CheckContext) -> Iterator[Finding]:
    """Missing shards, known from the names of the others."""
    missing = context.target.missing
    if missing:
        yield Finding(
            ERROR,
            f"{counted(len(missing), 'shard is', 'shards are')} missing: {some(missing)}. Training refuses to start.",
            kind="missing-shards",
            fix="Copy them again, or list the existing files one by one in input_path.",
            count=len(missing),
        )


def refused(context: CheckContext) -> Iterator[Finding]:
    """Boxes that cannot be right with the assumed order and units."""
    if context.target.refusal:
        fix = "make-tfrecords refuses this dataset until the order is given: odtk make-tfrecords ... --boxes ORDER"
        options = context.target.options
        yield Finding(ERROR, context.target.refusal, kind="boxes-read-wrongly", fix=fix, options=options)


def large(context: CheckContext) -> Iterator[Finding]:
    """Images much larger than the model's input."""
    if context.model_sides is None:
        return
    sides = np.maximum(context.rows.height, context.rows.width)
    found = np.flatnonzero(sides > _TOO_LARGE * context.model_sides)
    if len(found):
        side = _TOO_LARGE * int(context.model_sides[found].max())
        yield Finding(
            NOTE,
            f"{counted(len(found), 'image is', 'images are')} more than twice as large as the model's input, and "
            "are read and decoded in full at every step.",
            kind="large-images",
            fix=f"Shrink them once: odtk make-tfrecords ... --max-side {side}",
            options=(Option("make-tfrecords", "--max-side", str(side)),),
            count=len(found),
            examples=context.of_images(
                found, lambda row: f"{context.rows.width[row]} x {context.rows.height[row]} pixels"
            ),
        )


def negatives(context: CheckContext) -> Iterator[Finding]:
    """Images without boxes."""
    rows = context.rows
    for number, split in enumerate(context.target.splits):
        own = rows.split == number
        found = np.flatnonzero(own & (rows.num_boxes == 0))
        share, of_split = len(found) / max(1, int(own.sum())), "" if split == NO_SPLIT else f" of {split}"
        if len(found) and share < 1:  # a split without any boxes is another finding
            yield Finding(
                WARNING if share > _MANY_NEGATIVES else NOTE,
                f"{counted(len(found), 'image')}{of_split} ({share:.1%}) without a box; they are learned as "
                "background.",
                kind="images-without-boxes",
                fix="Correct if they show no objects; otherwise annotate or remove them.",
                count=len(found),
                examples=context.of_images(found, lambda row: "no box"),
            )


def copies(context: CheckContext) -> Iterator[Finding]:
    """Identical files or near-duplicate images, in several splits or in one."""
    rows = context.rows
    same = _grouped(rows.digest)
    decoded = np.flatnonzero(rows.decoded)
    alike = np.full(len(rows.split), -1)
    alike[decoded] = duplicates.groups(rows.fingerprint[decoded].tolist())
    equal_across = _across(same, rows.split)
    alike_across = [group for group in _across(_grouped(alike, 0), rows.split) if not _is_equal(rows.digest[group])]
    if equal_across:
        yield _leak(context, ERROR, "same-image-across-splits", "identical files", equal_across)
    if alike_across:
        # Never an error: images of different objects on the same background look alike, too.
        yield _leak(context, WARNING, "look-alikes-across-splits", "near-duplicates", alike_across)
    within = [part for group in _grouped(alike, 0) for part in _same_split(group, rows.split)]
    if within:
        count = sum(len(group) - 1 for group in within)
        yield Finding(
            NOTE,
            f"{counted(count, 'image looks', 'images look')} like another of the same split.",
            kind="look-alikes",
            fix="Frames of a video teach little more than one of them. make-tfrecords keeps near-duplicates in one "
            "split.",
            count=count,
            examples=tuple(_case(context, group[:2]) for group in within[:MAX_EXAMPLES]),
        )


def _leak(context: CheckContext, severity: str, kind: str, what: str, groups: list[np.ndarray]) -> Finding:
    splits = Counter(context.rows.split_of(int(row)) for group in groups for row in group)
    return Finding(
        severity,
        f"{counted(len(groups), 'image is', 'images are')} in more than one split, as {what}: "
        f"{', '.join(f'{count:,} of {split}' for split, count in splits.items())}.",
        kind=kind,
        fix="Remove them from one split, or split again with odtk make-tfrecords, which keeps near-duplicates "
        "together. Otherwise the evaluation measures what was memorized.",
        options=(Option("make-tfrecords", "--resplit"),),
        count=len(groups),
        examples=tuple(_case(context, _first_of_each(group, context.rows.split)) for group in groups[:MAX_EXAMPLES]),
    )


def _case(context: CheckContext, group: np.ndarray) -> Example:
    first, *others = group.tolist()
    names = ", ".join(f"{context.name_of(row)} ({context.rows.split_of(row)})" for row in others)
    return context.of_image(first, f"looks like {names}", others)


def _first_of_each(group: np.ndarray, split: np.ndarray) -> np.ndarray:
    return group[np.unique(split[group], return_index=True)[1]]


def _same_split(group: np.ndarray, split: np.ndarray) -> list[np.ndarray]:
    parts = [group[split[group] == number] for number in np.unique(split[group])]
    return [part for part in parts if len(part) > 1]


def _grouped(keys: np.ndarray, least: int | None = None) -> list[np.ndarray]:
    """Groups of indices with equal keys (of at least `least`), if there are several; each group is ascending."""
    order = np.argsort(keys, kind="stable")
    if least is not None:
        order = order[keys[order] >= least]
    parts = np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)
    return sorted((part for part in parts if len(part) > 1), key=lambda part: part[0])


def _across(groups: list[np.ndarray], split: np.ndarray) -> list[np.ndarray]:
    return [group for group in groups if len(np.unique(split[group])) > 1]


def _is_equal(digests: np.ndarray) -> bool:
    return len(np.unique(digests)) == 1
