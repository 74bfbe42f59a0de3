"""Checkpoints: which files there are, what they hold, and variables restored from them and saved to them."""
