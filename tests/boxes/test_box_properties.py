"""What must hold of boxes whatever they are: overlaps, codes, suppression, matching, flips, crops and records.

Most boxes here have whole corners (or corners on a binary grid), so that float32 computes exactly and `==` is fair.
"""

import dataclasses
from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from odtk.annotations.annotated_image import AnnotatedImage, AnnotatedObject
from odtk.boxes import geometry
from odtk.boxes.coding import EPSILON, FasterRcnnCoder, MeanStddevCoder, SquareCoder
from odtk.boxes.matching import IGNORED, NOTHING, UNMATCHED, argmax_match
from odtk.boxes.suppression import SuppressionParams, class_agnostic_suppression, multiclass_suppression
from odtk.inputs import groundtruth
from odtk.inputs.augmentations import crops, flips
from odtk.records import example as records

SIDE = 16  # of the grid that whole corners lie on; its square fits many times into float32's 24 bits
FEW = settings(max_examples=25)
MANY = settings(max_examples=60)


def draw_array(dtype, shape, elements):
    # Without `fill` most elements of an array would be one and the same.
    return hnp.arrays(dtype, shape, elements=elements, fill=st.nothing())


def grid_boxes(count, smallest=0):
    """float32 [count, 4], whole corners in 0..SIDE, sides of at least `smallest`."""
    corners = draw_array(np.float32, (count, 2, 2), st.integers(0, SIDE - smallest))
    grown = np.float32([[0, 0], [smallest, smallest]])
    return corners.map(lambda c: (np.sort(c, axis=1) + grown).reshape(count, 4))


def float_boxes(count):
    """float32 [count, 4] around the unit square, sides of a thousandth to 3."""
    center = draw_array(np.float32, (count, 2), st.floats(-0.5, 1.5, width=32))
    side = draw_array(np.float32, (count, 2), st.floats(-3, 0.5, width=32)).map(lambda exponent: 10**exponent)
    return st.builds(lambda c, s: np.concatenate([c - s / 2, c + s / 2], axis=-1), center, side)


def reach(*boxes):
    """The largest coordinate of each row, which float32's rounding is relative to: [n, 1]."""
    return np.abs(np.concatenate(boxes, axis=-1)).max(axis=-1, keepdims=True)


def is_close(actual, expected, tolerance):
    return (np.abs(np.float64(actual) - expected) <= tolerance).all()


# Geometry


@MANY
@given(grid_boxes(8), grid_boxes(8), st.integers(-64, 64), st.integers(-6, 6), st.floats(0.01, 100))
def test_iou_is_symmetric_and_blind_to_place_and_unit(boxes, others, shift, power, unit):
    iou = geometry.iou(boxes, others).numpy()
    assert (iou >= 0).all()
    assert (iou <= 1).all()
    assert (iou == geometry.iou(others, boxes).numpy().T).all()
    assert (iou == geometry.iou(boxes + shift, others + shift)).numpy().all()
    assert (iou == geometry.iou(boxes * 2.0**power, others * 2.0**power)).numpy().all()
    assert is_close(geometry.iou(boxes * np.float32(unit), others * np.float32(unit)), iou, 1e-5)


@MANY
@given(grid_boxes(8))
def test_iou_is_one_with_itself_and_zero_apart(boxes):
    has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=-1)
    itself = np.diag(geometry.iou(boxes, boxes))
    assert (itself == has_area).all()
    for apart in ([SIDE, 0, SIDE, 0], [0, SIDE, 0, SIDE]):  # at most an edge is shared
        assert not geometry.iou(boxes, boxes + np.float32(apart)).numpy().diagonal().any()
        assert not geometry.iou(boxes, boxes[::-1] + np.float32(apart)).numpy().diagonal().any()


@MANY
@given(float_boxes(8), float_boxes(8))
def test_overlaps_are_fractions(boxes, others):
    iou, ioa = geometry.iou(boxes, others).numpy(), geometry.ioa(boxes, others).numpy()
    for fraction in (iou, ioa):
        assert (fraction >= 0).all()
        assert (fraction <= 1).all()
    assert (iou <= ioa * (1 + 1e-6)).all()
    # Whichever of the two is inside the other, its whole area is shared.
    inside = geometry.clip(others[:, None], boxes).numpy()[:, 0]
    filled = (inside[:, 2:] > inside[:, :2]).all(axis=-1)
    assert (np.diag(geometry.ioa(boxes, inside))[filled] == 1).all()


