"""Pascal VOC, pooled and Open Images metrics: TFOD's numbers, cases worked out by hand, and a slow reference."""

import json
from pathlib import Path

import numpy as np
import pytest

from odtk.errors import DataError
from odtk.evaluation.pascal import METRIC_MEANINGS, PROTOCOLS, PascalEvaluator, average_precision

VOC, WEIGHTED, OPEN_IMAGES = PROTOCOLS
MAP = {
    VOC: "PascalBoxes_Precision/mAP@0.5IOU",
    WEIGHTED: "WeightedPascalBoxes_Precision/mAP@0.5IOU",
    OPEN_IMAGES: "OpenImagesV2_Precision/mAP@0.5IOU",
}
CATEGORIES = [{"id": 2, "name": "dog"}, {"id": 1, "name": "cat"}, {"id": 4, "name": "bird"}]
TFOD = json.loads((Path(__file__).parents[1] / "golden/from_tfod/pascal_metrics.json").read_text())
HERE, THERE, ELSEWHERE = [0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0], [50.0, 50.0, 60.0, 60.0]


def name_of(category, metrics_set=VOC):
    return MAP[metrics_set].replace("Precision/mAP", "PerformanceByCategory/AP") + f"/{category}"


def add(evaluator, image_id, groundtruth=(), detections=(), difficult=None, group_of=None):
    """groundtruth: (box, class) pairs; detections: (box, class, score) triples."""
    boxes, classes = zip(*groundtruth, strict=True) if groundtruth else ((), ())
    found, found_classes, scores = zip(*detections, strict=True) if detections else ((), (), ())
    return evaluator.add_image(
        image_id,
        {"boxes": np.float32(boxes), "classes": np.int32(classes), "difficult": difficult, "group_of": group_of},
        {"boxes": np.float32(found), "classes": np.int32(found_classes), "scores": np.float32(scores)},
    )


def measured(images, metrics_set=VOC):
    evaluator = PascalEvaluator(CATEGORIES, metrics_set)
    for index, image in enumerate(images):
        add(evaluator, index, **image)
    return evaluator.evaluate()


def golden_metrics(case, metrics_set):
    evaluator = PascalEvaluator(case["categories"], metrics_set)
    for place in case["images"]:
        # Most are images of all cases' common list; a case's own are written out.
        image = TFOD["images"][place] if isinstance(place, int) else place
        evaluator.add_image(
            image["id"],
            {
                "boxes": np.float32(image["gt_boxes"]),
                "classes": np.int64(image["gt_classes"]),
                # An empty list stands for a column that is not given.
                **{flag: image[flag] or None for flag in evaluator.groundtruth_columns},
            },
            {
                "boxes": np.float32(image["det_boxes"]),
                "classes": np.int64(image["det_classes"]),
                "scores": np.float32(image["det_scores"]),
            },
        )
    return evaluator.evaluate()


@pytest.mark.parametrize("metrics_set", PROTOCOLS)
@pytest.mark.parametrize("case", TFOD["cases"])
@pytest.mark.parity(
    what="Pascal VOC, pooled and Open Images numbers: names, means and classes, six sets of boxes",
    against="from_tfod/pascal_metrics.json",
    tolerance="1e-12",
)
def test_metrics_are_tfods(case, metrics_set):
    case = TFOD["cases"][case]
    expected = case["metrics"][metrics_set]
    metrics = golden_metrics(case, metrics_set)
    if expected is None:
        # TFOD ends in a TypeError: it pools no groundtruth. There is nothing to be had from odtk either.
        assert all(np.isnan(value) for value in metrics.values())
        return
    assert list(metrics) == list(expected)
    expected = [np.nan if value is None else value for value in expected.values()]
    np.testing.assert_allclose(list(metrics.values()), expected, rtol=0, atol=1e-12)


def test_names_are_tfods_and_ordered_by_class():
    for metrics_set in PROTOCOLS:
        expected = [MAP[metrics_set], *(name_of(category, metrics_set) for category in ("cat", "dog", "bird"))]
        assert list(measured([], metrics_set)) == expected
    assert list(METRIC_MEANINGS) == list(MAP.values())
    assert list(PascalEvaluator([{"id": 1, "name": "caf\u00e9"}]).evaluate())[1].endswith("/cafe\u0301")  # TFOD's NFKD


