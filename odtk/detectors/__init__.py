"""Detectors: networks with their losses and post-processing, built from a config."""
