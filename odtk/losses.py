"""Losses as functions of tensors, not reduced over anchors; the detector weights, sums and normalizes them.

Every function takes predictions and targets [batch, anchors, codes] and weights [batch, anchors], classification losses
also [batch, anchors, classes]. Localization losses return [batch, anchors], classification losses [batch, anchors,
classes] or [batch, anchors], and `dice` [batch, classes].

The operations are in TFOD's order: mathematically equal forms round differently, and a training run reproduces TFOD's
only as long as the rounding is the same (see tests/training/test_training_parity.py).
"""

import tensorflow as tf


def smooth_l1(predictions, targets, weights, delta: float = 1.0):
    """Huber loss summed over the codes (TFOD's `weighted_smooth_l1`)."""
    error = tf.abs(predictions - targets)
    quadratic = tf.minimum(error, delta)
    linear = error - quadratic
    loss = 0.5 * (quadratic * quadratic) + delta * linear
    return tf.reduce_sum(loss * weights[..., None], axis=-1)


def l2(predictions, targets, weights):
    """Half the squared error summed over the codes (TFOD's `weighted_l2`)."""
    return 0.5 * tf.reduce_sum((weights[..., None] * (predictions - targets)) ** 2, axis=-1)


def iou(predictions, targets, weights):
    """1 - IoU of prediction and target, four codes each read as yxyx (TFOD's `weighted_iou`).

    TFOD's SSD passes box *encodings* to this loss, as to all others, so encodings are compared.
    """
    shared, union, _ = _overlap(predictions, targets)
    return weights * (1 - tf.where(shared == 0.0, 0.0, shared / tf.where(shared == 0.0, 1.0, union)))


def giou(predictions, targets, weights):
    """1 - generalized IoU, four codes each read as yxyx, as `iou` does (TFOD's `weighted_giou`).

    Rezatofighi et al., "Generalized Intersection over Union", 2019.
    """
    shared, union, hull = _overlap(predictions, targets)
    overlap = tf.math.divide_no_nan(shared, union)
    # Encodings can be "boxes" of zero or negative size; TFOD treats those as equal.
    return weights * (1 - tf.where(hull > 0.0, overlap - tf.math.divide_no_nan(hull - union, hull), 0.0))


def _overlap(boxes, others):
    """Areas of intersection, union and enclosing box of pairs of boxes yxyx [..., 4]: each [...]."""
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
    ymin2, xmin2, ymax2, xmax2 = tf.unstack(others, axis=-1)
    height = tf.maximum(0.0, tf.minimum(ymax, ymax2) - tf.maximum(ymin, ymin2))
    width = tf.maximum(0.0, tf.minimum(xmax, xmax2) - tf.maximum(xmin, xmin2))
    shared = height * width
    union = (ymax - ymin) * (xmax - xmin) + (ymax2 - ymin2) * (xmax2 - xmin2) - shared
    hull = (tf.maximum(ymax, ymax2) - tf.minimum(ymin, ymin2)) * (tf.maximum(xmax, xmax2) - tf.minimum(xmin, xmin2))
    return shared, union, hull


def sigmoid_cross_entropy(logits, targets, weights):
    """Per-class cross entropy of independent classes (TFOD's `weighted_sigmoid`)."""
    return _by_class(weights) * tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)


def sigmoid_focal(logits, targets, weights, gamma: float = 2.0, alpha: float | None = 0.25, soft_targets: bool = False):
    """Focal loss (Lin et al., "Focal Loss for Dense Object Detection", 2017), per class; targets 0 or 1.

    `soft_targets`: they may also be between 0 and 1. The loss of the others is the same bit for bit, in fewer passes
    over all anchors and classes, each of which a CPU's memory has to bear.
    """
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
    probabilities = tf.sigmoid(logits)
    by_target = _mixed if soft_targets else _chosen
    p_t = by_target(targets, probabilities, 1 - probabilities)
    loss = tf.pow(1 - p_t, gamma) if gamma else tf.ones_like(p_t)
    if alpha is not None:
        loss *= by_target(targets, tf.constant(alpha, p_t.dtype), tf.constant(1 - alpha, p_t.dtype))
    return loss * cross_entropy * _by_class(weights)


def _chosen(targets, of_one, of_zero):
    return tf.where(targets == 1.0, of_one, of_zero)


def _mixed(targets, of_one, of_zero):
    return targets * of_one + (1 - targets) * of_zero


def softmax_cross_entropy(logits, targets, weights, logit_scale: float = 1.0):
    """Cross entropy of exclusive classes, [batch, anchors] (TFOD's `weighted_softmax`)."""
    return _by_anchor(weights) * tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits / logit_scale)


def softmax_against_logits(logits, targets, weights, logit_scale: float = 1.0):
    """The same with targets that are logits themselves, [batch, anchors] (TFOD's `weighted_logits_softmax`)."""
    return softmax_cross_entropy(logits, tf.nn.softmax(targets / logit_scale), weights, logit_scale)


def bootstrapped_sigmoid(logits, targets, weights, alpha: float, hard: bool = False):
    """Cross entropy with targets mixed with the model's predictions (Reed et al., 2014): alpha of the former."""
    own = tf.sigmoid(logits)
    if hard:
        own = tf.cast(own > 0.5, tf.float32)
    mixed = alpha * targets + (1 - alpha) * own
    return _by_class(weights) * tf.nn.sigmoid_cross_entropy_with_logits(labels=mixed, logits=logits)


def penalty_reduced_focal(logits, targets, weights, alpha: float = 2.0, beta: float = 4.0):
    """The focal loss of heat maps, per class; targets in [0, 1], of which only 1 itself is a positive.

    Zhou et al., "Objects as Points", 2019, equation 1. Probabilities are kept 1e-4 away from 0 and 1.
    """
    probabilities = tf.clip_by_value(tf.sigmoid(logits), 1e-4, 1 - 1e-4)
    positive = tf.pow(1 - probabilities, alpha) * tf.math.log(probabilities)
    negative = tf.pow(1 - targets, beta) * tf.pow(probabilities, alpha) * tf.math.log(1 - probabilities)
    return -tf.where(targets == 1.0, positive, negative) * _by_class(weights)


def dice(logits, targets, weights, squared: bool = False, are_probabilities: bool = False):
    """1 - Dice's coefficient of each class over all anchors of an image, [batch, classes].

    Milletari et al., "V-Net", 2016, with the weights on both areas, and so twice on what they share (TFOD's
    `weighted_dice_classification_loss`). `squared`: of squares; `are_probabilities`: `logits` are no logits.
    """
    found = logits if are_probabilities else tf.sigmoid(logits)
    if squared:
        found, targets = tf.pow(found, 2), tf.pow(targets, 2)
    found, targets = found * _by_class(weights), targets * _by_class(weights)
    areas = tf.reduce_sum(targets, axis=1) + tf.reduce_sum(found, axis=1)
    return 1 - 2 * tf.reduce_sum(found * targets, axis=1) / tf.maximum(areas, 1.0)


def l1(predictions, targets, weights):
    """Absolute error summed over the codes (TFOD's `l1_localization_loss`)."""
    return tf.reduce_sum(tf.abs(predictions - targets) * weights[..., None], axis=-1)


def _by_class(weights):
    """[batch, anchors, 1 or classes]"""
    return weights if len(weights.shape) == 3 else weights[..., None]


def _by_anchor(weights):
    """[batch, anchors]"""
    return tf.reduce_mean(weights, axis=2) if len(weights.shape) == 3 else weights
