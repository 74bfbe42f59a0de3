"""One-stage detectors: dense anchors, a box and class scores for each, one pass."""
