"""What each command does, minus parsing: paths and numbers in, named files out."""
