"""Record shards to augmented, resized, padded batches (tf.data)."""
