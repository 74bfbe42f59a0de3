"""Detectors as files that others run: what goes in, what is written, and the same loaded again."""
