"""Checkpoints: their files, their contents, and restoring and saving variables."""
