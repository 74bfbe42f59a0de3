"""Shards to augmented, resized, padded batches (tf.data)."""
