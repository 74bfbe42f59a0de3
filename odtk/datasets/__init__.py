"""What can be looked at, one image at a time: folders of annotations, records, a config's data."""
