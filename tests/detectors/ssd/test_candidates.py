"""What an SSD shows of itself: its candidates before suppression, by level, and what training would match."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_detector import tiny_batch, tiny_config, tiny_parts


@pytest.fixture(scope="module")
def looked():
    """(detector, its predictions, shapes, groundtruth) of the two images of a golden."""
    detector = tiny_parts(tiny_config())[1]
    features, groundtruth = tiny_batch(detector)
    shapes = features["true_image_shape"]
    predictions = detector.predict(detector.preprocess(features["image"], shapes), shapes)
    return detector, predictions, shapes, groundtruth


def test_levels_are_those_of_the_pyramid_and_hold_all_candidates(looked):
    detector, predictions, _, _ = looked
    found, maps = detector.candidates(predictions), detector.pyramid(predictions)
    assert [level.name for level in found.levels] == list(maps) == ["P3", "P4", "P5", "P6", "P7"]
    assert [(level.rows, level.columns) for level in found.levels] == [each.shape[1:3] for each in maps.values()]
    assert sum(level.size for level in found.levels) == found.boxes.shape[1] == found.anchors.shape[0]
    # Every anchor of a level has the same sizes, and the next level's are twice as large.
    heights = [found.of_levels(found.anchors[None])[name] for name in ("P3", "P4")]
    sides = [tf.unique(tf.reshape(each[..., 2] - each[..., 0], [-1])[:6])[0] for each in heights]
    np.testing.assert_allclose(2 * sides[0], sides[1], rtol=1e-4)
    first = found.levels[0]
    assert (found.level_of(0), found.level_of(first.size - 1)) == (first, first)
    assert found.level_of(first.size).name == "P4"


def test_detections_are_rows_of_the_candidates(looked):
    detector, predictions, shapes, _ = looked
    found, detections = detector.candidates(predictions), detector.postprocess(predictions, shapes)
    count = int(detections["num_detections"][0])
    assert count
    rows = detections["detection_anchor_indices"][0, :count]
    classes = tf.cast(detections["detection_classes"][0, :count], tf.int32)
    scores = tf.gather(tf.gather(found.scores[0], rows), classes, batch_dims=1)
    np.testing.assert_array_equal(scores, detections["detection_scores"][0, :count])


def test_what_training_would_match_overlaps(looked):
    detector, predictions, _, groundtruth = looked
    matched = detector.matched_groundtruth(predictions, groundtruth).numpy()
    anchors = predictions["anchors"].numpy()
    assert matched.shape == (2, len(anchors))
    for image, count in enumerate(groundtruth["num_boxes"].numpy()):
        assert set(matched[image][matched[image] >= 0]) == set(range(count))  # each box, and no padding
        anchor, box = anchors[matched[image] == 0][0], groundtruth["boxes"][image, 0].numpy()
        assert (np.maximum(anchor[:2], box[:2]) < np.minimum(anchor[2:], box[2:])).all()
