"""Selects the anchors that count in a loss: hard example mining, and random sampling of negatives."""

import tensorflow as tf

from odtk import step_random
from odtk.boxes.matching import UNMATCHED


def hard_examples(
    boxes,
    losses,
    match,
    num_hard_examples: int,
    iou_threshold: float,
    max_negatives_per_positive: float = 0,
    min_negatives_per_image: int = 0,
):
    """Selects the anchors with the largest losses for training, as 1 and 0: float32 [batch, anchors].

    boxes: predictions, yxyx [batch, anchors, 4]; losses: float32 [batch, anchors]; match: int32 [batch, anchors], as
    argmax_match returns it. Suppression by loss at `iou_threshold` selects at most `num_hard_examples` anchors of an
    image (without limit if 0). If `max_negatives_per_positive` is above 0, all positives among them are kept and, worst
    first, that many negatives for each, but at least `min_negatives_per_image`. (TFOD's HardExampleMiner;
    Shrivastava et al., "Training Region-based Object Detectors with Online Hard Example Mining", 2016.)
    """
    num_anchors = tf.shape(losses)[1]
    most = tf.minimum(num_hard_examples, num_anchors) if num_hard_examples > 0 else num_anchors
    picked, count = _suppress(tf.stop_gradient(boxes), tf.stop_gradient(losses), most, iou_threshold)
    kept = tf.sequence_mask(count, most)  # [batch, most], worst first
    if max_negatives_per_positive > 0:
        matched = tf.gather(match, picked, batch_dims=1)
        num_positives = tf.reduce_sum(tf.cast(kept & (matched >= 0), tf.float32), axis=1, keepdims=True)
        allowed = tf.cast(max_negatives_per_positive * num_positives, tf.int32)
        seen = tf.cumsum(tf.cast(kept & (matched == UNMATCHED), tf.int32), axis=1)
        kept &= (matched >= 0) | (seen <= tf.maximum(allowed, min_negatives_per_image))
    return _named(tf.where(kept, picked, num_anchors), num_anchors)


def _suppress(boxes, losses, most, iou_threshold: float):
    """Rows int32 [batch, most], the largest loss first, and how many of them are filled, int32 [batch]."""

    def one_image(inputs):
        image_boxes, image_losses = inputs
        found = tf.raw_ops.NonMaxSuppressionV4(
            boxes=image_boxes,
            scores=image_losses,
            max_output_size=most,
            iou_threshold=iou_threshold,
            score_threshold=-float("inf"),
            pad_to_max_output_size=True,
        )
        return found.selected_indices, found.valid_outputs

    return tf.map_fn(one_image, (boxes, losses), fn_output_signature=(tf.int32, tf.int32), parallel_iterations=8)


def _named(rows, num_anchors):
    """Rows int32 [batch, n] as 1 for the anchors in them: float32 [batch, num_anchors]; num_anchors is a dummy row."""
    batch, count = tf.unstack(tf.shape(rows))
    image = tf.repeat(tf.range(batch)[:, None], count, axis=1)
    named = tf.tensor_scatter_nd_max(
        tf.zeros([batch, num_anchors + 1]), tf.stack([image, rows], axis=-1), tf.ones([batch, count])
    )
    return named[:, :-1]


def sample_negatives(positive, counted, positive_fraction: float):
    """All positive anchors and a random choice of the others, as 1 and 0: float32 [batch, anchors].

    positive and counted: bool [batch, anchors]; an anchor that is not `counted` is never selected. The number of
    negatives makes the positives `positive_fraction` of all; none if there is no positive. (TFOD's
    BalancedPositiveNegativeSampler, which also draws new ones at every step.)
    """
    positive, negative = positive & counted, ~positive & counted
    ratio = (1 - positive_fraction) / positive_fraction
    wanted = tf.cast(ratio * tf.reduce_sum(tf.cast(positive, tf.float32), axis=1, keepdims=True), tf.int32)
    priority = tf.where(negative, step_random.uniform(tf.shape(negative)), 2.0)
    rank = tf.argsort(tf.argsort(priority, axis=1), axis=1)
    return tf.cast(positive | (negative & (rank < wanted)), tf.float32)