@MANY
@given(float_boxes(8), float_boxes(1))
def test_clipping_keeps_what_the_window_shares(boxes, window):
    clipped = geometry.clip(boxes, window[0]).numpy()
    assert (geometry.clip(clipped, window[0]) == clipped).numpy().all()
    assert (clipped >= np.tile(window[0, :2], 2)).all()
    assert (clipped <= np.tile(window[0, 2:], 2)).all()
    assert (clipped[:, 2:] - clipped[:, :2] <= boxes[:, 2:] - boxes[:, :2]).all()
    assert (geometry.area(clipped) == geometry.intersection(boxes, window)[:, 0]).numpy().all()


@MANY
@given(float_boxes(16))
def test_center_and_size_and_back(boxes):
    cy, cx, height, width = center_and_size = geometry.yxyx_to_cyxhw(boxes)
    back = geometry.cyxhw_to_yxyx(*center_and_size)
    assert is_close(back, boxes, 2e-7 * reach(boxes))
    ymin, xmin, ymax, xmax = np.float64(boxes).T
    for part, expected in (
        (cy, (ymin + ymax) / 2),
        (cx, (xmin + xmax) / 2),
        (height, ymax - ymin),
        (width, xmax - xmin),
    ):
        assert is_close(part, expected, 2e-7 * reach(boxes)[:, 0])


# Codes


def coding_tolerance(boxes, anchors):
    """Float32's rounding, and the EPSILON that Faster R-CNN's codes add to a side: [n, 1], in the boxes' unit."""
    smallest = (anchors[:, 2:] - anchors[:, :2]).min(axis=-1, keepdims=True)
    return reach(boxes, anchors) * (2e-6 + 2 * EPSILON / smallest)


@pytest.mark.parametrize(
    "coder", [FasterRcnnCoder(), FasterRcnnCoder(1, 2, 3, 4), MeanStddevCoder(), MeanStddevCoder(0.1)], ids=repr
)
@MANY
@given(float_boxes(16), float_boxes(16), st.sampled_from([1, 1024]))
def test_coding_and_back(coder, boxes, anchors, unit):
    boxes, anchors = boxes * np.float32(unit), anchors * np.float32(unit)
    back = coder.decode(coder.encode(boxes, anchors), anchors)
    assert is_close(back, boxes, coding_tolerance(boxes, anchors))


@MANY
@given(float_boxes(16), float_boxes(16), st.sampled_from([1, 1024]))
def test_square_coding_keeps_center_and_area(boxes, anchors, unit):
    boxes, anchors = boxes * np.float32(unit), anchors * np.float32(unit)
    cy, cx, height, width = (part.numpy() for part in geometry.yxyx_to_cyxhw(np.float64(boxes)))
    length = np.sqrt(height * width)
    square = np.stack([cy - length / 2, cx - length / 2, cy + length / 2, cx + length / 2], axis=-1)
    tolerance = coding_tolerance(np.concatenate([boxes, square], axis=-1), anchors)
    coder = SquareCoder()
    once = coder.decode(coder.encode(boxes, anchors), anchors).numpy()
    assert is_close(once, square, tolerance)
    assert is_close(coder.decode(coder.encode(once, anchors), anchors), once, tolerance)  # squares lose nothing


# Suppression

ANCHORS, CLASSES = 20, 2
NO_LIMIT = SuppressionParams(0.0, 0.5, ANCHORS, ANCHORS * CLASSES)
SUPPRESSIONS = [multiclass_suppression, class_agnostic_suppression]
CANDIDATES = grid_boxes(ANCHORS, 1).map(lambda boxes: boxes / SIDE)


