"""One module per kind of output of a stream of pictures."""
