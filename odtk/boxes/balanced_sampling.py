"""Random samples with a given share of positives: which anchors or proposals of an image count in a loss.

Both functions take bool [batch, n], for a whole batch, and draw by odtk.step_random. (TFOD's
BalancedPositiveNegativeSampler.)
"""

import tensorflow as tf

from odtk import step_random


def sample(positive, eligible, size: int, positive_fraction: float):
    """At most `size` of the eligible, at most `positive_fraction` of `size` of them positive: bool [batch, n].

    Where there are fewer positives, there are more negatives instead; fewer than `size` in all if it takes more
    negatives than there are.
    """
    positives = _draw(positive & eligible, int(size * positive_fraction))
    count = tf.reduce_sum(tf.cast(positives, tf.int32), axis=1, keepdims=True)
    return positives | _draw(~positive & eligible, size - count)


def sample_exactly(positive, eligible, size: int, positive_fraction: float):
    """As `sample`, but always `size`, if n is as large: bool [batch, n].

    If fewer are eligible, the first others are eligible, too. If too many of those are positive, the sample is smaller
    after all: what is missing is one arbitrary member. (TFOD's static sampler.)
    """
    num = tf.shape(eligible)[1]
    missing = size - tf.reduce_sum(tf.cast(eligible, tf.int32), axis=1, keepdims=True)
    eligible |= ~eligible & (tf.cumsum(tf.cast(~eligible, tf.int32), axis=1) <= missing)
    # Members in an arbitrary order: 1 to n, negative for negatives, 0 for what is not eligible. Sorted, positives come
    # first and negatives last; the sample is taken from both ends.
    order = _ranks(step_random.uniform(tf.shape(eligible))) + 1
    signed = tf.where(eligible, tf.where(positive, order, -order), 0)
    found = tf.reduce_sum(tf.cast(signed > 0, tf.int32), axis=1, keepdims=True)
    num_positives = tf.minimum(found, int(size * positive_fraction))
    place = _ranks(-signed)
    taken = (place < num_positives) | (place >= num - (size - num_positives))
    sampled = taken & (signed != 0)
    is_short = tf.reduce_sum(tf.cast(sampled, tf.int32), axis=1, keepdims=True) < size
    return sampled | (is_short & (order == 1))


def _draw(candidates, count):
    """An arbitrary `count` (a number or int32 [batch, 1]) of the candidates, bool [batch, n]; all if they are fewer."""
    priority = tf.where(candidates, step_random.uniform(tf.shape(candidates)), 2.0)
    return candidates & (_ranks(priority) < count)


def _ranks(values):
    """The place of each value in ascending order: int32 [batch, n]."""
    return tf.argsort(tf.argsort(values, axis=1, stable=True), axis=1)
