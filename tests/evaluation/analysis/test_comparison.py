"""Two detectors compared: the reweighted AP against images that are really repeated, and a difference that is known."""

from dataclasses import replace

import numpy as np
import pytest

from odtk.errors import DataError
from odtk.evaluation.analysis.average_precision import IOUS
from odtk.evaluation.analysis.comparison import compare, draw_samples
from odtk.evaluation.analysis.matching import match_at
from odtk.evaluation.analysis.reweighting import reweighted_precisions
from odtk.evaluation.analysis.same_images import shared_images
from odtk.evaluation.coco import CocoEvaluator
from odtk.evaluation.results import Results, image_result
from odtk.evaluation.scoring import score
from odtk.findings import NOTE, WARNING

NAMES = {1: "cat", 2: "dog", 3: "fox"}
CATEGORIES = [{"id": number, "name": name} for number, name in NAMES.items()]
MAP = "DetectionBoxes_Precision/mAP"


def drawn(random, name, noise):
    """An image, a detector's boxes on it, some of them crowds, with scores that are all different."""
    count = random.integers(0, 6)
    corner, size = random.uniform(0, 200, [count, 2]), random.uniform(60, 120, [count, 2])
    boxes, classes = np.concatenate([corner, corner + size], axis=1), random.choice([1, 1, 2], count)
    false = np.concatenate([random.uniform(0, 100, [4, 2]), random.uniform(100, 300, [4, 2])], axis=1)
    found = np.concatenate(
        [boxes + random.normal(0, noise, [count, 4]), boxes + random.normal(0, 9, [count, 4]), false]
    )
    kinds = np.concatenate([classes, classes, random.choice([1, 2, 3], 4)])
    scores = np.concatenate([random.beta(3, 2, 2 * count), random.beta(2, 3, 4)])
    return image_result(name, (300, 300), boxes, classes, found, kinds, scores, crowds=random.random(count) < 0.2)


def detector(noise, count=30, seed=0):
    random = np.random.default_rng(seed)
    return [drawn(random, f"{number}.jpg", noise) for number in range(count)]


def coco(images):
    evaluator = CocoEvaluator(CATEGORIES)
    metrics = score(Results(images, NAMES), [evaluator]).metrics
    return metrics[MAP], [entry["AP"] for entry in evaluator.classes], metrics[f"{MAP}@.75IOU"]


def test_an_images_weight_is_as_many_copies_of_it():
    images = detector(6)
    samples = draw_samples(len(images), 8)
    assert samples.max() > 2
    precisions = reweighted_precisions(match_at(IOUS, images), [1, 2, 3], samples)
    for number, sample in enumerate(samples):
        copies = [replace(image, source_id=f"{image.source_id}-{copy}")
                  for image, count in zip(images, sample, strict=True) for copy in range(count)]  # fmt: skip
        mean, classes, at_75 = coco(copies)
        found = precisions[:, :, number]
        np.testing.assert_allclose(found.mean(axis=0)[:2], classes[:2], atol=1e-12)
        assert np.nanmean(found) == pytest.approx(mean, abs=1e-12)
        assert np.nanmean(found[IOUS.index(0.75)]) == pytest.approx(at_75, abs=1e-12)
        assert np.isnan(found[:, 2]).all(), "never annotated"


def test_samples_that_are_measured_in_parts_are_the_same(monkeypatch):
    matchings, samples = match_at(IOUS, detector(6)), draw_samples(30, 9)
    whole = reweighted_precisions(matchings, [1, 2], samples)
    monkeypatch.setattr("odtk.evaluation.analysis.reweighting._AT_ONCE", 400)
    np.testing.assert_allclose(whole, reweighted_precisions(matchings, [1, 2], samples), rtol=1e-14)


def test_a_class_that_is_in_no_image_of_a_sample_has_no_ap():
    images = [image_result("a", (9, 9), [[0, 0, 9, 9]], [1], [], [], []), *detector(6, 3)]
    precisions = reweighted_precisions(match_at([0.5], images), [1], np.array([[0, 0, 0, 0], [1, 0, 0, 0]]))
    np.testing.assert_array_equal(precisions[0, 0], [np.nan, 0])


def test_a_better_detector_is_better_by_more_than_chance_and_an_equal_one_is_not():
    weak, strong = Results(detector(12), NAMES), Results(detector(3), NAMES)
    # The same boxes by the same seed, but for how well the detections fit.
    found = compare(weak, strong, num_samples=200)
    assert (found.mean.before, found.mean.after) == pytest.approx(
        (coco(weak.images)[0], coco(strong.images)[0]), abs=1e-12
    )
    assert 0 < found.mean.low < found.mean.difference < found.mean.high
    assert found.better > 0.99
    assert "better, by more than chance" in found.verdict
    assert [change.name for change in sorted(found.classes, key=lambda change: change.class_id)] == ["cat", "dog"]
    assert all(change.precision.is_certain for change in found.classes)
    assert found.findings == []
    back = compare(strong, weak, num_samples=200)
    assert (back.mean.low, back.mean.high) == pytest.approx((-found.mean.high, -found.mean.low), abs=1e-12)
    assert "worse, by more than chance" in back.verdict
    same = compare(weak, weak, num_samples=50)
    assert (same.mean.difference, same.mean.low, same.mean.high, same.better) == (0, 0, 0, 0)
    assert "cannot tell the two apart" in same.verdict
    assert same.images == []


