"""Two-stage detectors: proposals from dense anchors, then a class and a better box for each proposal."""
