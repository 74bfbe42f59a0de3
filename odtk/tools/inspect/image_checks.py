"""Checks of images and records: what cannot be read, what disagrees with itself, what is there twice."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from odtk import duplicates
from odtk.annotations.conventions import NORMALISED
from odtk.annotations.frames import AMBIGUOUS, NOT_APPLIED, SIZE_DISAGREES
from odtk.annotations.prepare import SCALED
from odtk.prototext.schema import some
from odtk.tools.inspect.evidence import Evidence, counted
from odtk.tools.inspect.report import ERROR, INFORMATION, NO_SPLIT, WARNING, Example, Finding
from odtk.tools.inspect.scan import MAX_EXAMPLES, Tally

# What make-tfrecords refuses to go beyond unless told otherwise.
MAX_UNUSABLE = 0.05

_MANY_NEGATIVES = 0.5

# Times the model's input: images of more are worth shrinking once instead of in every epoch, and of so much leave the
# augmentations room to cut out a part.
_TOO_LARGE = 2


class _Word(NamedTuple):
    """How to speak of a kind of oddity: in an annotated data set, and in records, where nothing mends it any more."""

    annotated: str  # severity
    recorded: str
    text: str  # with {count}, as a sentence
    fix: str


_AGAIN = "Convert the data again with odtk make-tfrecords, which reports and mends this."
_WORDS = {
    "inverted box": _Word(
        WARNING, ERROR, "Boxes whose maximum is below their minimum: {count}.",
        "Look whether these are the right boxes: make-tfrecords exchanges the corners. In records they spoil the loss.",
    ),
    "empty box": _Word(
        WARNING, WARNING, "Boxes without an area: {count}.",
        "Draw these boxes again, or take them out. In records they are matched by force and teach noise.",
    ),
    "NaN in a box": _Word(
        WARNING, WARNING, "Boxes with a coordinate that is no number: {count}.",
        "Correct the annotation. Training leaves these boxes out, and learns the object as background.",
    ),
    "box outside the image": _Word(
        WARNING, WARNING, "Boxes that reach beyond the image: {count}.",
        "Look whether annotation and image belong together, and whether the image was resized or turned since.",
    ),
    "box in pixels": _Word(
        ERROR, ERROR, "Boxes in records that were not normalised: {count}.",
        "Divide by the image's width and height (0 to 1) when writing records, or use odtk make-tfrecords.",
    ),
    SIZE_DISAGREES: _Word(
        WARNING, WARNING, "Images of another size than their annotation or record says: {count}.",
        "Annotate the images as they are, or put back those that were annotated.",
    ),
    "EXIF orientation": _Word(
        WARNING, WARNING, "Record images with an EXIF orientation, which training does not apply: {count}.",
        f"If the boxes were drawn on the turned image they are wrong. {_AGAIN}",
    ),
    "boxes of the turned image": _Word(
        ERROR, ERROR, "Record images that lie on their side, with boxes of the upright image: {count}.", _AGAIN,
    ),
    AMBIGUOUS: _Word(
        WARNING, WARNING, "Images that make-tfrecords turns, though nothing tells how they were annotated: {count}.",
        "Look at them with odtk view. If their boxes are wrong, convert with --exif ignore.",
    ),
    NORMALISED: _Word(
        INFORMATION, INFORMATION, "Boxes in 0 to 1, where the format has pixels, are taken as parts of the sides.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    SCALED: _Word(
        INFORMATION, INFORMATION, "Images of which make-tfrecords scales the bits that are used to 8: {count}.",
        "Nothing to do, if they look right on the page.",
    ),
    NOT_APPLIED: _Word(
        INFORMATION, INFORMATION, "Images annotated as stored, their EXIF orientation left aside: {count}.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    "flag not understood": _Word(
        INFORMATION, INFORMATION, "Flags that are neither 0 nor 1, taken as 0, once for an image: {count}.",
        "Nothing to do, unless the objects really are truncated, difficult or a crowd.",
    ),
    "flag that is a fraction": _Word(
        INFORMATION, INFORMATION, "Flags that are fractions, as in KITTI, taken as 1, once for an image: {count}.",
        "Nothing to do, unless --skip-difficult is to leave out fewer objects.",
    ),
    "rotated box made upright": _Word(
        INFORMATION, INFORMATION, "Rotated boxes, of which the upright box around them is used: {count}.",
        "Nothing to do, if the boxes look right on the page: an upright box is what these models learn.",
    ),
    "outline made a box": _Word(
        INFORMATION, INFORMATION, "Outlines without a box, of which the box around them is used: {count}.",
        "Nothing to do, if the boxes look right on the page.",
    ),
    "Pet layout read as VOC": _Word(
        INFORMATION, INFORMATION, "The layout is that of pets, the classes are those of the xml.",
        "Nothing to do, if the classes are right. For classes from file names: --format pets with a label map.",
    ),
    "file set aside": _Word(
        WARNING, WARNING, "Files that are left out, with all their images: {count}.",
        "Annotate these images, or remove the file; an image without objects needs an empty list of annotations.",
    ),
    "file without annotations": _Word(
        WARNING, WARNING, "Files of which no image has an annotation: {count}.",
        "Right, if nothing is on these images; otherwise annotate them, or remove the file.",
    ),
    "image listed twice": _Word(
        INFORMATION, INFORMATION, "Files that list images again, which are one image with all annotations: {count}.",
        "Nothing to do, unless an image was meant to be in one split alone: it is in the first, training's.",
    ),
    "image that TensorFlow cannot decode": _Word(
        ERROR, ERROR, "Record images in a format that TensorFlow cannot decode: {count}.", _AGAIN,
    ),
    "image/key/sha256 disagrees": _Word(
        WARNING, WARNING, "Records whose image is not the one that its image/key/sha256 was made of: {count}.",
        "Find out what changed the images since the records were written.",
    ),
}  # fmt: skip


def unusable(evidence: Evidence) -> Iterator[Finding]:
    """Images that cannot be decoded, annotations that cannot be read, damaged records."""
    rows, is_annotated = evidence.rows, evidence.target.is_annotated
    total = sum(tally.count for tally in rows.unusable.values() if tally.is_bad)
    share = total / max(1, total + len(rows.split))
    severity = WARNING if is_annotated and share <= MAX_UNUSABLE else ERROR
    if is_annotated and severity == WARNING:
        what, fix = "make-tfrecords leaves them out", "Mend or remove the files named."
    elif is_annotated and share == 1:
        what, fix = "no image is left for make-tfrecords", "Fix the files named."
    elif is_annotated:
        what = f"unusable are {share:.1%} in all, and make-tfrecords refuses more than {MAX_UNUSABLE:.0%}"
        fix = "Fix or remove the files named, or allow more with --max-bad-fraction."
    else:
        what, fix = "training skips them up to a limit, and then stops", "Write the records again, from sound images."
    for kind, tally in rows.unusable.items():
        if not tally.is_bad:
            text = f"Images that are left out, {kind.removesuffix(', left out')}: {tally.count:,}."
            yield _of_tally(INFORMATION, kind, text, "Nothing to do, if they are not meant to be learned from.", tally)
            continue
        name = "images" if is_annotated else "records"
        yield _of_tally(severity, kind, f"Unusable {name}, {kind}: {tally.count:,}; {what}.", fix, tally)


def odd(evidence: Evidence) -> Iterator[Finding]:
    """Whatever else the readers of annotations and records noticed."""
    for kind, tally in evidence.rows.oddities.items():
        default = _Word(WARNING, WARNING, f"{kind[:1].upper()}{kind[1:]}: {{count}}.", "Look at the files named.")
        word = _WORDS.get(kind, default)
        severity = word.annotated if evidence.target.is_annotated else word.recorded
        yield _of_tally(severity, kind, word.text.format(count=f"{tally.count:,}"), word.fix, tally)


def _of_tally(severity: str, kind: str, text: str, fix: str, tally: Tally) -> Finding:
    slug = "-".join(kind.lower().replace("/", " ").replace(",", "").split())
    return Finding(severity, slug, text, fix, tally.count, tuple(tally.examples))


def missing_shards(evidence: Evidence) -> Iterator[Finding]:
    """Shards that the others of their set know of."""
    missing = evidence.target.missing
    if missing:
        yield Finding(
            ERROR,
            "missing-shards",
            f"{counted(len(missing), 'shard is', 'shards are')} missing: {some(missing)}. Training would refuse to "
            "start.",
            "Copy them again, or name the files that are there one by one in input_path.",
            len(missing),
        )


def refused(evidence: Evidence) -> Iterator[Finding]:
    """Boxes that cannot be meant as they are read."""
    if evidence.target.refusal:
        text = "make-tfrecords refuses this data set, unless it is told with --boxes what the numbers are."
        yield Finding(ERROR, "boxes-read-wrongly", evidence.target.refusal, text)


def large(evidence: Evidence) -> Iterator[Finding]:
    """Images much larger than the model's input."""
    if evidence.model_sides is None:
        return
    sides = np.maximum(evidence.rows.height, evidence.rows.width)
    found = np.flatnonzero(sides > _TOO_LARGE * evidence.model_sides)
    if len(found):
        side = _TOO_LARGE * int(evidence.model_sides[found].max())
        yield Finding(
            INFORMATION,
            "large-images",
            f"{counted(len(found), 'image is', 'images are')} more than twice as large as the model's input, and read "
            "and decoded in full at every step.",
            f"Shrink them once: odtk make-tfrecords ... --max-side {side}",
            len(found),
            evidence.of_images(found, lambda row: f"{evidence.rows.width[row]} x {evidence.rows.height[row]} pixels"),
        )