def test_area_under_the_interpolated_curve():
    # Right, wrong, right of 4 objects: precision 1 up to recall 1/4, then 2/3 up to 2/4, then nothing.
    value = average_precision(np.array([0.7, 0.9, 0.8]), np.array([True, True, False]), 4)
    assert value == pytest.approx((1 + 2 / 3) / 4)
    # Precision is the best from there on: 0.5 at recall 1/2 is lifted to 2/3.
    value = average_precision(np.array([0.9, 0.8, 0.7]), np.array([False, True, True]), 2)
    assert value == pytest.approx(2 / 3)
    assert average_precision(np.array([0.9]), np.array([False]), 3) == 0
    assert average_precision(np.zeros(0), np.zeros(0, bool), 3) == 0
    assert np.isnan(average_precision(np.zeros(0), np.zeros(0, bool), 0))


def test_second_detection_of_an_object_is_wrong_whichever_image_order():
    image = {"groundtruth": [(HERE, 1)], "detections": [(HERE, 1, 0.6), ([0, 0, 10, 9], 1, 0.9)]}
    other = {"groundtruth": [(THERE, 1)], "detections": [(THERE, 1, 0.5)]}
    for images in ([image, other], [other, image]):
        # By score: right, a duplicate, right.
        assert measured(images)[name_of("cat")] == pytest.approx((1 + 2 / 3) / 2)


def test_a_detection_stands_for_the_object_that_it_overlaps_most():
    # Both detections overlap the first object most, so the second of them does not go over to the other object.
    groundtruth = [([0, 0, 10, 10], 1), ([0, 4, 10, 14], 1)]
    detections = [([0, 0, 10, 10], 1, 0.9), ([0, 1, 10, 11], 1, 0.8)]
    assert measured([{"groundtruth": groundtruth, "detections": detections}])[name_of("cat")] == pytest.approx(0.5)


@pytest.mark.parametrize(("width", "found"), [(5.0, 1.0), (4.99, 0.0)])
def test_an_iou_of_one_half_is_enough(width, found):
    metrics = measured([{"groundtruth": [(HERE, 1)], "detections": [([0, 0, 10, width], 1, 0.9)]}])
    assert metrics[name_of("cat")] == found


def test_class_and_image_must_agree():
    images = [{"groundtruth": [(HERE, 1)], "detections": [(HERE, 2, 0.9)]}, {"detections": [(HERE, 1, 0.9)]}]
    assert measured(images)[name_of("cat")] == 0


def test_classes_without_groundtruth_are_nan_and_do_not_count():
    images = [{"groundtruth": [(HERE, 1), (THERE, 2)], "detections": [(HERE, 1, 0.9), (THERE, 4, 0.95)]}]
    for metrics_set in PROTOCOLS:
        metrics = measured(images, metrics_set)
        assert metrics[name_of("cat", metrics_set)] == 1
        assert metrics[name_of("dog", metrics_set)] == 0
        assert np.isnan(metrics[name_of("bird", metrics_set)])
        # Pooled: one right detection, of two objects; the detection of a bird is left out.
        assert metrics[MAP[metrics_set]] == 0.5


@pytest.mark.parametrize("metrics_set", PROTOCOLS)
def test_without_any_groundtruth_everything_is_nan(metrics_set):
    assert all(np.isnan(value) for value in measured([], metrics_set).values())
    assert all(np.isnan(value) for value in measured([{"detections": [(HERE, 1, 0.5)]}], metrics_set).values())


def test_pooled_classes_share_one_list():
    images = [
        {
            "groundtruth": [(HERE, 1), (THERE, 2), (ELSEWHERE, 2)],
            "detections": [(HERE, 1, 0.5), (THERE, 2, 0.9), (HERE, 2, 0.7), (ELSEWHERE, 2, 0.2)],
        }
    ]
    # By score: dog right, dog wrong, cat right, dog right; of 3.
    assert measured(images, WEIGHTED)[MAP[WEIGHTED]] == pytest.approx((1 + 3 / 4 + 3 / 4) / 3)
    assert measured(images)[MAP[VOC]] == pytest.approx((1 + (1 + 2 / 3) / 2) / 2)


