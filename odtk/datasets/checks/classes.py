"""Checks of the classes: too few examples, missing from a split, unknown to the label map, spelled in two ways."""

import difflib
from collections.abc import Iterator
from pathlib import PurePath

import numpy as np

from odtk.datasets.checks.context import CheckContext
from odtk.datasets.class_typos import question
from odtk.datasets.open_dataset import configuring
from odtk.datasets.sources import NO_ID
from odtk.datasets.splits import NO_SPLIT, TEST
from odtk.detectors import families
from odtk.errors import Option
from odtk.findings import ERROR, NOTE, WARNING, Example, Finding, counted
from odtk.label_map import LabelMap, folded
from odtk.prototext.schema import some

FEW_BOXES = 10
RARE_SHARE = 0.1
"""Fraction of the median class's boxes."""

_NAMED = 8


def no_boxes(context: CheckContext) -> Iterator[Finding]:
    """Splits without boxes, with which nothing can be learned or measured."""
    for number, split in enumerate(context.target.splits):
        if not (context.split_of_box == number).any():
            images = int((context.rows.split == number).sum())
            yield Finding(
                WARNING if split == TEST else ERROR,  # test images are often published without boxes
                f"{_subject(split)} {counted(images, 'usable image')} and no box.",
                kind="no-boxes",
                fix="Check that the annotations were exported with their boxes, and that this is the right folder.",
            )


def rare(context: CheckContext) -> Iterator[Finding]:
    """Classes with few boxes in the first split, which training reads."""
    counts = _counts(context, 0) * ~_typos(context)
    present = counts[counts > 0]
    if not len(present):
        return
    share = RARE_SHARE * float(np.median(present))
    limit = max(FEW_BOXES, share)
    found = [number for number in np.argsort(counts, kind="stable") if 0 < counts[number] < limit]
    if found:
        names = some([f"{_quoted(context, number)} ({counts[number]:,})" for number in found], _NAMED)
        least, most = int(present.min()), int(present.max())
        yield Finding(
            WARNING,
            f"Class imbalance: {counted(len(found), 'class has', 'classes have')} few boxes"
            f"{_in_training(context)}, under {FEW_BOXES} or a tenth of the median of {np.median(present):,.0f}: "
            f"{names}. The classes have {least:,} to {most:,} boxes.",
            kind="rare-classes",
            fix="Annotate more images of them, merge classes, or expect them to be missed.",
            count=len(found),
            # In a small dataset every class has few boxes, so there is no need to show its images.
            examples=context.of_boxes(_first_boxes(context, [n for n in found if counts[n] < share]), context.size_of),
        )


def misspelled(context: CheckContext) -> Iterator[Finding]:
    """Classes with few boxes whose names are likely typos of others; each would become a class of its own."""
    rows, counts = context.rows, context.boxes_of_class
    numbers = np.flatnonzero(_typos(context)).tolist()
    if not numbers:
        return

    def ask(box: int) -> str:
        name = context.class_name(box)
        return question(name, context.typos[name], counts)

    first = context.of_boxes(_first_boxes(context, numbers[:_NAMED]), ask)
    named = zip((rows.class_names[number] for number in numbers[:_NAMED]), first, strict=True)
    asked = [question(name, context.typos[name], counts, _place(example)) for name, example in named]
    more = f" and {len(numbers) - _NAMED} more" * (len(numbers) > _NAMED)
    boxes = np.flatnonzero(np.isin(rows.class_of, numbers))
    yield Finding(
        WARNING,
        f"{counted(len(numbers), 'class is', 'classes are')} likely misspelled: {', '.join(asked)}{more}",
        kind="misspelled-classes",
        fix="Correct the names in the annotations; otherwise each becomes a class of its own, with hardly a box to "
        "learn from. If the names are correct, leave them.",
        count=len(boxes),
        examples=context.of_boxes(boxes, ask),
    )


