"""Reads and checks data before training: `open_dataset.open_target` opens what a path names, as sources of images.

A source yields one image at a time (`sources.Source`), `scan` reads all of them into columns, `checks` finds problems.
"""
