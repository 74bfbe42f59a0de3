"""Annotated images as records: Examples, and the shards that hold them. No TensorFlow."""
