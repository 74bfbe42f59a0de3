"""Callbacks of training, one file each; `callback.py` defines when they are called."""
