"""Rows of tensors by their places, image by image."""

import tensorflow as tf


def take_rows(values, rows):
    """The rows int32 [batch, k] of values [batch, n, ...]: [batch, k, ...].

    Of one image they are gathered without its axis: OpenVINO (2026.4, on CPUs) gathers wrong numbers, or reads
    elsewhere in memory and crashes, where a batch axis is known to be 1 and a row has 2 to 16 values.
    """
    if values.shape[0] == 1:
        return tf.expand_dims(tf.gather(tf.squeeze(values, 0), tf.squeeze(rows, 0)), 0)
    return tf.gather(values, rows, batch_dims=1)