@st.composite
def distinct_scores(draw):
    """float32 [ANCHORS, CLASSES] in 0..1, no two alike; sometimes all of one class above all of the other."""
    ranks = np.array(draw(st.permutations(range(ANCHORS * CLASSES))))
    columns = [ranks[ranks < ANCHORS], ranks[ranks >= ANCHORS]] if draw(st.booleans()) else np.split(ranks, CLASSES)
    return np.stack(columns, axis=1).astype(np.float32) / (ANCHORS * CLASSES)


def detections(suppress, boxes, scores, params):
    """Each image's [(class, anchor, score, box)] as they come: boxes [batch, n, 4], scores [batch, n, classes]."""
    frame = tf.constant([[0.0, 0.0, 1.0, 1.0]] * len(boxes))
    kept = suppress(tf.constant(boxes), tf.constant(scores), frame, params)
    columns = [part.numpy() for part in (kept.classes, kept.anchors, kept.scores, kept.boxes)]
    images = [
        [(int(c), int(a), float(s), tuple(b.tolist())) for c, a, s, b in zip(*(x[i] for x in columns), strict=True)]
        for i in range(len(boxes))
    ]
    return [found[:count] for found, count in zip(images, kept.count.numpy(), strict=True)]


@pytest.mark.parametrize("suppress", SUPPRESSIONS)
@FEW
@given(CANDIDATES, distinct_scores(), st.sampled_from([0.1, 0.3, 0.5, 0.75]), st.sampled_from([0.0, 0.4]))
def test_the_kept_are_apart_and_the_others_gave_way_to_better_ones(suppress, boxes, scores, iou_threshold, lowest):
    params = dataclasses.replace(NO_LIMIT, iou_threshold=iou_threshold, score_threshold=lowest)
    (found,) = detections(suppress, boxes[None], scores[None], params)
    assert [score for _, _, score, _ in found] == sorted((score for _, _, score, _ in found), reverse=True)
    assert all(score == scores[anchor, c] and box == tuple(boxes[anchor]) for c, anchor, score, box in found)
    together = suppress is class_agnostic_suppression
    rivals = [range(CLASSES)] if together else [[c] for c in range(CLASSES)]
    overlap, expected_count = geometry.iou(boxes, boxes).numpy(), 0
    for classes in rivals:
        score = scores[:, classes].max(axis=-1)
        kept = np.isin(np.arange(ANCHORS), [anchor for c, anchor, _, _ in found if c in classes])
        better = kept & (score > score[:, None])
        gave_way = (better & (overlap > np.float32(iou_threshold))).any(axis=-1)
        assert (kept == (score > np.float32(lowest)) & ~gave_way).all()
        expected_count += kept.sum()
    assert len(found) == expected_count


@pytest.mark.parametrize("suppress", SUPPRESSIONS)
@FEW
@given(CANDIDATES, distinct_scores(), st.permutations(range(ANCHORS)))
def test_the_order_of_candidates_does_not_matter(suppress, boxes, scores, order):
    one, other = detections(suppress, np.stack([boxes, boxes[order]]), np.stack([scores, scores[order]]), NO_LIMIT)
    assert one == [(c, order[anchor], score, box) for c, anchor, score, box in other]


@FEW
@given(CANDIDATES, distinct_scores(), st.integers(1, 4), st.integers(1, 6))
def test_limits_only_cut(boxes, scores, per_class, total):
    (everything,) = detections(multiclass_suppression, boxes[None], scores[None], NO_LIMIT)
    params = dataclasses.replace(NO_LIMIT, max_per_class=per_class, max_total=total)
    (found,) = detections(multiclass_suppression, boxes[None], scores[None], params)
    best = [one for c in range(CLASSES) for one in [other for other in everything if other[0] == c][:per_class]]
    assert found == sorted(best, key=lambda one: -one[2])[:total]


# Matching


@st.composite
def similarities(draw):
    """Similarity [2, n, 12] with many equals, and padding as target assignment has it; real and valid [2, n]."""
    rows = draw(st.integers(0, 5))
    similarity = draw(draw_array(np.float32, (2, rows, 12), st.sampled_from(np.linspace(0, 1, 9).tolist())))
    counts = draw(st.tuples(st.integers(0, rows), st.integers(0, rows)))
    real = np.arange(rows) < np.array(counts)[:, None]
    weighted = draw(draw_array(bool, (2, rows), st.booleans()))
    return np.where(real[..., None], similarity, np.float32(NOTHING)), real, real & weighted


