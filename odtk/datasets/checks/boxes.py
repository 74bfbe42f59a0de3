"""Checks of the boxes: sizes that cannot be learned, boxes drawn twice, boxes beyond what training keeps."""

from collections.abc import Iterator

import numpy as np

from odtk.datasets.checks.context import CheckContext
from odtk.findings import ERROR, NOTE, WARNING, Finding, counted

TINY_SIDE = 8.0
"""Pixels of the model's input; the usual stride of the finest feature map."""
THIN_SIDE = 2.0
WHOLE_IMAGE = 0.98
"""Fraction of both sides; a box that covers more was most likely not drawn by a person."""
SAME_PLACE = 0.9
"""Intersection over union above which two boxes count as boxes of the same object."""

# Fractions of boxes without a matching anchor: from the first on a warning, from the second on an error.
_MANY_UNMATCHED, _MOST_UNMATCHED = 0.1, 0.5

_CROWDED = 300  # boxes of an image that are compared at once; if there are more, in overlapping groups


def tiny(context: CheckContext) -> Iterator[Finding]:
    """Boxes that are too small to be seen after resizing."""
    heights, widths = context.heights, context.widths
    real = (heights > 0) & (widths > 0)
    area, least = np.where(real, heights * widths, np.inf), np.minimum(heights, widths)
    found = np.flatnonzero(real & ((area < TINY_SIDE**2) | (least < THIN_SIDE)))
    if len(found):
        share = f" ({len(found) / len(heights):.1%} of all)"
        yield Finding(
            WARNING,
            f"{counted(len(found), 'box is', 'boxes are')} tiny{share}: under {TINY_SIDE:g} x {TINY_SIDE:g} pixels of "
            f"{context.frame}, or thinner than {THIN_SIDE:g}.",
            kind="tiny-boxes",
            fix="Remove boxes drawn by accident; for objects that are this small, enlarge the config's image_resizer "
            "or cut the images into tiles.",
            count=len(found),
            examples=context.of_boxes(found[np.argsort(area[found], kind="stable")], context.size_of),
        )


def whole_image(context: CheckContext) -> Iterator[Finding]:
    """Boxes as large as their image."""
    sides = context.rows.boxes
    covers = np.minimum(sides[:, 2:], 1) - np.maximum(sides[:, :2], 0) >= WHOLE_IMAGE
    found = np.flatnonzero(covers.all(axis=1) & (sides <= 2).all(axis=1))
    if len(found):
        yield Finding(
            WARNING,
            f"{counted(len(found), 'box covers its whole image', 'boxes cover their whole image')}.",
            kind="whole-image-boxes",
            fix="Check whether these are placeholders of a labeling tool; draw the box around the object, or remove "
            "it.",
            count=len(found),
            examples=context.of_boxes(found, context.size_of),
        )


def drawn_twice(context: CheckContext) -> Iterator[Finding]:
    """Identical boxes of one class, and (almost) identical boxes of two."""
    first, second, overlap = _close_pairs(context)
    same_class = context.rows.class_of[first] == context.rows.class_of[second]
    sides = context.rows.boxes
    identical = same_class & (sides[first] == sides[second]).all(axis=1)
    conflicting = ~same_class

    def examples(pairs: np.ndarray) -> tuple:
        firsts = {int(first[pair]): pair for pair in pairs[::-1]}
        order = np.array(sorted(firsts), np.int64)
        return context.of_boxes(
            order,
            lambda box: (
                f"{context.class_name(box)} and {context.class_name(int(second[firsts[box]]))} in the same "
                f"place (IoU {overlap[firsts[box]]:.2f})"
            ),
        )

    if identical.any():
        count = len(np.unique(second[identical]))
        yield Finding(
            WARNING,
            f"{counted(count, 'box is', 'boxes are')} drawn twice: same corners and class, in the same image.",
            kind="identical-boxes",
            fix="Remove the copies: they count double in training, and one of each pair is a miss in every evaluation.",
            count=count,
            examples=examples(np.flatnonzero(identical)),
        )
    if conflicting.any():
        count = int(conflicting.sum())
        yield Finding(
            WARNING,
            f"{counted(count, 'pair')} of boxes in the same place (IoU over {SAME_PLACE:g}) with different classes.",
            kind="conflicting-boxes",
            fix="Decide on one class each: both are training targets, and an anchor can learn only one of them.",
            count=count,
            examples=examples(np.flatnonzero(conflicting)),
        )


