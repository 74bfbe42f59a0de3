"""Data to look at, before training does: `open_dataset.open_target` opens whatever a path names, as sources of images.

A source gives one image at a time (`sources.Source`), `scan` reads all of them into columns, `checks` finds problems.
"""
