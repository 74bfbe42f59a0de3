"""Hard example mining and the draw of negatives, against what TFOD does image by image."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from odtk.boxes.matching import IGNORED, UNMATCHED
from odtk.boxes.sampling import hard_examples, sample_negatives

TFOD = json.loads((Path(__file__).parents[1] / "golden/from_tfod/sampling.json").read_text())
RNG = np.random.default_rng(0)
# Far apart, but for 0 and 1, which are almost the same.
BOXES = np.float32([[i, 0, i + 0.9, 1] for i in range(8)])
BOXES[1] = BOXES[0] + 0.01
LOSSES = np.float32([5, 4, 9, 8, 7, 6, 3, 2])


def mine(match, losses=LOSSES, **options) -> list[int]:
    options = {"num_hard_examples": 0, "iou_threshold": 0.5} | options
    kept = hard_examples(BOXES[None], np.float32([losses]), np.int32([match]), **options)
    assert set(np.unique(kept)) <= {0, 1}
    return np.flatnonzero(kept[0]).tolist()


NEGATIVE = [UNMATCHED] * 8


class TestHardExamples:
    def test_of_two_alike_the_one_with_the_larger_loss_stays(self):
        assert mine(NEGATIVE) == [0, 2, 3, 4, 5, 6, 7]
        assert mine(NEGATIVE, losses=[4, 5, *LOSSES[2:]]) == [1, 2, 3, 4, 5, 6, 7]

    def test_only_so_many_of_the_largest(self):
        assert mine(NEGATIVE, num_hard_examples=3) == [2, 3, 4]
        assert mine(NEGATIVE, num_hard_examples=100) == [0, 2, 3, 4, 5, 6, 7]

    def test_negatives_for_each_positive(self):
        # By loss: 2, 3, 4, 5, 0, 6, 7; the positives are 4 and 7.
        match = [UNMATCHED] * 8
        match[4] = match[7] = 0
        assert mine(match, max_negatives_per_positive=1) == [2, 3, 4, 7]
        assert mine(match, max_negatives_per_positive=2) == [0, 2, 3, 4, 5, 7]
        assert mine(match, max_negatives_per_positive=1, min_negatives_per_image=3) == [2, 3, 4, 5, 7]

    def test_positives_beyond_the_hard_examples_bring_no_negatives(self):
        match = [UNMATCHED] * 7 + [0]
        assert mine(match, num_hard_examples=4, max_negatives_per_positive=2) == []
        assert mine(match, num_hard_examples=4, max_negatives_per_positive=2, min_negatives_per_image=1) == [2]

    def test_what_is_ignored_is_neither(self):
        match = [UNMATCHED, UNMATCHED, IGNORED, UNMATCHED, 0, UNMATCHED, UNMATCHED, UNMATCHED]
        assert [row for row in mine(match, max_negatives_per_positive=1) if match[row] != IGNORED] == [3, 4]

    def test_a_batch_is_its_images_and_passes_no_gradient(self):
        boxes = tf.constant(RNG.uniform(0, 1, [3, 50, 2]), tf.float32)
        boxes = tf.concat([boxes, boxes + 0.3], axis=-1)
        losses = tf.constant(RNG.uniform(0, 1, [3, 50]), tf.float32)
        match = tf.constant(RNG.integers(-2, 2, [3, 50]), tf.int32)
        options = (20, 0.4, 1, 2)
        with tf.GradientTape() as tape:
            tape.watch([boxes, losses])
            together = hard_examples(boxes, losses, match, *options)
            total = tf.reduce_sum(losses * together)
        boxes_gradient, losses_gradient = tape.gradient(total, [boxes, losses])
        assert boxes_gradient is None
        np.testing.assert_array_equal(losses_gradient, together)
        alone = [hard_examples(boxes[i : i + 1], losses[i : i + 1], match[i : i + 1], *options) for i in range(3)]
        np.testing.assert_array_equal(together, tf.concat(alone, axis=0))


class TestSampleNegatives:
    POSITIVE = np.zeros([2, 100], bool)
    POSITIVE[0, :5] = True
    COUNTED = np.ones([2, 100], bool)
    COUNTED[:, 50:] = False

    @pytest.mark.parity(
        what="random negatives: how many are taken, 7 images by 11 shares",
        against="from_tfod/sampling.json",
        tolerance="exact",
    )
    def test_as_many_as_tfod_takes(self):
        for case in TFOD["counts"]:
            positive, counted = np.array(case["positive"], bool), np.array(case["counted"], bool)
            kept = sample_negatives(positive[None], counted[None], case["fraction"]).numpy()[0].astype(bool)
            assert not kept[~counted].any()
            assert [kept[positive].sum(), kept[~positive].sum()] == case["kept"], case

    @pytest.mark.parametrize(("fraction", "negatives"), [(0.25, 15), (0.5, 5), (1.0, 0), (0.01, 45)])
    def test_all_positives_and_their_share_of_negatives(self, fraction, negatives):
        drawn = sample_negatives(self.POSITIVE, self.COUNTED, fraction).numpy()
        assert drawn[0, :5].all()
        assert drawn[0, 5:50].sum() == negatives
        assert not drawn[:, 50:].any()
        assert not drawn[1].any()  # no positive, no negative

    def test_every_negative_has_the_same_chance(self):
        drawn = sum(sample_negatives(self.POSITIVE, self.COUNTED, 0.25).numpy()[0, 5:50] for _ in range(300))
        # 100 draws each on average, standard deviation 8.
        assert 60 < drawn.min() < drawn.max() < 140