@MANY
@given(similarities(), st.sampled_from([(0.5, 0.5), (0.75, 0.25), (0.6, 0.4)]), st.booleans())
def test_anchors_match_their_best_box_and_padding_never(drawn, thresholds, lower):
    similarity, real, valid = drawn
    matched, unmatched = thresholds
    match = partial(argmax_match, similarity, valid, matched, unmatched, lower)
    plain, forced = match().numpy(), match(force_match=True).numpy()
    for image in range(2):
        rows = np.flatnonzero(real[image])
        best = similarity[image].max(axis=0, initial=NOTHING)
        far, between = (UNMATCHED, IGNORED) if lower or not len(rows) else (IGNORED, UNMATCHED)
        assert (plain[image][best < unmatched] == far).all()
        assert (plain[image][(best >= unmatched) & (best < matched)] == between).all()
        for anchor in np.flatnonzero(best >= matched):
            assert plain[image, anchor] == np.flatnonzero(similarity[image, :, anchor] == best[anchor])[0]
        wanted = {}
        for row in np.flatnonzero(valid[image]):
            top = similarity[image, row].max()
            wanted.setdefault(np.flatnonzero(similarity[image, row] == top)[0], row)
        expected = [wanted.get(anchor, plain[image, anchor]) for anchor in range(12)]
        assert forced[image].tolist() == expected
        assert set(forced[image]) <= {*rows, UNMATCHED, IGNORED}


# Flips and crops


@st.composite
def examples(draw):
    """An example of 0 to 5 boxes with corners on pixels; a pixel's color is its place, a box's class its row."""
    height, width = draw(st.tuples(*[st.sampled_from([4, 8, 16])] * 2))
    count = draw(st.integers(0, 5))
    corners = [draw_array(np.float32, (count, 2), st.integers(0, side)).map(np.sort) for side in (height, width)]
    y, x = draw(corners[0]) / height, draw(corners[1]) / width
    places = np.stack([*np.indices((height, width)), np.zeros((height, width))], axis=-1)
    fields = {
        "boxes": np.stack([y[:, 0], x[:, 0], y[:, 1], x[:, 1]], axis=1).astype(np.float32),
        "classes": np.arange(count, dtype=np.int32),
        **{field: np.arange(count) % 2 == 0 for field in ("is_crowd", "difficult", "group_of")},
        **{field: np.arange(count, dtype=np.float32) for field in ("weights", "area")},
    }
    return {"image": tf.constant(places, tf.uint8), **{name: tf.constant(value) for name, value in fields.items()}}


SEEDS = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1)).map(tf.constant)


def pixels(example, boxes):
    """The part of the example's image that each box holds, as a list of arrays."""
    image = example["image"].numpy()
    sides = np.tile(image.shape[:2], 2)
    return [image[y:y2, x:x2] for y, x, y2, x2 in np.rint(np.reshape(boxes, [-1, 4]) * sides).astype(int)]


@pytest.mark.parametrize(
    ("turn", "times", "by_hand"),
    [
        (flips.random_horizontal_flip, 2, lambda image: image[:, ::-1]),
        (flips.random_vertical_flip, 2, lambda image: image[::-1]),
        (flips.random_rotation90, 4, np.rot90),
    ],
)
@FEW
@given(examples(), SEEDS)
def test_turning_on_comes_back_and_boxes_hold_the_same_pixels(turn, times, by_hand, example, seed):
    turned = turn(example, seed, probability=1.0)
    for before, after in zip(pixels(example, example["boxes"]), pixels(turned, turned["boxes"]), strict=True):
        np.testing.assert_array_equal(after, by_hand(before))
    for _ in range(times - 1):
        turned = turn(turned, seed, probability=1.0)
    for name, value in example.items():
        np.testing.assert_array_equal(turned[name], value, err_msg=name)


