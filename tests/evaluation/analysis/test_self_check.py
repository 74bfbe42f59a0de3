"""Groundtruth as detections is perfect, or the evaluation or the annotations are not."""

import pytest

from odtk.evaluation.analysis.self_check import self_check
from odtk.evaluation.coco import CocoEvaluator
from odtk.evaluation.pascal import PascalEvaluator
from odtk.evaluation.results import Results, image_result
from odtk.findings import ERROR, WARNING

NAMES = {1: "cat", 2: "dog"}
CATEGORIES = [{"id": number, "name": name} for number, name in NAMES.items()]
BOX, OTHER = [0, 0, 10, 20], [5, 5, 60, 60]
COCO, PASCAL = "DetectionBoxes_Precision/mAP", "PascalBoxes_Precision/mAP@0.5IOU"


def check(*images, evaluators=(CocoEvaluator, PascalEvaluator)):
    return self_check(Results(images, NAMES), lambda: [evaluator(CATEGORIES) for evaluator in evaluators])


def image(name, boxes, classes, **columns):
    return image_result(name, (99, 99), boxes, classes, [], [], [], **columns)


def test_what_the_detector_found_does_not_matter_nor_what_need_not_be_found():
    missed = image("a", [BOX, OTHER, OTHER], [1, 2, 1], ignored=[0, 0, 1], crowds=[0, 0, 1])
    found = check(missed, image("b", [BOX], [2]), image("empty", [], []))
    assert found.metrics == {COCO: pytest.approx(1), PASCAL: pytest.approx(1)}
    assert (found.findings, found.shortfall) == ([], 0)


def test_of_nothing_there_is_nothing_to_say():
    found = check(image("a", [], []), image("b", [BOX], [1], crowds=[1]), evaluators=[CocoEvaluator])
    assert (found.metrics, found.findings) == ({COCO: -1}, [])


def test_annotations_that_no_detector_can_get_right_are_named():
    crowded = image("crowded", [[row, 0, row + 30.0, 20] for row in range(0, 130)], [1] * 130)
    empty = image("empty.jpg", [[5, 5, 5, 9], BOX], [2, 2], place=("val.record", 3))
    found = check(image("good", [BOX, BOX], [1, 1]), crowded, empty, evaluators=[CocoEvaluator])
    assert 0.5 < found.metrics[COCO] < 1
    assert found.shortfall == pytest.approx(1 - found.metrics[COCO])
    (finding,) = found.findings
    assert (finding.severity, finding.count) == (WARNING, 2)
    assert [str(example) for example in finding.examples] == [
        "crowded: 130 of cat, where only 100 detections count",
        "val.record, image empty.jpg: dog is 4 x 0 pixels, without an area",
    ]


def test_a_box_that_is_annotated_twice_cannot_be_found_twice_by_pascals_protocol():
    found = check(image("good", [BOX, OTHER], [1, 2]), image("twice", [BOX, BOX, OTHER], [2, 2, 1]))
    (finding,) = found.findings
    assert PASCAL in finding.text
    assert [str(example) for example in finding.examples] == ["twice: the same box of dog is annotated more than once"]


def test_of_many_such_images_the_first_few_are_looked_for():
    measured = []

    class Counted(CocoEvaluator):
        def evaluate(self):
            measured.append(self.num_images)
            return super().evaluate()

    images = [image(f"{row:02}", [[5, 5, 5, 9], BOX], [2, 2]) for row in range(64)]
    (finding,) = check(*images, evaluators=[Counted]).findings
    assert [example.image for example in finding.examples] == ["00", "01", "02", "03", "04"]
    assert "the first 5 images that lower it; there may be more" in finding.text
    assert sum(measured) < 6 * len(images)


class Broken(CocoEvaluator):
    """Swaps x and y of what is detected."""

    def _add(self, number, groundtruth, detections):
        super()._add(number, groundtruth, {**detections, "boxes": detections["boxes"][:, [1, 0, 3, 2]]})


def test_a_broken_evaluation_is_an_error():
    found = check(image("a", [BOX], [1]), image("b", [OTHER], [1]), evaluators=[Broken])
    (finding,) = found.findings
    assert finding.severity == ERROR
    assert "The evaluation is wrong" in finding.text
    assert [example.image for example in finding.examples] == ["a"]
