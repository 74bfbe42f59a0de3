"""Where pictures come from: files, addresses, videos and cameras."""
