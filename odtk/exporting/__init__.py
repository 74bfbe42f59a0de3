"""Exports detectors as files that other programs can run, and loads them again."""