def test_difficult_objects_are_neither_looked_for_nor_wrong():
    image = {
        "groundtruth": [(HERE, 1), (THERE, 1)],
        "detections": [(THERE, 1, 0.9), (THERE, 1, 0.8), (HERE, 1, 0.7)],
        "difficult": [False, True],
    }
    assert measured([image])[name_of("cat")] == 1
    assert measured([image], WEIGHTED)[MAP[WEIGHTED]] == 1
    # Open Images knows no difficulty: right, a duplicate, right.
    assert measured([image], OPEN_IMAGES)[MAP[OPEN_IMAGES]] == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(measured([{"groundtruth": [(HERE, 1)], "difficult": [True]}])[MAP[VOC]])


def test_the_classes_have_their_images_boxes_and_ap():
    evaluator = PascalEvaluator(CATEGORIES)
    add(evaluator, "a", [(HERE, 1), (THERE, 1), (ELSEWHERE, 2)], [(HERE, 1, 0.9)], difficult=[False, False, True])
    add(evaluator, "b", [(HERE, 1)])
    metrics = evaluator.evaluate()
    assert [(found["id"], found["images"], found["boxes"]) for found in evaluator.classes] == [
        (1, 2, 3), (2, 0, 0), (4, 0, 0),
    ]  # fmt: skip
    assert evaluator.classes[0]["AP@.50IOU"] == metrics[name_of("cat")] == pytest.approx(1 / 3)


def test_groups_are_neither_looked_for_nor_wrong_in_open_images():
    crowd = [0.0, 0.0, 100.0, 100.0]
    inside, half_out, mostly_out = [80, 80, 90, 90], [90, 95, 100, 105], [90, 96, 100, 106]
    image = {
        "groundtruth": [(HERE, 1), (crowd, 1)],
        "detections": [(inside, 1, 0.9), (half_out, 1, 0.8), (HERE, 1, 0.7), (HERE, 1, 0.6)],
        "group_of": [False, True],
    }
    assert measured([image], OPEN_IMAGES)[MAP[OPEN_IMAGES]] == 1
    image["detections"] = [(mostly_out, 1, 0.9), (HERE, 1, 0.7)]
    assert measured([image], OPEN_IMAGES)[MAP[OPEN_IMAGES]] == 0.5
    # A group of cats excuses no dog.
    image["detections"] = [(inside, 2, 0.9), (HERE, 1, 0.7)]
    image["groundtruth"].append((HERE, 2))
    image["group_of"].append(False)
    assert measured([image], OPEN_IMAGES)[name_of("dog", OPEN_IMAGES)] == 0
    # TFOD's Pascal VOC takes a group for an object.
    assert measured([{**image, "detections": [(HERE, 1, 0.7)]}])[name_of("cat")] == 0.5


def test_detections_without_area_are_dropped():
    image = {"groundtruth": [(HERE, 1)], "detections": [([5, 5, 5, 9], 1, 0.9), ([9, 9, 5, 5], 1, 0.8), (HERE, 1, 0.1)]}
    assert measured([image])[name_of("cat")] == 1


def test_repeated_image_is_ignored_and_arrays_must_fit():
    evaluator = PascalEvaluator(CATEGORIES)
    assert add(evaluator, "a", [(HERE, 1)], [(HERE, 1, 0.9)])
    assert not add(evaluator, "a", [(HERE, 1)])
    assert (evaluator.num_images, evaluator.repeated_images) == (1, ["a"])
    assert evaluator.evaluate()[MAP[VOC]] == 1
    with pytest.raises(DataError, match=r"Image b: 1 groundtruth boxes came with 1 classes, 2 difficult, 1 group_of"):
        add(evaluator, "b", [(HERE, 1)], difficult=[True, False])
    assert evaluator.num_images == 1


