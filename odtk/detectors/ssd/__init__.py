"""One-stage detectors: dense anchors, with a box and class scores for each, in one pass."""