def absent(context: CheckContext) -> Iterator[Finding]:
    """Classes that are in one split but not in another."""
    splits = context.target.splits
    if len(splits) < 2:
        return
    trained = _counts(context, 0) > 0
    typos = _typos(context)
    for number, split in enumerate(splits[1:], start=1):
        held_out = _counts(context, number) > 0
        if not held_out.any():
            continue
        for severity, kind, missing, where, advice in (
            (WARNING, "classes-not-trained", held_out & ~trained, (split, splits[0]), "they cannot be learned"),
            (WARNING, "classes-not-evaluated", trained & ~held_out, (splits[0], split), "their AP is not measured"),
        ):
            found = np.flatnonzero(missing & ~typos).tolist()
            if found:
                names = some([_quoted(context, each) for each in found], _NAMED)
                yield Finding(
                    severity,
                    f"{counted(len(found), 'class is', 'classes are')} in {where[0]} but not in {where[1]}: {names}; "
                    f"{advice}.",
                    kind=kind,
                    fix="Split the images again, stratified by class, or annotate more of them.",
                    options=(Option("make-tfrecords", "--resplit"),),
                    count=len(found),
                    examples=context.of_boxes(_first_boxes(context, found), context.size_of),
                )


def unknown(context: CheckContext) -> Iterator[Finding]:
    """Boxes whose class is not in the label map; training skips them."""
    labels, rows = context.target.labels, context.rows
    if labels is None:
        return
    ids = {item.id for item in labels.items}
    numbers = [number for number in range(len(rows.class_names)) if not _is_known(context, number, labels)]
    lost = np.flatnonzero(np.isin(rows.class_of, numbers))
    if not len(lost):
        return
    counts = np.bincount(rows.class_of, minlength=len(rows.class_names))
    numbers.sort(key=lambda number: -counts[number])
    names = some([f"{_quoted(context, each)} ({counts[each]:,}){_hint(context, each, labels)}" for each in numbers],
                 _NAMED)  # fmt: skip
    yield Finding(
        ERROR,
        f"{context.target.label_map} (ids 1-{max(ids)}) lacks {counted(len(numbers), 'class', 'classes')} of the "
        f"data, with {counted(len(lost), 'box', 'boxes')} that training skips: {names}.",
        kind="unknown-classes",
        fix="Correct the names in the data or add the items to the label map (and num_classes of the config).",
        count=len(lost),
        examples=context.of_boxes(lost, context.size_of),
    )


def _is_known(context: CheckContext, number: int, labels: LabelMap) -> bool:
    name = context.rows.class_names[number]
    return labels.id_of(name) is not None or not name.strip()  # reported by another check


def _hint(context: CheckContext, number: int, labels: LabelMap) -> str:
    name = context.rows.class_names[number]
    names = {folded(item.name): item.name for item in labels.items}
    near = names.get(folded(name)) or next(iter(difflib.get_close_matches(name, names.values(), 1, 0.8)), None)
    return f", the map has {near!r}" if near else ""


def disagreeing(context: CheckContext) -> Iterator[Finding]:
    """Records in which class id and class name disagree."""
    labels, rows = context.target.labels, context.rows
    if labels is None or not len(rows.class_of):
        return
    right = np.array([labels.id_of(name) or NO_ID for name in rows.class_names])[rows.class_of]
    found = np.flatnonzero((rows.class_id != NO_ID) & (right != NO_ID) & (rows.class_id != right))
    if len(found):

        def describe(box: int) -> str:
            return f"{context.class_name(box)} with the id {rows.class_id[box]}; in the label map it is {right[box]}"

        yield Finding(
            WARNING,
            f"{counted(len(found), 'box has', 'boxes have')} an id that is not the one of their class name in "
            f"{context.target.label_map}.",
            kind="ids-disagree",
            fix="odtk and TFOD use the name if there is a label map. Write the records again with this label map, or "
            "use the label map that they were written with.",
            count=len(found),
            examples=context.of_boxes(found, describe),
        )


def unused(context: CheckContext) -> Iterator[Finding]:
    """Classes of the label map, or of the dataset's own list, without a box to learn from."""
    labels, rows = context.target.labels, context.rows
    trained = {rows.class_names[number] for number in np.flatnonzero(_counts(context, 0))}
    listed = context.target.class_names
    if labels:
        trained = {labels.name_of(labels.id_of(name) or 0) or "" for name in trained}
        listed = tuple(item.shown for item in labels.single_items())
    found = [name for name in listed if name not in trained]
    if found and trained and len(found) < len(listed):
        yield Finding(
            WARNING if labels else NOTE,
            f"{counted(len(found), 'class', 'classes')} of {context.target.label_map or 'the dataset'} "
            f"{'has' if len(found) == 1 else 'have'} no box{_in_training(context)}: "
            f"{some([repr(name) for name in found], _NAMED)}.",
            kind="unused-classes",
            fix="Remove them from the label map (and reduce num_classes), or annotate images of them.",
            count=len(found),
        )


