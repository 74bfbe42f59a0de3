"""odtk: object detection with TFOD's files and numbers, on today's TensorFlow."""

__version__ = "0.1.0"