def slow_metrics(images, classes, heeds, pooled):
    """The definition once more, one box at a time: class -> AP, and the mean."""

    def overlap(a, b):
        height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        return max(height, 0) * max(width, 0)

    def area(a):
        return (a[2] - a[0]) * (a[3] - a[1])

    def iou(a, b):
        return overlap(a, b) / (area(a) + area(b) - overlap(a, b))

    def judge(category):
        judged, count = [], 0
        for image in images:
            columns = zip(image["boxes"], image["classes"], image[heeds], strict=True)
            own = [(box, flag) for box, c, flag in columns if c == category]
            count += sum(not flag for _, flag in own)
            taken = set()
            found = zip(image["scores"], image["found"], image["found_classes"], strict=True)
            for score, box, c in sorted(found, key=lambda item: -item[0]):
                if c != category:
                    continue
                candidates = [k for k in range(len(own)) if heeds == "difficult" or not own[k][1]]
                best = max(candidates, key=lambda k: iou(box, own[k][0]), default=None)
                hit = best is not None and iou(box, own[best][0]) >= 0.5
                right = hit and not own[best][1] and best not in taken
                excused = hit and own[best][1]
                if heeds == "group_of" and not right:
                    excused = any(flag and overlap(box, group) / area(box) >= 0.5 for group, flag in own)
                if right:
                    taken.add(best)
                if not excused:
                    judged.append((score, right))
        return judged, count

    def area_under_curve(judged, count):
        if not count:
            return None
        judged = sorted(judged, key=lambda item: -item[0])
        points = []
        for k in range(1, len(judged) + 1):
            hits = sum(right for _, right in judged[:k])
            points.append((hits / count, hits / k))
        # An integral over recall in steps of one object.
        steps = [max((p for r, p in points if r >= step / count - 1e-12), default=0) for step in range(1, count + 1)]
        return sum(steps) / count

    parts = {category: judge(category) for category in classes}
    values = {category: area_under_curve(*part) for category, part in parts.items()}
    counted = [part for part in parts.values() if part[1]]
    if pooled:
        return values, area_under_curve([d for judged, _ in counted for d in judged], sum(n for _, n in counted))
    return values, np.mean([value for value in values.values() if value is not None])


def drawn_images(seed, count=12):
    """Images whose detections are shaken groundtruth, and some noise; class 5 has no groundtruth."""
    rng = np.random.default_rng(seed)

    def boxes(n):
        corner, size = rng.uniform(0, 60, [n, 2]), rng.uniform(5, 40, [n, 2])
        return np.concatenate([corner, corner + size], axis=1)

    images = []
    for _ in range(count):
        n, noise = rng.integers(0, 7), rng.integers(0, 6)
        groundtruth, classes = boxes(n), rng.integers(1, 5, n)
        copies = rng.integers(0, n, 2 * n) if n else np.zeros(0, int)
        found = np.concatenate([groundtruth[copies] + rng.normal(0, 2, [2 * n, 4]), boxes(noise)])
        found_classes = np.concatenate([classes[copies], rng.integers(1, 6, noise)])
        confused = rng.random(len(found)) < 0.1
        images.append(
            {
                "boxes": groundtruth,
                "classes": classes,
                "difficult": rng.random(n) < 0.2,
                "group_of": rng.random(n) < 0.2,
                "found": found,
                "found_classes": np.where(confused, 1, found_classes),
                "scores": rng.permutation(1000)[: len(found)] / 1000 + rng.random() / 1e4,
            }
        )
    return images


@pytest.mark.parametrize("metrics_set", PROTOCOLS)
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_a_slow_reference(metrics_set, seed):
    images, protocol = drawn_images(seed), PROTOCOLS[metrics_set]
    evaluator = PascalEvaluator([{"id": number, "name": str(number)} for number in range(1, 6)], metrics_set)
    for index, image in enumerate(images):
        found = {"boxes": image["found"], "classes": image["found_classes"], "scores": image["scores"]}
        evaluator.add_image(index, image, found)
    metrics = evaluator.evaluate()
    per_class, mean = slow_metrics(images, range(1, 6), protocol.ignore_flag, protocol.pooled)
    assert metrics[MAP[metrics_set]] == pytest.approx(mean, abs=1e-12)
    assert per_class[5] is None
    assert np.isnan(metrics[name_of("5", metrics_set)])
    for number in range(1, 5):
        assert metrics[name_of(number, metrics_set)] == pytest.approx(per_class[number], abs=1e-12)
        assert 0 < per_class[number] < 1


def test_on_the_coco_golden_it_comes_close_to_cocos_101_points():
    golden = json.loads((Path(__file__).parents[1] / "golden/coco_metrics.json").read_text())
    evaluator = PascalEvaluator([{"id": number, "name": str(number)} for number in range(1, 6)])
    for index, image in enumerate(golden["images"]):
        truth = {"boxes": np.float32(image["gt_boxes"]), "classes": np.int32(image["gt_classes"])}
        found = {"boxes": np.float32(image["det_boxes"]), "classes": np.int32(image["det_classes"])}
        evaluator.add_image(index, truth, found | {"scores": np.float32(image["det_scores"])})
    assert evaluator.evaluate()[MAP[VOC]] == pytest.approx(
        golden["metrics"]["DetectionBoxes_Precision/mAP@.50IOU"], abs=0.02
    )
