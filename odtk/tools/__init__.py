"""The commands without their parsing: paths and numbers in, files out."""
