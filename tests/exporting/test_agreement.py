"""What `odtk export --precision` says of the detections of two precisions."""

import numpy as np
import pytest

from odtk.exporting.agreement import Agreement, _compare


def detections(*rows):
    """Of (box, score, class), followed by an entry that is none."""
    boxes, scores, classes = zip(*rows, ([0.0] * 4, 0.9, 0.0), strict=True)
    return {
        "num_detections": np.float32(len(rows)),
        "detection_boxes": np.array(boxes, np.float32),
        "detection_scores": np.array(scores, np.float32),
        "detection_classes": np.array(classes, np.float32),
    }


@pytest.fixture
def agreement():
    return Agreement(1, "drawn images", 0, 0, 0.0, 0.0)


BOX, MOVED, ELSEWHERE = [0.1, 0.1, 0.5, 0.5], [0.1, 0.12, 0.49, 0.5], [0.6, 0.6, 0.9, 0.9]


def test_the_nearest_of_the_same_class_is_compared_in_pixels(agreement):
    ours = detections((BOX, 0.9, 1.0), (ELSEWHERE, 0.8, 2.0), (BOX, 0.1, 0.0))
    theirs = detections((ELSEWHERE, 0.78, 2.0), (MOVED, 0.85, 1.0), (BOX, 0.8, 2.0))
    _compare(ours, theirs, (100, 200), agreement)
    assert (agreement.detections, agreement.not_found) == (2, 0), "0.1 is no detection to compare"
    assert agreement.pixels == pytest.approx(4, abs=1e-4)
    assert agreement.score == pytest.approx(0.05, abs=1e-6)
    assert agreement.in_words("float16") == (
        "float16 against float32 on 1 drawn images, 2 detections: boxes within 4 pixels, scores within 0.05."
    )


def test_what_has_another_class_or_place_is_not_found(agreement):
    _compare(detections((BOX, 0.9, 1.0), (ELSEWHERE, 0.8, 2.0)), detections((BOX, 0.9, 2.0)), (9, 9), agreement)
    _compare(detections((BOX, 0.1, 1.0)), detections(), (9, 9), agreement)
    assert (agreement.detections, agreement.not_found, agreement.pixels) == (3, 3, 0.0)
    assert agreement.in_words("bfloat16").endswith("; 3 of them not found.")
