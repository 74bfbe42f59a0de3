"""Loggers of training's scalars, one file each; `logger.py` defines when they are called."""
