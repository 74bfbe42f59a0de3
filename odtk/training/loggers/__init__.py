"""Where a training's scalars are written: one file each; `logger.py` says when they are called."""