def test_the_interval_is_that_of_resampled_images_measured_one_by_one():
    weak, strong = detector(9, 12), detector(5, 12)
    differences = []
    for sample in draw_samples(12, 40):
        pair = [[replace(image, source_id=f"{image.source_id}-{copy}")
                 for image, count in zip(images, sample, strict=True) for copy in range(count)]
                for images in (weak, strong)]  # fmt: skip
        differences.append(coco(pair[1])[0] - coco(pair[0])[0])
    found = compare(Results(weak, NAMES), Results(strong, NAMES), num_samples=40).mean
    assert (found.low, found.high) == pytest.approx(np.quantile(differences, [0.025, 0.975]), abs=1e-12)


BOX, OTHER, FAR = [0, 0, 10, 20], [30, 30, 60, 60], [70, 70, 90, 90]


def test_images_that_flip_name_the_objects_that_are_gained_and_lost():
    def result(name, found, classes, scores):
        return image_result(name, (99, 99), [BOX, OTHER, FAR], [1, 2, 2], found, classes, scores, crowds=[0, 0, 1])

    before = [result("fixed", [BOX], [1], [0.9]),
              result("broken", [BOX, OTHER], [1, 2], [0.9, 0.9]),
              result("other", [BOX, BOX], [1, 1], [0.9, 0.8]),
              result("same", [BOX, OTHER], [1, 2], [0.9, 0.1])]  # fmt: skip
    after = [result("same", [BOX, OTHER], [1, 2], [0.7, 0.6]),
             result("other", [OTHER, BOX], [2, 2], [0.8, 0.8]),
             result("broken", [BOX, OTHER, BOX], [1, 2, 2], [0.9, 0.9, 0.8]),
             result("fixed", [BOX, OTHER, FAR, FAR], [1, 2, 2, 2], [0.9, 0.9, 0.9, 0.9])]  # fmt: skip
    found = compare(Results(before, NAMES), Results(after, NAMES), thresholds=(0.5, 0.65), num_samples=10)
    broken, other, fixed = found.images
    assert (broken.source_id, broken.is_broken, broken.errors, broken.lost) == ("broken", True, (0, 1), ())
    assert (fixed.source_id, fixed.is_fixed, fixed.errors, fixed.gained) == ("fixed", True, (1, 0), (1,))
    assert (other.gained, other.lost, other.errors, other.objects) == ((1,), (0,), (2, 2), 2)
    assert (fixed.index_before, fixed.index_after) == (0, 3)


def test_what_the_two_do_not_share_is_named_and_the_first_ones_groundtruth_counts():
    def result(name, boxes, classes):
        return image_result(name, (99, 99), boxes, classes, [BOX], [1], [0.9])

    before = Results([result("a", [BOX], [1]), result("b", [BOX, OTHER], [1, 2]), result("only here", [], [])], NAMES)
    renumbered = {1: "fox", 2: "cat", 3: "dog", 4: "owl"}
    second = [replace(result("b", [OTHER, BOX], [3, 2]), detected_classes=np.array([2])),
              replace(result("a", [FAR], [2]), detected_classes=np.array([4]))]  # fmt: skip
    found = compare(before, Results(second, renumbered), num_samples=10)
    assert found.num_images == 2
    assert [(finding.kind, finding.severity, finding.count) for finding in found.findings] == [
        ("other-images", WARNING, 1), ("other-groundtruth", WARNING, 1), ("other-classes", NOTE, 1)
    ]  # fmt: skip
    assert "1 of 3 images are only in the first result, and are not compared: only here." in found.findings[0].text
    assert "differs between the two results; both are compared with that of the first: a." in found.findings[1].text
    cat = next(change for change in found.classes if change.name == "cat")
    assert (cat.objects, cat.precision_50.before) == (2, pytest.approx(1))
    assert cat.precision_50.after == pytest.approx(51 / 101), "an owl where the cat is"


def test_of_few_images_there_is_no_interval():
    weak, strong = detector(12, 9), detector(3, 9)
    found = compare(Results(weak, NAMES), Results(strong, NAMES), num_samples=20)
    assert found.mean.difference > 0.1
    assert not found.mean.is_certain
    assert "9 images are too few to say whether that is chance" in found.verdict
    rare = [replace(image, classes=np.where(image.classes == 2, 1, image.classes)) for image in detector(5, 30)]
    rare[0] = replace(rare[0], classes=np.full(len(rare[0].classes), 2))
    few = compare(Results(rare, NAMES), Results(rare, NAMES), num_samples=20)
    assert [np.isnan(change.precision.low) for change in sorted(few.classes, key=lambda each: each.class_id)] == [
        False, True
    ]  # fmt: skip


def test_groundtruth_that_is_the_same_but_for_its_order_and_rounding_is_the_same():
    boxes = np.array([[0, 10, 50, 100], [0, 30, 60, 100]], float)
    one = image_result("a", (99, 100), boxes, [1, 2], [], [], [])
    rounded = boxes[::-1] + np.array([0, 0, 0, 1e-4])
    other = image_result("a", (99, 100), rounded, [2, 1], [], [], [])
    twins = {1: "cat", 2: "dog", 3: "cat"}  # two classes of one name
    assert shared_images(Results([one], twins), Results([other], twins)).findings == []
    swapped = replace(other, classes=np.array([1, 2]))
    (finding,) = shared_images(Results([one], NAMES), Results([swapped], NAMES)).findings
    assert finding.kind == "other-groundtruth"


def test_results_without_a_common_image_are_refused():
    first, second = ([image_result(name, (9, 9), [], [], [], [], [])] for name in ("a.jpg", "a"))
    with pytest.raises(DataError, match=r"no image in common: one has a\.jpg, the other a\."):
        compare(Results(first, NAMES), Results(second, NAMES))


def test_images_without_objects_cannot_be_compared():
    nothing = Results([image_result("a", (9, 9), [], [], [], [], [])], NAMES)
    assert "cannot be compared" in compare(nothing, nothing, num_samples=5).verdict
