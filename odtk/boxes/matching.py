"""Matches anchors to groundtruth boxes: argmax matching over a whole batch."""

import numpy as np
import tensorflow as tf

UNMATCHED = -1
IGNORED = -2
# The similarity of what is no box: below that of any, overlaps and negative distances alike.
NOTHING = float(np.finfo(np.float32).min)


def argmax_match(
    similarity,
    valid,
    matched_threshold: float,
    unmatched_threshold: float,
    negatives_lower_than_unmatched: bool = True,
    force_match: bool = False,
):
    """Row of the groundtruth that each anchor matches, or UNMATCHED, or IGNORED: int32 [batch, anchors].

    similarity: float32 [batch, groundtruth, anchors], NOTHING for padding; valid: bool [batch, groundtruth], false for
    what never force-matches. An anchor matches its most similar box (the lower row if equal) at `matched_threshold` or
    above; below `unmatched_threshold` it is UNMATCHED and between the two IGNORED, or the other way round without
    `negatives_lower_than_unmatched`. With `force_match` each valid box also gets its best anchor; if two boxes have
    the same best anchor, the lower row gets it. (TFOD's ArgMaxMatcher.)
    """
    batch, num_boxes, num_anchors = tf.unstack(tf.shape(similarity))
    # A row of NOTHING follows the real ones, so that argmax works even without any box.
    padded = tf.pad(similarity, [[0, 0], [0, 1], [0, 0]], constant_values=NOTHING)
    best_row = tf.argmax(padded, axis=1, output_type=tf.int32)
    best = tf.reduce_max(padded, axis=1)
    low, middle = (UNMATCHED, IGNORED) if negatives_lower_than_unmatched else (IGNORED, UNMATCHED)
    match = tf.where(best < matched_threshold, middle, best_row)
    match = tf.where(best < unmatched_threshold, low, match)
    # Without groundtruth in the image, all anchors are unmatched in TFOD, regardless of the thresholds.
    match = tf.where(best <= NOTHING, UNMATCHED, match)
    if not force_match:
        return match
    best_anchor = tf.argmax(similarity, axis=2, output_type=tf.int32)  # [batch, groundtruth]
    image = tf.repeat(tf.range(batch)[:, None], num_boxes, axis=1)
    rows = tf.repeat(tf.range(num_boxes)[None, :], batch, axis=0)
    forced = tf.tensor_scatter_nd_min(
        tf.fill([batch, num_anchors], num_boxes),
        tf.stack([image, best_anchor], axis=-1),
        tf.where(valid, rows, num_boxes),
    )
    return tf.where(forced < num_boxes, forced, match)
