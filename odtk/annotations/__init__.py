"""Readers of annotation formats: one module per format, all with the same dataclasses as result."""
