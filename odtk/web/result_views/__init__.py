"""What the pages of results show: read from the files that the commands write, without a server."""
