"""Annotated images as records: Examples, and the TFRecord shards that hold them; without TensorFlow."""