def alike(context: CheckContext) -> Iterator[Finding]:
    """Classes whose names differ only in case, spaces, hyphens or underscores."""
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(context.rows.class_names):
        groups.setdefault(folded(name), []).append(number)
    groups = {plain: sorted(numbers) for plain, numbers in groups.items() if len(numbers) > 1}
    if groups:
        counts = np.bincount(context.rows.class_of, minlength=len(context.rows.class_names))
        names = ["/".join(f"{_quoted(context, n)} ({counts[n]:,})" for n in group) for group in groups.values()]
        rarer = [min(group, key=lambda number: counts[number]) for group in groups.values()]
        yield Finding(
            WARNING,
            f"{counted(len(groups), 'class is', 'classes are')} spelled in several ways: {some(names, _NAMED)}.",
            kind="names-alike",
            fix="Use one spelling for each class; otherwise each spelling becomes a class.",
            count=len(groups),
            examples=context.of_boxes(_first_boxes(context, rarer), context.size_of),
        )


def nameless(context: CheckContext) -> Iterator[Finding]:
    """Objects without a class."""
    numbers = [number for number, name in enumerate(context.rows.class_names) if not name.strip()]
    found = np.flatnonzero(np.isin(context.rows.class_of, numbers))
    if len(found):
        yield Finding(
            ERROR,
            f"{counted(len(found), 'box has', 'boxes have')} no class name.",
            kind="no-class",
            fix="Give each object its class, or remove the object.",
            count=len(found),
            examples=context.of_boxes(found, context.size_of),
        )


def too_few_outputs(context: CheckContext) -> Iterator[Finding]:
    """A config whose number of outputs differs from the label map's ids."""
    config, labels = context.target.config, context.target.labels
    count = families.of(config).num_classes(config.model) if config is not None else 0
    if labels is not None and count and count != labels.num_classes and _is_the_configs(context):
        yield Finding(
            ERROR if count < labels.num_classes else WARNING,
            f"{context.target.config_path} has num_classes {count}, but the largest id of "
            f"{context.target.label_map} is {labels.num_classes}.",
            kind="num-classes",
            fix=f"{configuring(context.target.config_path or '')} --num-classes {labels.num_classes}",
        )


def _is_the_configs(context: CheckContext) -> bool:
    config = context.target.config
    return config is not None and config.train_input_reader.label_map_path == context.target.label_map


def _in_training(context: CheckContext) -> str:
    """` in train`, if there is more than one split."""
    split = context.target.splits[0]
    return "" if split == NO_SPLIT else f" in {split}"


def _subject(split: str) -> str:
    return "There are" if split == NO_SPLIT else f"Split {split} has"


def _counts(context: CheckContext, split: int) -> np.ndarray:
    """The number of boxes of each class in a split, 0 for classes without a name: int [classes]."""
    own = context.rows.class_of[context.split_of_box == split]
    named = [bool(name.strip()) for name in context.rows.class_names]
    return np.bincount(own, minlength=len(named)) * np.array(named, int)


def _first_boxes(context: CheckContext, numbers: list[int]) -> np.ndarray:
    """The first box of each of the classes."""
    found, first = np.unique(context.rows.class_of, return_index=True)
    where = dict(zip(found.tolist(), first.tolist(), strict=True))
    return np.array([where[number] for number in numbers if number in where], np.int64)


def _typos(context: CheckContext) -> np.ndarray:
    """Which classes have names that are likely misspelled: bool [classes]."""
    return np.array([name in context.typos for name in context.rows.class_names], bool)


def _place(example: Example) -> str:
    """The annotation file of an image; with the image or line, if it has several images."""
    is_its_own = example.image and PurePath(example.file).stem == PurePath(example.image).stem
    return example.file if is_its_own else example.where


def _quoted(context: CheckContext, number: int) -> str:
    return repr(context.rows.class_names[number])
