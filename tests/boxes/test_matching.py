import numpy as np
import tensorflow as tf

from odtk.boxes.matching import IGNORED, UNMATCHED, argmax_match


def match(similarity, valid=None, matched=0.5, unmatched=0.5, lower=True, force=False):
    """One image's match as a list; similarity: a list of rows, one per box."""
    similarity = tf.constant([similarity], tf.float32)
    valid = tf.ones(similarity.shape[:2], tf.bool) if valid is None else tf.constant([valid])
    return argmax_match(similarity, valid, matched, unmatched, lower, force)[0].numpy().tolist()


def test_each_anchor_takes_its_most_similar_box():
    assert match([[0.9, 0.1, 0.6, 0.2], [0.2, 0.8, 0.7, 0.3]]) == [0, 1, 1, UNMATCHED]


def test_equals_go_to_the_lower_row():
    assert match([[0.1, 0.6], [0.7, 0.6], [0.7, 0.6]]) == [1, 0]


def test_thresholds_are_inclusive_from_below():
    assert match([[0.5, 0.49, 0.25, 0.24]], matched=0.5, unmatched=0.25) == [0, IGNORED, IGNORED, UNMATCHED]


def test_ignore_band_the_other_way_round():
    assert match([[0.5, 0.4, 0.1]], matched=0.5, unmatched=0.25, lower=False) == [0, UNMATCHED, IGNORED]


def test_without_force_match_a_box_may_get_nothing():
    assert match([[0.1, 0.2, 0.3]]) == [UNMATCHED] * 3


def test_force_match_gives_each_box_its_best_anchor():
    assert match([[0.1, 0.2, 0.3], [0.9, 0.2, 0.1]], force=True) == [1, UNMATCHED, 0]


def test_force_match_overrules_a_better_match():
    # Anchor 0 is box 0's by similarity, but it is the best that box 1 can have.
    assert match([[0.9, 0.8], [0.6, 0.1]], force=True)[0] == 0  # both force anchor 0: the lower row has it
    assert match([[0.8, 0.9], [0.6, 0.1]], force=True) == [1, 0]


def test_force_match_takes_the_first_of_equal_anchors():
    assert match([[0.3, 0.3, 0.1]], force=True) == [0, UNMATCHED, UNMATCHED]


def test_force_match_rescues_an_anchor_from_the_ignore_band():
    assert match([[0.4, 0.3, 0.1]], matched=0.6, unmatched=0.3, force=True) == [0, IGNORED, UNMATCHED]


def test_two_boxes_that_force_the_same_anchor_leave_it_to_the_lower_row():
    assert match([[0.1, 0.4, 0.2], [0.1, 0.9, 0.2]], force=True) == [UNMATCHED, 0, UNMATCHED]


def test_padding_never_force_matches():
    padded = [[0.0, 0.3, 0.2], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert match(padded, valid=[True, False, False], force=True) == [UNMATCHED, 0, UNMATCHED]


def test_padding_in_front_does_not_take_a_real_boxs_anchor():
    assert match([[0.0, 0.0], [0.3, 0.2]], valid=[False, True], force=True) == [1, UNMATCHED]


def test_an_invalid_box_still_matches_by_similarity():
    assert match([[0.2, 0.9]], valid=[False], force=True) == [UNMATCHED, 0]


def test_no_box_at_all_leaves_every_anchor_unmatched():
    nothing = tf.zeros([2, 0, 5])
    for lower in (True, False):
        for force in (True, False):
            got = argmax_match(nothing, tf.zeros([2, 0], tf.bool), 0.6, 0.3, lower, force)
            np.testing.assert_array_equal(got, np.full([2, 5], UNMATCHED))


def test_thresholds_at_minus_infinity_match_everything():
    # What `ignore_thresholds` becomes.
    assert match([[0.0, 0.2], [0.0, 0.3]], matched=float("-inf"), unmatched=float("-inf")) == [0, 1]


def test_inside_a_graph_that_knows_no_sizes():
    similarity = np.random.default_rng(0).uniform(size=(3, 4, 30)).astype(np.float32)
    valid = np.array([[True] * 4, [True, True, False, False], [False] * 4])
    graph = tf.function(
        lambda s, v: argmax_match(s, v, 0.8, 0.6, True, True),
        input_signature=[tf.TensorSpec([None, None, None]), tf.TensorSpec([None, None], tf.bool)],
    )
    np.testing.assert_array_equal(graph(similarity, valid), argmax_match(similarity, valid, 0.8, 0.6, True, True))