def negatives(evidence: Evidence) -> Iterator[Finding]:
    """Images without boxes."""
    rows = evidence.rows
    for number, split in enumerate(evidence.target.splits):
        own = rows.split == number
        found = np.flatnonzero(own & (rows.num_boxes == 0))
        share, of_split = len(found) / max(1, int(own.sum())), "" if split == NO_SPLIT else f" of {split}"
        if len(found) and share < 1:  # a split with none at all is another finding
            yield Finding(
                WARNING if share > _MANY_NEGATIVES else INFORMATION,
                "images-without-boxes",
                f"{counted(len(found), 'image')}{of_split} ({share:.1%}) without a box, learned as background.",
                "Right, if nothing is on them; otherwise annotate them or take them out.",
                len(found),
                evidence.of_images(found, lambda row: "no box"),
            )


def copies(evidence: Evidence) -> Iterator[Finding]:
    """The same file, or nearly the same picture, in several splits or twice in one."""
    rows = evidence.rows
    same = _grouped(rows.digest)
    decoded = np.flatnonzero(rows.decoded)
    alike = np.full(len(rows.split), -1)
    alike[decoded] = duplicates.groups(rows.fingerprint[decoded].tolist())
    equal_across = _across(same, rows.split)
    alike_across = [group for group in _across(_grouped(alike, 0), rows.split) if not _is_equal(rows.digest[group])]
    if equal_across:
        yield _leak(evidence, ERROR, "same-image-across-splits", "the same file", equal_across)
    if alike_across:
        # Never an error: pictures of things on one and the same background look alike, too.
        yield _leak(evidence, WARNING, "look-alikes-across-splits", "nearly the same picture", alike_across)
    within = [part for group in _grouped(alike, 0) for part in _same_split(group, rows.split)]
    if within:
        count = sum(len(group) - 1 for group in within)
        yield Finding(
            INFORMATION,
            "look-alikes",
            f"{counted(count, 'image looks', 'images look')} like another of the same split.",
            "Frames of a film teach little more than one of them. make-tfrecords keeps look-alikes in one split.",
            count,
            tuple(_case(evidence, group[:2]) for group in within[:MAX_EXAMPLES]),
        )


