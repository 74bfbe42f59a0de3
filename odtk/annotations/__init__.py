"""Annotation formats: one module per format, one dataclass out."""
