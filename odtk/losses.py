"""Losses as functions of tensors, unreduced over anchors; the detector weighs, sums and normalises them.

Every function takes predictions and targets [batch, anchors, codes] and weights [batch, anchors]. Localisation losses
give [batch, anchors], classification losses [batch, anchors, classes] or [batch, anchors].
"""

import tensorflow as tf


def smooth_l1(predictions, targets, weights, delta: float = 1.0):
    """Huber loss summed over the codes (TFOD's `weighted_smooth_l1`)."""
    error = tf.abs(predictions - targets)
    quadratic = tf.minimum(error, delta)
    return weights * tf.reduce_sum(0.5 * quadratic**2 + delta * (error - quadratic), axis=-1)


def l2(predictions, targets, weights):
    """Half the squared error summed over the codes (TFOD's `weighted_l2`)."""
    return 0.5 * tf.reduce_sum((weights[..., None] * (predictions - targets)) ** 2, axis=-1)


def sigmoid_cross_entropy(logits, targets, weights):
    """Per-class cross entropy of independent classes (TFOD's `weighted_sigmoid`)."""
    return weights[..., None] * tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)


def sigmoid_focal(logits, targets, weights, gamma: float = 2.0, alpha: float | None = 0.25):
    """Focal loss (Lin et al., "Focal Loss for Dense Object Detection", 2017), per class; targets 0 or 1."""
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
    probability = tf.sigmoid(logits)
    wrongness = targets * (1 - probability) + (1 - targets) * probability
    loss = tf.pow(wrongness, gamma) * cross_entropy if gamma else cross_entropy
    if alpha is not None:
        loss *= targets * alpha + (1 - targets) * (1 - alpha)
    return weights[..., None] * loss


def softmax_cross_entropy(logits, targets, weights, logit_scale: float = 1.0):
    """Cross entropy of exclusive classes, [batch, anchors] (TFOD's `weighted_softmax`)."""
    return weights * tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits / logit_scale)


def bootstrapped_sigmoid(logits, targets, weights, alpha: float, hard: bool = False):
    """Cross entropy against targets mixed with the model's own view (Reed et al., 2014): alpha of the former."""
    own = tf.sigmoid(logits)
    if hard:
        own = tf.cast(own > 0.5, tf.float32)
    mixed = alpha * targets + (1 - alpha) * own
    return weights[..., None] * tf.nn.sigmoid_cross_entropy_with_logits(labels=mixed, logits=logits)