def _close_pairs(context: CheckContext) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of indices of boxes of one image whose IoU exceeds SAME_PLACE, the smaller first, and their IoU."""
    rows, found = context.rows, []
    for row in np.flatnonzero(rows.num_boxes > 1):
        start, end = rows.first_box[row : row + 2]
        own = rows.boxes[start:end]
        order = np.argsort(own[:, 0], kind="stable")
        # Boxes that nearly coincide are close to each other in this order.
        for begin in range(0, len(own), _CROWDED):
            part = order[begin : begin + 2 * _CROWDED]
            overlaps = _iou(own[part])
            one, other = np.nonzero(np.triu(overlaps > SAME_PLACE, 1))
            found += [
                (start + min(a, b), start + max(a, b), overlaps[i, j])
                for i, j, a, b in zip(one, other, part[one], part[other], strict=True)
            ]
    unique = {(int(a), int(b)): iou for a, b, iou in found}
    pairs = np.array(sorted(unique), np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1], np.array([unique[one, other] for one, other in pairs.tolist()], float)


def _iou(boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of all pairs of boxes yxyx [n, 4]: [n, n], 0 if a box is empty."""
    corners = np.maximum(boxes[:, None, :2], boxes[None, :, :2]), np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(corners[1] - corners[0], 0), axis=-1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = areas[:, None] + areas[None] - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0)


def too_many(context: CheckContext) -> Iterator[Finding]:
    """Images with more boxes than the readers keep."""
    rows = context.rows
    limits = np.array([context.max_boxes(number) for number in range(len(context.target.splits))])
    found = np.flatnonzero(rows.num_boxes > limits[rows.split]) if len(limits) else np.array([], int)
    if not len(found):
        return
    lost = int((rows.num_boxes - limits[rows.split])[found].sum())
    most = int(rows.num_boxes[found].max())
    said = "the config" if context.target.config is not None else "a config that does not set it"
    yield Finding(
        WARNING,
        f"{counted(len(found), 'image has', 'images have')} more boxes than max_number_of_boxes of {said} "
        f"({limits[rows.split[found[0]]]}): the last {counted(lost, 'box is', 'boxes are')} skipped and learned as "
        "background.",
        kind="too-many-boxes",
        fix=f"Set max_number_of_boxes of the input readers to {most}.",
        count=len(found),
        examples=context.of_images(found, lambda row: counted(int(rows.num_boxes[row]), "box", "boxes")),
    )


def unmatched(context: CheckContext) -> Iterator[Finding]:
    """Boxes that no anchor of the config matches."""
    coverage = context.coverage
    if coverage is None or not coverage.unmatched:
        return
    assert context.unmatched is not None  # it comes with the coverage
    share = coverage.unmatched / coverage.boxes
    severity = ERROR if share >= _MOST_UNMATCHED else WARNING if share >= _MANY_UNMATCHED else NOTE
    if not coverage.force_match:
        severity = ERROR if share >= _MOST_UNMATCHED else WARNING
    how = f"{coverage.forced:,} are matched to their best anchor anyway (forced), {coverage.lost:,} are not matched."
    yield Finding(
        severity,
        f"No anchor of {coverage.config} overlaps {counted(coverage.unmatched, 'box', 'boxes')} ({share:.1%}) by "
        f"{coverage.threshold:g} or more; {how if coverage.force_match else 'they are not matched.'}",
        kind="unmatched-boxes",
        fix="Adapt the anchors to the box sizes: scales and aspect_ratios of the anchor_generator, or its levels; or a "
        "larger image_resizer for small objects.",
        count=coverage.unmatched,
        examples=context.of_boxes(np.flatnonzero(context.unmatched), context.size_of),
    )