CROPS = {
    "crop": (partial(crops.random_crop_image, min_object_covered=0.3, overlap_thresh=0.3), 0.3),
    "crop, all that touches": (partial(crops.random_crop_image, min_object_covered=0.0, overlap_thresh=0.0), 1e-4),
    "to aspect ratio": (partial(crops.random_crop_to_aspect_ratio, aspect_ratio=2.0, overlap_thresh=0.7), 0.7),
    "ssd": (crops.ssd_random_crop, None),
    "ssd, fixed aspect ratio": (crops.ssd_random_crop_fixed_aspect_ratio, None),
}


@pytest.mark.parametrize(("crop", "least_covered"), CROPS.values(), ids=CROPS)
@FEW
@given(examples(), SEEDS)
def test_crops_keep_boxes_on_their_objects(crop, least_covered, example, seed):
    cropped = crop(example, seed)
    rows, image = cropped["classes"].numpy(), cropped["image"].numpy()
    assert (np.diff(rows) > 0).all()
    for field in groundtruth.BOX_FIELDS[1:]:
        np.testing.assert_array_equal(cropped[field], example[field].numpy()[rows], err_msg=field)
    sides, origin = np.tile(image.shape[:2], 2), np.tile(image[0, 0, :2], 2)
    np.testing.assert_array_equal(image, example["image"][origin[0] :, origin[1] :][: sides[0], : sides[1]])
    before = example["boxes"].numpy() * np.tile(example["image"].shape[:2], 2)
    clipped = np.clip((before - origin) / sides, 0, 1)
    assert is_close(cropped["boxes"], clipped[rows], 1e-5)
    assert ((cropped["boxes"] >= 0) & (cropped["boxes"] <= 1)).numpy().all()
    if least_covered is not None:
        shared = np.prod((clipped[:, 2:] - clipped[:, :2]) * sides[:2], axis=-1)
        area = np.prod(before[:, 2:] - before[:, :2], axis=-1)
        share = np.divide(shared, area, out=np.zeros(len(area)), where=area > 0)
        assert (share[rows] >= least_covered - 1e-5).all()
        assert set(np.flatnonzero(share > least_covered + 1e-5)) <= set(rows)


@MANY
@given(float_boxes(8), grid_boxes(1, 1))
def test_reframing_and_back(boxes, window):
    window = window[0] / SIDE
    inside = groundtruth.reframe(boxes, window).numpy()
    size = np.tile(window[2:] - window[:2], 2)
    assert is_close(inside * np.float64(size) + np.tile(window[:2], 2), boxes, 1e-6 * reach(boxes, boxes * 0 + 1))
    whole = groundtruth.reframe(tf.constant([groundtruth.UNIT_WINDOW]), window)[0]
    assert is_close(groundtruth.reframe(inside, whole), boxes, 1e-6 * reach(boxes, boxes * 0 + 1) / size.min())
    assert is_close(groundtruth.reframe(window[None], window), groundtruth.UNIT_WINDOW, 0)


# Records

FLOATS = st.floats(width=32, allow_nan=False)


@st.composite
def annotated_images(draw):
    height, width = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    entry = st.builds(
        AnnotatedObject,
        box=st.tuples(FLOATS, FLOATS, FLOATS, FLOATS),
        class_id=st.integers(1, 2**31),
        class_name=st.text(),
        difficult=st.booleans(),
        truncated=st.integers(0, 9),
        pose=st.text(),
        mask=hnp.arrays(np.uint8, (height, width), elements=st.integers(0, 1)),
        is_crowd=st.booleans(),
        area=FLOATS if draw(st.booleans()) else st.none(),
    )
    objects = draw(st.lists(entry, max_size=12))
    return AnnotatedImage(
        draw(st.binary()), draw(st.text()), height, width, tuple(objects), draw(st.text()), draw(st.text())
    )


@MANY
@given(annotated_images(), st.sampled_from([None, *records.MASK_TYPES]))
def test_records_give_back_what_was_written(image, mask_type):
    back = records.decode(records.encode(image, mask_type))
    assert back == image
    for entry, original in zip(back.objects, image.objects, strict=True):
        np.testing.assert_equal(entry.mask, original.mask if mask_type else None)