def _leak(evidence: Evidence, severity: str, kind: str, what: str, groups: list[np.ndarray]) -> Finding:
    splits = Counter(evidence.rows.split_of(int(row)) for group in groups for row in group)
    return Finding(
        severity,
        kind,
        f"{counted(len(groups), 'picture is', 'pictures are')} in more than one split, as {what}: "
        f"{', '.join(f'{count:,} of {split}' for split, count in splits.items())}.",
        "Take them out of one split, or split anew with odtk make-tfrecords, which keeps look-alikes together: what "
        "was learned by heart is measured otherwise.",
        len(groups),
        tuple(_case(evidence, _first_of_each(group, evidence.rows.split)) for group in groups[:MAX_EXAMPLES]),
    )


def _case(evidence: Evidence, group: np.ndarray) -> Example:
    first, *others = group.tolist()
    names = ", ".join(f"{evidence.name_of(row)} ({evidence.rows.split_of(row)})" for row in others)
    return evidence.of_image(first, f"looks like {names}", others)


def _first_of_each(group: np.ndarray, split: np.ndarray) -> np.ndarray:
    return group[np.unique(split[group], return_index=True)[1]]


def _same_split(group: np.ndarray, split: np.ndarray) -> list[np.ndarray]:
    parts = [group[split[group] == number] for number in np.unique(split[group])]
    return [part for part in parts if len(part) > 1]


def _grouped(keys: np.ndarray, least: int | None = None) -> list[np.ndarray]:
    """Positions that share a key (of at least `least`), where several do, each group ascending."""
    order = np.argsort(keys, kind="stable")
    if least is not None:
        order = order[keys[order] >= least]
    parts = np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)
    return sorted((part for part in parts if len(part) > 1), key=lambda part: part[0])


def _across(groups: list[np.ndarray], split: np.ndarray) -> list[np.ndarray]:
    return [group for group in groups if len(np.unique(split[group])) > 1]


def _is_equal(digests: np.ndarray) -> bool:
    return len(np.unique(digests)) == 1
