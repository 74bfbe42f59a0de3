"""Detectors: networks with anchors, losses and post-processing, built from a config."""
