"""What the results of an evaluation say beyond the metrics: where a detector is wrong. NumPy only, no TensorFlow."""
